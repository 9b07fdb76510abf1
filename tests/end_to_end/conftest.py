"""One local stack for all end-to-end tests, started as a user starts it."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from support.local_command import LocalCommand, free_port, start_local


@dataclass(frozen=True)
class RunningStack:
    """The local stack with its demo space."""

    command: LocalCommand
    base_url: str
    # Keeps its connections; without credentials.
    client: httpx.Client


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A running local stack; it is not reset between tests."""
    command = start_local(tmp_path_factory.mktemp("elsewhere"), free_port())
    try:
        command.await_ready()
        with httpx.Client(base_url=command.base_url, timeout=30, trust_env=False) as client:
            yield RunningStack(command, command.base_url, client)
    finally:
        command.end(signal.SIGTERM)
