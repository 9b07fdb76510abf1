"""The local AWS engine in this process, for tests that need no function."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from polypost_cli.local.aws import Clients, local_clients
from polypost_cli.local.aws_server import Observer, aws_application
from polypost_cli.local.environment import aws_settings
from polypost_cli.local.http_server import listen, serve

# The engine's memory is one for the process: another region keeps these resources from other suites'.
REGION = "eu-west-3"


@contextmanager
def running_engine(*observers: Observer) -> Iterator[Clients]:
    """An engine on a port of its own; its clients do not change this process's environment."""
    listening = listen(0)
    server = serve(aws_application(observers), listening)
    try:
        with pytest.MonkeyPatch.context() as patch:
            settings = aws_settings(f"http://127.0.0.1:{listening.getsockname()[1]}", "Test")
            for name, value in (settings | {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}).items():
                patch.setenv(name, value)
            clients = local_clients()
        yield clients
    finally:
        server.shutdown()
        server.server_close()
        listening.close()
