"""What one request costs a function: its CPU time and its memory, measured in a process of its own.

Run as a program it answers a request for each line that it reads. The first one to a function warms the process up;
each of the others is answered in a fork, in which nothing of an earlier one is left.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from runpy import run_path
from typing import IO, Any, Final

from support.lambda_events import LambdaContext, http_event

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Metered:
    """A function's answer to a request, and what it took: CPU time of the handler, memory of the whole process."""

    status: int
    headers: Mapping[str, str]
    body: str
    cpu_seconds: float
    peak_megabytes: float


class Meter:
    """The process."""

    def __init__(self, requests: IO[str], answers: IO[str]) -> None:
        self._requests = requests
        self._answers = answers

    def send(self, function: str, method: str, path: str, body: Path, **event: Any) -> Metered:
        """Let a function answer a request. Parameters: body, the file that holds it; event, what `http_event` takes."""
        request = {"function": function, "method": method, "path": path, "body": str(body), **event}
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        return Metered(**json.loads(self._answers.readline()))


@contextmanager
def metered() -> Iterator[Meter]:
    """A process that has the environment of this one."""
    paths = [str(ROOT / folder) for folder in ("layers/common", "tests")]
    # What it prints are the answers alone.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "POWERTOOLS_LOG_LEVEL": "CRITICAL"}
    with subprocess.Popen(
        [sys.executable, "-m", "support.metered"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Meter(process.stdin, process.stdout)
        process.stdin.close()


@cache
def _handler(function: str) -> Any:
    return run_path(str(ROOT / "functions" / function / "app.py"))["handler"]


def _answer(function: str, body: str, **request: Any) -> Metered:
    handler = _handler(function)
    # As Lambda's runtime hands an event on.
    event = json.loads(json.dumps(http_event(**request, body=Path(body).read_bytes())))
    begin = time.process_time()
    result = handler(event, LambdaContext())
    cpu_seconds = time.process_time() - begin
    # Linux counts in kibibytes, macOS in bytes.
    peak = getrusage(RUSAGE_SELF).ru_maxrss / (1000 if sys.platform == "linux" else 1_000_000)
    return Metered(result["statusCode"], result["headers"], result["body"], cpu_seconds, peak)


def _main() -> None:
    warm = set()
    for request in map(json.loads, sys.stdin):
        child = os.fork() if request["function"] in warm else 0
        if not child:
            print(json.dumps(asdict(_answer(**request))), flush=True)
        if child:
            os.waitpid(child, 0)
        elif request["function"] in warm:
            os._exit(0)
        warm.add(request["function"])


if __name__ == "__main__":
    _main()
