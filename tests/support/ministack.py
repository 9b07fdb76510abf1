"""ministack, an engine that shares no code with moto, as a child process."""

import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from polypost_local.http_server import HOST
from support.template_engine import ROOT
from support.waiting import PATIENCE

PYTHON = ROOT / ".venv-ministack" / "bin" / "python"

# Its whole environment: nothing of this machine's steers it, no other port is opened, and it leaves a Docker that runs
# here alone, whose containers it would take for its own.
ENVIRONMENT = {
    "IOT_MTLS_ENABLED": "0",
    "DOCKER_HOST": "unix:///nonexistent",
    "LOG_LEVEL": "WARNING",
}


@contextmanager
def running_ministack(services: str = "dynamodb") -> Iterator[str]:
    """ministack on a free port of the loopback interface; its base URL.

    Parameters: services, those that it plays, with commas between them.
    """
    if not PYTHON.exists():
        raise RuntimeError("These tests run on ministack too: `make .venv-ministack/installed` installs it")
    # A socket that listens already: the port is surely free, and requests wait in it until the engine takes them.
    with socket.create_server((HOST, 0)) as listening:
        endpoint = f"http://{HOST}:{listening.getsockname()[1]}"
        # With workers, hypercorn would answer in a process of its own that may outlive this one.
        options = ["--bind", f"fd://{listening.fileno()}", "--workers", "0", "--log-level", "WARNING"]
        process = subprocess.Popen(
            [PYTHON, "-m", "hypercorn", *options, "ministack.app:app"],
            pass_fds=[listening.fileno()],
            env=ENVIRONMENT | {"SERVICES": services},
        )
    try:
        without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        without_proxy.open(f"{endpoint}/_ministack/ready", timeout=PATIENCE).close()
        yield endpoint
    finally:
        process.terminate()
        process.wait(PATIENCE)
