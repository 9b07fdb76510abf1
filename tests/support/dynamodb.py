"""The functions' own AWS clients on a local engine, and the template's own tables there."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

import boto3
from botocore.client import BaseClient

from polypost_cli.local_environment import isolate
from support.local_engine import REGION, patient_clients
from support.template_engine import the_template

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Client = TypeVar("Client", bound=BaseClient)

# What CreateTable takes; backups and the expiry of items are set by calls of their own, and no engine plays them.
_CREATE_TABLE = frozenset(
    {"AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema", "LocalSecondaryIndexes"}
)


@dataclass(frozen=True)
class DynamodbEngine:
    """A DynamoDB engine with the template's tables, empty.

    `client` is made as the functions' own is; threads may share it. `tables` are physical names by logical ids.
    """

    client: "DynamoDBClient"
    tables: dict[str, str]


def local_client(make: Callable[[], Client], endpoint: str) -> Client:
    """A client for a local engine, made as the functions make it; this process's environment stays as it was.

    Parameters: make, a function of `polypost.adapters.clients`; endpoint, the engine's base URL.
    """
    # boto3's default session remembers credentials.
    with mock.patch.dict(os.environ), mock.patch.object(boto3, "DEFAULT_SESSION", None), patient_clients():
        isolate(os.environ, endpoint)
        os.environ.update({"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION})
        return make()


@contextmanager
def template_tables(client: "DynamoDBClient") -> Iterator[DynamodbEngine]:
    """Every table of the template under a new name, until the block ends."""
    tables: dict[str, str] = {}
    try:
        for logical_id, properties in _templates_tables().items():
            name = f"{logical_id}-{uuid.uuid4().hex}"
            client.create_table(TableName=name, **properties)
            tables[logical_id] = name
        yield DynamodbEngine(client, tables)
    finally:
        for name in tables.values():
            client.delete_table(TableName=name)


@cache
def _templates_tables() -> dict[str, dict[str, Any]]:
    resources = the_template().cloudformation["Resources"]
    return {
        logical_id: {name: value for name, value in resource["Properties"].items() if name in _CREATE_TABLE}
        for logical_id, resource in resources.items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    }
