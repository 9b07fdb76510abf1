"""One sandbox of a function: a process that imports the handler once and then runs one event at a time.

It runs in a child process. Imported here is only what every worker needs, since a worker's start is a user's wait.
"""

import importlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import TextIOBase
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, TextIO

from polypost_cli.local_environment import REGION
from polypost_local.aws import ACCOUNT_ID, allow_loopback_only

# Lambda's bound on what a function returns: six megabytes and a hundred bytes.
_RESPONSE_LIMIT_BYTES: Final = 6 * 1024 * 1024 + 100

# Levels that a developer wants to see without asking for the functions' logs.
_ALARMING_LEVELS: Final = frozenset({"WARN", "WARNING", "ERROR", "CRITICAL", "FATAL"})

Handler = Callable[[Any, "LambdaContext"], Any]


@dataclass(frozen=True)
class Sandbox:
    """What a worker is started with."""

    function: str
    # `module.function` in the first of the code paths.
    handler: str
    memory_mb: int
    # The worker's whole environment.
    environment: Mapping[str, str]
    # First the function's own folder, then its layers'.
    code_paths: tuple[Path, ...]
    # Whether to show all that the function logs, or warnings and errors only.
    verbose: bool


@dataclass(frozen=True)
class Invocation:
    """One event for a worker."""

    request_id: str
    event: str
    timeout_seconds: float


@dataclass(frozen=True)
class Answer:
    """What became of an event: the handler's result, or Lambda's description of the error, as JSON."""

    payload: str
    failed: bool


@dataclass(frozen=True)
class LambdaContext:
    """The context object that Lambda gives to a Python handler."""

    aws_request_id: str
    function_name: str
    # A string on Lambda too.
    memory_limit_in_mb: str
    deadline: float = field(repr=False)
    function_version: str = "$LATEST"
    identity: None = None
    client_context: None = None

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        return os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]

    @property
    def log_stream_name(self) -> str:
        return os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]

    def get_remaining_time_in_millis(self) -> int:
        """Returns the time until the function is ended, in milliseconds."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


def work(sandbox: Sandbox, connection: "Connection[Answer, Invocation]") -> None:
    """Runs a worker until its parent closes the connection or ends.

    The first answer tells whether the handler was imported; then one answer follows each invocation.
    """
    _end_with_parent()
    sys.stdout = sys.stderr = FunctionLog(sandbox.function, sys.__stderr__, sandbox.verbose)
    os.environ.clear()
    os.environ.update(sandbox.environment)
    time.tzset()
    allow_loopback_only()
    sys.path[:0] = [str(path) for path in sandbox.code_paths]
    try:
        handler = _import_handler(sandbox.handler)
    except Exception as error:
        connection.send(_error_answer(error))
        return
    connection.send(Answer(payload="null", failed=False))
    try:
        while True:
            connection.send(_run(handler, sandbox, connection.recv()))
    except (EOFError, ConnectionError):
        return


def _end_with_parent() -> None:
    # A parent that was killed ends nobody, and a worker in a long event would not see it go.
    parent = parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _import_handler(name: str) -> Handler:
    module, _, function = name.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module.replace("/", ".")), function)
    return handler


def _run(handler: Handler, sandbox: Sandbox, invocation: Invocation) -> Answer:
    context = LambdaContext(
        aws_request_id=invocation.request_id,
        function_name=sandbox.function,
        memory_limit_in_mb=str(sandbox.memory_mb),
        deadline=time.monotonic() + invocation.timeout_seconds,
    )
    try:
        result = handler(json.loads(invocation.event), context)
    except Exception as error:
        return _error_answer(error)
    try:
        payload = json.dumps(result)
    except (TypeError, ValueError) as error:
        return _failure("Runtime.MarshalError", f"Unable to marshal response: {error}")
    if len(payload.encode()) > _RESPONSE_LIMIT_BYTES:
        return _failure(
            "Function.ResponseSizeTooLarge",
            f"Response payload size exceeded maximum allowed payload size ({_RESPONSE_LIMIT_BYTES} bytes).",
        )
    return Answer(payload=payload, failed=False)


def _error_answer(error: Exception) -> Answer:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        # How the handler was found and called is no news to its author.
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    return Answer(
        payload=json.dumps(
            {
                "errorMessage": str(error),
                "errorType": type(error).__name__,
                "stackTrace": traceback.format_list(frames),
            }
        ),
        failed=True,
    )


def _failure(error_type: str, message: str) -> Answer:
    return Answer(payload=json.dumps({"errorMessage": message, "errorType": error_type}), failed=True)


class FunctionLog(TextIOBase):
    """A function's standard output: its lines, each with the function's name before it.

    Without `verbose` only what alarms passes: structured lines of level WARNING and above, and lines that are none,
    such as a traceback or a print.
    """

    def __init__(self, function: str, target: TextIO | None, verbose: bool) -> None:
        self._function: Final = function
        self._target: Final = target
        self._verbose: Final = verbose
        self._unfinished = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._unfinished = (self._unfinished + text).split("\n")
        for line in lines:
            if self._target is not None and (self._verbose or _is_alarming(line)):
                # One call a line, so that lines of several workers do not mix.
                self._target.write(f"{self._function}: {line}\n")
                self._target.flush()
        return len(text)


def _is_alarming(line: str) -> bool:
    if not line.strip():
        return False
    try:
        entry = json.loads(line)
    except ValueError:
        return True
    return not isinstance(entry, dict) or str(entry.get("level", "")).upper() in _ALARMING_LEVELS
