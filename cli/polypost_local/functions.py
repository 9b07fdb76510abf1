"""The functions as Lambda runs them: sandboxes that are reused, one event at a time in each, up to a bound."""

import json
import logging
import os
import signal
import threading
import uuid
from collections.abc import Iterable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Final

from polypost_cli.local_environment import REGION, aws_settings
from polypost_local.errors import LocalStackError
from polypost_local.fork_server import CONTEXT
from polypost_local.stack import FunctionSettings
from polypost_local.template import CodePaths
from polypost_local.worker import Answer, Invocation, Sandbox, work

# Lambda's bound on an event, in bytes of JSON.
EVENT_LIMIT_BYTES: Final = 6 * 1024 * 1024

# Sandboxes of one function at a time.
_BOUND: Final = 8

# How long a sandbox may take to import its handler, in seconds; Lambda gives it ten on its own machines.
_INIT_SECONDS: Final = 30.0

# The fork server is one for the process; starts from several threads at a time are not its case.
_starting: Final = threading.Lock()

_log = logging.getLogger(__name__)


class EventTooLarge(Exception):
    """An event is over Lambda's limit."""


class FunctionDoesNotStart(LocalStackError):
    """A function's handler cannot be imported."""

    def __init__(self, function: str, answer: Answer) -> None:
        super().__init__(f"{function} does not start: {describe_error(answer)}")
        self.answer: Final = answer


class Stopping(Exception):
    """The functions are being stopped."""


class Functions:
    """All functions of the template."""

    def __init__(self, sandboxes: Mapping[str, tuple[Sandbox, float]], bound: int = _BOUND) -> None:
        """Parameters:
        sandboxes: by logical id, what a function's workers are started with and its time-out in seconds
        bound: workers of one function at a time; events beyond wait
        """
        self._pools: Final = {
            name: _Pool(sandbox, timeout_seconds, bound) for name, (sandbox, timeout_seconds) in sandboxes.items()
        }

    def start(self) -> list[tuple["_Pool", "_Worker"]]:
        """Starts one worker of every function, for `wait`. Errors: Stopping."""
        return [(pool, pool.start()) for pool in self._pools.values()]

    def wait(self, started: Iterable[tuple["_Pool", "_Worker"]]) -> None:
        """Waits until started workers have imported their handlers. Errors: FunctionDoesNotStart, Stopping."""
        for pool, worker in started:
            pool.put_back(pool.admit(worker))

    def invoke(self, function: str, event: str) -> Answer:
        """Runs a function with an event and waits for its answer.

        Parameters:
            function: logical id
            event: JSON

        Result: the answer; a time-out, a crash and an exception are answers too, and are logged.
        Errors: KeyError for an unknown function, EventTooLarge, Stopping.
        """
        pool = self._pools[function]
        if len(event.encode()) > EVENT_LIMIT_BYTES:
            raise EventTooLarge(f"the event of {function} is over {EVENT_LIMIT_BYTES} bytes")
        answer = pool.invoke(event)
        if answer.failed:
            _log.error("%s failed: %s", function, describe_error(answer))
        return answer

    def stop(self) -> None:
        """Ends every worker, also those that are at work; invocations under way raise Stopping."""
        for pool in self._pools.values():
            pool.stop()


def sandboxes(
    functions: Mapping[str, FunctionSettings], code: Mapping[str, CodePaths], endpoint: str, verbose: bool
) -> dict[str, tuple[Sandbox, float]]:
    """Returns what `Functions` takes, from the template's functions.

    Parameters:
        functions, code: by logical id
        endpoint: base URL of the local engine
        verbose: whether to show all that the functions log
    """
    return {
        name: (
            Sandbox(
                function=name,
                handler=settings.handler,
                memory_mb=settings.memory_mb,
                environment={
                    **settings.environment,
                    **_lambda_variables(name, settings, code[name]),
                    **aws_settings(endpoint, caller=name),
                },
                code_paths=(code[name].function, *code[name].layers),
                verbose=verbose,
            ),
            float(settings.timeout_seconds),
        )
        for name, settings in functions.items()
    }


def describe_error(answer: Answer) -> str:
    """Returns a failed answer as lines for a person: type, message and stack trace."""
    error = json.loads(answer.payload)
    trace: Iterable[str] = error.get("stackTrace", ())
    return "\n".join([f"{error['errorType']}: {error['errorMessage']}", *(frame.rstrip() for frame in trace)])


