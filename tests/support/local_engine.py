"""The local AWS engine in this process, for tests that need no function."""

import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from botocore.config import Config

from polypost.adapters import clients
from polypost_cli.local_environment import aws_settings
from polypost_local.aws import Clients, local_clients
from polypost_local.aws_server import Observer, aws_application
from polypost_local.http_server import HOST, serve
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# The engine's memory is one for the process: another region keeps these resources from other suites'.
REGION = "eu-west-3"


@contextmanager
def running_moto(*observers: Observer, host: str = HOST) -> Iterator[str]:
    """Moto's server on a free port, as the local stack runs it; its base URL.

    Parameters: host, this machine's address where it listens.
    """
    listening = socket.create_server((host, 0))
    server = serve(_unmeasured(aws_application(observers)), listening)
    try:
        yield f"http://{host}:{listening.getsockname()[1]}"
    finally:
        server.shutdown()
        server.server_close()
        listening.close()


def _unmeasured(engine: "WSGIApplication") -> "WSGIApplication":
    """The engine without coverage, which would make it take twice as long, and has nothing to see in it."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # Of this thread, which is the server's own.
        sys.settrace(None)
        return engine(environ, start_response)

    return answer


@contextmanager
def patient_clients() -> Iterator[None]:
    """Clients that the functions' modules make in the block wait for long: engines are not always as fast as AWS."""
    configs = {name: getattr(clients, name).merge(Config(read_timeout=PATIENCE)) for name in ("_QUICK", "_ONCE")}
    with mock.patch.multiple(clients, **configs):
        yield


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
