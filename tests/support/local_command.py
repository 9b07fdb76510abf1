"""`polypost local` as a child process, as a user starts it."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from polypost_local.http_server import HOST
from support.waiting import PATIENCE

# In seconds. An end that takes longer is a failure: it has waited for the long poll of a queue, which takes 20 of them,
# or for an idle connection, which takes 75.
END_SECONDS = 15.0

# What a developer's machine may hold. None of it may reach the local stack: 192.0.2.1 answers nobody.
HOSTILE_ENVIRONMENT = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "AWS_ENDPOINT_URL": "http://192.0.2.1:9",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://192.0.2.1:9",
    "AWS_REGION": "us-gov-west-1",
    "AWS_CONFIG_FILE": "/nonexistent/config",
    "SAM_CLI_TELEMETRY": "1",
    "HTTP_PROXY": "http://192.0.2.1:9",
    "http_proxy": "http://192.0.2.1:9",
    "HTTPS_PROXY": "http://192.0.2.1:9",
}


@dataclass(frozen=True)
class LocalCommand:
    """A `polypost local` that was started; what it prints goes to files in its folder."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def await_ready(self) -> None:
        """Wait for the ready line; an error where the command ends before or takes too long."""
        deadline = time.monotonic() + PATIENCE
        while f"Polypost is ready on {self.base_url}\n" not in self.stdout:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the local stack is not ready: {self.stdout}{self.stderr}")
            time.sleep(0.05)

    def processes(self) -> set[int]:
        """The ids of all processes that the command consists of."""
        found = subprocess.run(["pgrep", "-g", str(self.process.pid)], capture_output=True, text=True, check=False)
        return {int(line) for line in found.stdout.split()}

    def end(self, number: signal.Signals, seconds: float = END_SECONDS, *, group: bool = False) -> int:
        """Send a signal, to the whole process group as a terminal does; the exit status, if it comes in time."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return self.process.wait(seconds)


def free_port() -> int:
    """A port that nothing listens on now, and that no system gives away by itself: it is free in a second, too."""
    while True:
        port = random.randrange(10_000, 32_768)  # noqa: S311
        with suppress(OSError), socket.create_server((HOST, port)):
            return port


def start_local(folder: Path, port: int | str, *options: str) -> LocalCommand:
    """Start the command in a process group of its own, from a folder that is not the repository's."""
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "polypost_cli", "local", "--port", str(port), *options],
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            env=os.environ | HOSTILE_ENVIRONMENT,
            start_new_session=True,
        )
    return LocalCommand(process, port if isinstance(port, int) else 0, folder)