def _lambda_variables(name: str, settings: FunctionSettings, code: CodePaths) -> dict[str, str]:
    """Returns the variables that Lambda itself defines for a Python function."""
    return {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{settings.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_REGION": REGION,
        "LAMBDA_TASK_ROOT": str(code.function),
        "_HANDLER": settings.handler,
        "LANG": "en_US.UTF-8",
        "PATH": os.defpath,
        "TZ": ":UTC",
    }


class _Worker:
    """The parent's side of one sandbox, which begins to import its handler at once."""

    def __init__(self, sandbox: Sandbox) -> None:
        ours: Connection[Invocation, Answer]
        theirs: Connection[Answer, Invocation]
        ours, theirs = CONTEXT.Pipe()
        self._connection: Final = ours
        self._process: Final[ForkServerProcess] = CONTEXT.Process(
            target=work, args=(sandbox, theirs), name=sandbox.function, daemon=True
        )
        with _starting:
            self._process.start()
        # The worker has its own copy of its end; with this one open, its death could not be seen.
        theirs.close()

    def is_alive(self) -> bool:
        """Tells whether an idle worker is still there: all that it can say without being asked is its end."""
        return not self._connection.poll()

    def send(self, invocation: Invocation) -> None:
        """Errors: EOFError when the worker has ended."""
        try:
            self._connection.send(invocation)
        except OSError as error:
            raise EOFError from error

    def receive(self, timeout_seconds: float) -> Answer | None:
        """Returns the next answer, or None where none came in time. Errors: EOFError when the worker has ended."""
        try:
            return self._connection.recv() if self._connection.poll(timeout_seconds) else None
        except OSError as error:
            raise EOFError from error

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def wait_for_end(self) -> str:
        """Returns how a worker ended that has closed its connection, in Lambda's words."""
        self._process.join()
        code = self._process.exitcode or 0
        return f"signal: {signal.strsignal(-code)}" if code < 0 else f"exit status {code}"


class _Pool:
    """The sandboxes of one function."""

    def __init__(self, sandbox: Sandbox, timeout_seconds: float, bound: int) -> None:
        self._sandbox: Final = sandbox
        self._timeout_seconds: Final = timeout_seconds
        self._places: Final = threading.BoundedSemaphore(bound)
        self._lock: Final = threading.Lock()
        self._idle: Final[list[_Worker]] = []
        self._alive: Final[set[_Worker]] = set()
        self._stopping = False

    def start(self) -> _Worker:
        """Starts a worker without waiting for it. Errors: Stopping."""
        with self._lock:
            if self._stopping:
                raise Stopping
            worker = _Worker(self._sandbox)
            self._alive.add(worker)
        return worker

    def admit(self, worker: _Worker) -> _Worker:
        """Waits until a started worker has imported its handler. Errors: FunctionDoesNotStart, Stopping."""
        try:
            ready = worker.receive(_INIT_SECONDS)
        except EOFError:
            ready = _sandbox_error("Runtime.ExitError", f"Runtime exited with error: {worker.wait_for_end()}")
        if ready is None:
            ready = _sandbox_error("Sandbox.Timedout", f"Init timed out after {_INIT_SECONDS:.2f} seconds")
        if ready.failed:
            self._discard(worker)
            raise FunctionDoesNotStart(self._sandbox.function, ready)
        return worker

    def put_back(self, worker: _Worker) -> None:
        """Lets the next event have a worker that is ready for one."""
        with self._lock:
            self._idle.append(worker)

    def invoke(self, event: str) -> Answer:
        """Errors: Stopping."""
        with self._places:
            try:
                worker = self._take()
            except FunctionDoesNotStart as error:
                return error.answer
            request_id = str(uuid.uuid4())
            try:
                worker.send(Invocation(request_id, event, self._timeout_seconds))
                answer = worker.receive(self._timeout_seconds)
            except EOFError:
                end = worker.wait_for_end()
                self._discard(worker)
                return _sandbox_error(
                    "Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: {end}"
                )
            if answer is None:
                self._discard(worker)
                timed_out = f"Task timed out after {self._timeout_seconds:.2f} seconds"
                return _sandbox_error("Sandbox.Timedout", f"RequestId: {request_id} Error: {timed_out}")
            self.put_back(worker)
            return answer

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            workers = list(self._alive)
        for worker in workers:
            worker.kill()

    def _take(self) -> _Worker:
        while True:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            if worker is None:
                return self.admit(self.start())
            if worker.is_alive():
                return worker
            self._discard(worker)

    def _discard(self, worker: _Worker) -> None:
        with self._lock:
            if self._stopping:
                # `stop` ends it.
                raise Stopping
            self._alive.discard(worker)
        worker.kill()


def _sandbox_error(error_type: str, message: str) -> Answer:
    return Answer(payload=json.dumps({"errorType": error_type, "errorMessage": message}), failed=True)
