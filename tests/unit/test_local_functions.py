"""The local Lambda: sandboxes, what they are given, how they end."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from polypost_local import fork_server
from polypost_local.functions import EventTooLarge, FunctionDoesNotStart, Functions, Stopping, sandboxes
from polypost_local.stack import FunctionSettings
from polypost_local.template import CodePaths
from polypost_local.worker import FunctionLog
from support.waiting import eventually

# The layer's module is imported by the function, and one of the same name in the function's folder wins.
FUNCTION = """
import os
import sys
import time

import shared

starts = 0


def handler(event, context):
    global starts
    starts += 1
    if "run" in event:
        return eval(event["run"], globals() | {"context": context})
    time.sleep(event.get("sleep", 0))
    if "raise" in event:
        raise KeyError(event["raise"])
    if "exit" in event:
        sys.exit(event["exit"])
    return {"pid": os.getpid(), "starts": starts, "shared": shared.__file__}
"""

Call = Callable[..., Any]


@pytest.fixture(scope="module", autouse=True)
def fork_server_of_the_module() -> Iterator[None]:
    fork_server.start()
    yield
    fork_server.stop()


@contextmanager
def running(folder: Path, bound: int = 2, **settings: Any) -> Iterator[Functions]:
    """One function named Function, of the code above where the folder has none."""
    for name in ("function", "layer"):
        (folder / name).mkdir(exist_ok=True)
    if not (folder / "function" / "app.py").exists():
        (folder / "function" / "app.py").write_text(FUNCTION)
    (folder / "layer" / "shared.py").touch()
    values: dict[str, Any] = {"timeout_seconds": 5, "memory_mb": 256, "environment": {"TABLE": "table-1"}} | settings
    functions = Functions(
        sandboxes(
            {"Function": FunctionSettings("app.handler", "python3.13", **values)},
            {"Function": CodePaths(folder / "function", (folder / "layer",))},
            "http://127.0.0.1:9",
            verbose=False,
        ),
        bound,
    )
    try:
        yield functions
    finally:
        functions.stop()


def call(functions: Functions, **event: Any) -> Any:
    """The function's result, which must be none of an error."""
    answer = functions.invoke("Function", json.dumps(event))
    assert not answer.failed, answer.payload
    return json.loads(answer.payload)


def error(functions: Functions, **event: Any) -> Any:
    """Lambda's description of the function's error."""
    answer = functions.invoke("Function", json.dumps(event))
    assert answer.failed, answer.payload
    return json.loads(answer.payload)


def is_running(pid: int) -> bool:
    # A process that has ended and that nobody has asked for yet is a zombie.
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_sandbox_is_reused_and_imports_its_code_once(tmp_path: Path) -> None:
    with running(tmp_path) as functions:
        first, second = call(functions), call(functions)
    assert first["pid"] == second["pid"] != os.getpid()
    assert (first["starts"], second["starts"]) == (1, 2)
    assert first["shared"] == str(tmp_path / "layer" / "shared.py")


def test_the_functions_own_modules_come_before_the_layers(tmp_path: Path) -> None:
    (tmp_path / "function").mkdir()
    (tmp_path / "function" / "shared.py").touch()
    with running(tmp_path) as functions:
        assert call(functions)["shared"] == str(tmp_path / "function" / "shared.py")


def test_the_environment_is_lambdas_and_the_templates_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_TABLE", "of the machine")
    monkeypatch.setenv("AWS_PROFILE", "production")
    with running(tmp_path) as functions:
        environment = call(functions, run="dict(os.environ)")
    assert environment["TABLE"] == "table-1"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == environment["AWS_ACCESS_KEY_ID"] == "Function"
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9"
    assert environment["LAMBDA_TASK_ROOT"] == str(tmp_path / "function")
    assert environment["_HANDLER"] == "app.handler"
    assert not {"OTHER_TABLE", "AWS_PROFILE", "HOME", "PYTHONPATH", "VIRTUAL_ENV"} & environment.keys()


def test_a_function_reaches_no_other_machine(tmp_path: Path) -> None:
    with running(tmp_path) as functions:
        refused = error(
            functions, run="__import__('boto3').client('s3', endpoint_url='https://192.0.2.1').list_buckets()"
        )
    assert refused["errorType"] == "ForbiddenHost"


def test_the_context_is_lambdas(tmp_path: Path) -> None:
    names = (
        "function_name",
        "function_version",
        "memory_limit_in_mb",
        "invoked_function_arn",
        "log_group_name",
        "log_stream_name",
    )
    with running(tmp_path) as functions:
        context = call(functions, run=f"{{name: getattr(context, name) for name in {names}}}")
        remaining = call(functions, run="context.get_remaining_time_in_millis()")
        ids = {call(functions, run="context.aws_request_id") for _ in range(2)}
    assert context == {
        "function_name": "Function",
        "function_version": "$LATEST",
        "memory_limit_in_mb": "256",
        "invoked_function_arn": "arn:aws:lambda:eu-central-1:123456789012:function:Function",
        "log_group_name": "/aws/lambda/Function",
        "log_stream_name": "local",
    }
    assert 4000 < remaining <= 5000
    assert len(ids) == 2


def test_an_exception_is_lambdas_error_and_the_sandbox_stays(tmp_path: Path) -> None:
    with running(tmp_path) as functions:
        pid = call(functions)["pid"]
        failed = error(functions, **{"raise": "ü"})
        assert call(functions)["pid"] == pid
    assert failed["errorType"] == "KeyError"
    assert failed["errorMessage"] == "'ü'"
    (frame,) = failed["stackTrace"]
    assert "app.py" in frame


