"""The local AWS engine in this process, for tests that need no function."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from polypost_cli.local_environment import aws_settings
from polypost_local.aws import Clients, local_clients
from polypost_local.aws_server import Observer, aws_application
from polypost_local.http_server import HOST, serve

# The engine's memory is one for the process: another region keeps these resources from other suites'.
REGION = "eu-west-3"


@contextmanager
def running_moto(*observers: Observer, host: str = HOST) -> Iterator[str]:
    """Moto's server on a free port, as the local stack runs it; its base URL.

    Parameters: host, this machine's address where it listens.
    """
    listening = socket.create_server((host, 0))
    server = serve(aws_application(observers), listening)
    try:
        yield f"http://{host}:{listening.getsockname()[1]}"
    finally:
        server.shutdown()
        server.server_close()
        listening.close()


@contextmanager
def running_engine(*observers: Observer) -> Iterator[Clients]:
    """An engine on a port of its own; its clients do not change this process's environment."""
    with running_moto(*observers) as endpoint:
        with pytest.MonkeyPatch.context() as patch:
            settings = aws_settings(endpoint, "Test") | {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
            for name, value in settings.items():
                patch.setenv(name, value)
            clients = local_clients()
        yield clients
