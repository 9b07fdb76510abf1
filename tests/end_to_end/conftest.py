"""One local stack for all end-to-end tests, started as a user starts it."""

import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import boto3
import httpx
import pytest

from polypost_cli.local_environment import REGION, STACK_PATH
from support.command import Run, polypost
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


@dataclass(frozen=True)
class LocalEngine:
    """The running stack's AWS engine, for what no API client can bring about."""

    session: boto3.Session
    endpoint: str
    outputs: dict[str, str]
    # Logical ids by physical ones: a table's name, a queue's, a topic's.
    logical_ids: dict[str, str]

    def client(self, service: str) -> Any:
        """A boto3 client of the engine."""
        return self.session.client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload]


@pytest.fixture(scope="session")
def local_engine(local_stack: RunningStack) -> LocalEngine:
    """The engine behind the running stack."""
    local = local_stack.client.get(STACK_PATH).json()
    session = boto3.Session(aws_access_key_id="Test", aws_secret_access_key="test", region_name=REGION)
    cloudformation = session.client("cloudformation", endpoint_url=local["endpoint"])
    (stack,) = cloudformation.describe_stacks(StackName=local["stack"])["Stacks"]
    resources = cloudformation.describe_stack_resources(StackName=local["stack"])["StackResources"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    logical_ids = {
        resource["PhysicalResourceId"].rpartition("/")[2]: resource["LogicalResourceId"] for resource in resources
    }
    # The engine's CloudFormation does not make configuration sets; the stack's output tells its name.
    logical_ids[outputs["ConfigurationSet"]] = "ConfigurationSet"
    return LocalEngine(session, local["endpoint"], outputs, logical_ids)


@pytest.fixture
def run(local_stack: RunningStack) -> Run:
    """Run `polypost … --local`; its exit status, unless another is expected, must be 0."""
    return partial(polypost, port=local_stack.command.port)


@pytest.fixture
def space(run: Run) -> str:
    """A new space."""
    name = f"s-{uuid.uuid4().hex[:8]}"
    run("spaces", "create", name, "--description", "for a test")
    return name


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the test of the policies come last: it judges what all the others made the functions do, in any order."""
    items.sort(key=lambda item: item.path.name == "test_policies.py")