@pytest.mark.parametrize(
    ("run", "kind"),
    [("object()", "Runtime.MarshalError"), ("'x' * 7_000_000", "Function.ResponseSizeTooLarge")],
)
def test_a_result_that_lambda_cannot_return_is_an_error(tmp_path: Path, run: str, kind: str) -> None:
    with running(tmp_path) as functions:
        assert error(functions, run=run)["errorType"] == kind


def test_a_time_out_ends_the_sandbox(tmp_path: Path) -> None:
    with running(tmp_path, timeout_seconds=1) as functions:
        pid = call(functions)["pid"]
        begin = time.monotonic()
        failed = error(functions, sleep=30)
        assert time.monotonic() - begin > 0.9
        assert failed["errorType"] == "Sandbox.Timedout"
        assert failed["errorMessage"].endswith("Task timed out after 1.00 seconds")
        assert not is_running(pid)
        assert call(functions)["pid"] != pid


@pytest.mark.parametrize(
    ("event", "end"), [({"exit": 3}, "exit status 3"), ({"run": "os.kill(os.getpid(), 9)"}, "signal: Killed")]
)
def test_a_crash_is_an_error_and_the_sandbox_is_replaced(tmp_path: Path, event: dict[str, Any], end: str) -> None:
    with running(tmp_path) as functions:
        failed = error(functions, **event)
        assert failed["errorType"] == "Runtime.ExitError"
        assert failed["errorMessage"].endswith(end)
        assert call(functions)["starts"] == 1


def test_a_sandbox_that_died_between_two_events_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path) as functions:
        pid = call(functions)["pid"]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not is_running(pid))
        # Its second thread may hold the connection for a moment longer.
        time.sleep(0.1)
        assert call(functions)["pid"] != pid


def test_the_pool_grows_to_its_bound_and_events_beyond_wait(tmp_path: Path) -> None:
    pids: list[int] = []
    with running(tmp_path, bound=2) as functions:
        functions.wait(functions.start())
        threads = [threading.Thread(target=lambda: pids.append(call(functions, sleep=0.3)["pid"])) for _ in range(4)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - begin >= 0.6
    assert len(pids) == 4
    assert len(set(pids)) == 2


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import no_such_module", "ModuleNotFoundError"),
        ("raise SystemExit(4)", "Runtime.ExitError"),
        ("", "AttributeError"),
    ],
)
def test_code_that_cannot_be_imported_is_said_at_the_start(tmp_path: Path, code: str, kind: str) -> None:
    (tmp_path / "function").mkdir()
    (tmp_path / "function" / "app.py").write_text(code)
    with running(tmp_path) as functions:
        with pytest.raises(FunctionDoesNotStart, match=f"^Function does not start: {kind}"):
            functions.wait(functions.start())
        assert error(functions)["errorType"] == kind


def test_an_event_over_six_megabytes_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as functions, pytest.raises(EventTooLarge):
        functions.invoke("Function", json.dumps("x" * (6 * 1024 * 1024)))


def test_to_stop_ends_a_function_at_work(tmp_path: Path) -> None:
    ended: list[type[BaseException]] = []
    marker = tmp_path / "pid"
    run = f"[open({str(marker)!r}, 'w').write(str(os.getpid())), time.sleep(60)]"

    with running(tmp_path, timeout_seconds=60) as functions:

        def work() -> None:
            try:
                call(functions, run=run)
            except Stopping as stopping:
                ended.append(type(stopping))

        thread = threading.Thread(target=work)
        thread.start()
        pid = int(eventually(lambda: marker.exists() and marker.read_text()))
        functions.stop()
        thread.join()
        assert ended == [Stopping]
        assert not is_running(pid)
        with pytest.raises(Stopping):
            call(functions)


def test_a_function_at_work_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    (tmp_path / "function").mkdir()
    (tmp_path / "function" / "app.py").write_text(
        f"import os, time\n\n\ndef handler(event, context):\n"
        f"    open({str(marker)!r}, 'w').write(str(os.getpid()))\n    time.sleep(60)\n"
    )
    program = tmp_path / "parent.py"
    program.write_text(
        "from pathlib import Path\n"
        "from polypost_local.functions import Functions\n"
        "from polypost_local.worker import Sandbox\n"
        "if __name__ == '__main__':\n"
        f"    sandbox = Sandbox('F', 'app.handler', 128, {{}}, (Path({str(tmp_path / 'function')!r}),), False)\n"
        "    Functions({'F': (sandbox, 60.0)}).invoke('F', '{}')\n"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    parent = subprocess.Popen([sys.executable, str(program)], env=os.environ | {"PYTHONPATH": paths})
    worker = int(eventually(lambda: marker.exists() and marker.read_text()))
    parent.kill()
    parent.wait()
    eventually(lambda: not is_running(worker))


@pytest.mark.parametrize(
    ("line", "alarming"),
    [
        ('{"level": "INFO", "message": "a"}', False),
        ('{"level": "WARNING", "message": "a"}', True),
        ('{"level": "ERROR", "message": "a"}', True),
        ('{"_aws": {"CloudWatchMetrics": []}}', False),
        ("Traceback (most recent call last):", True),
        ("", False),
    ],
)
def test_the_log_shows_what_alarms_or_everything(line: str, alarming: bool) -> None:
    for verbose in (False, True):
        shown = io.StringIO()
        print(line, file=FunctionLog("Function", shown, verbose))
        assert shown.getvalue() == (f"Function: {line}\n" if alarming or verbose else "")
