"""Items as plain dictionaries, to and from DynamoDB's typed attribute values, and in batches."""

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from polypost.adapters.clients import TransactionConflict, translated_errors
from polypost.errors import Retryable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemTypeDef

# What one BatchGetItem takes (DynamoDB API reference).
_KEYS_PER_BATCH = 100

# Pauses before what DynamoDB left out of a batch is asked for again, in seconds.
_PAUSES = (0.05, 0.1, 0.2, 0.4)

# How long a transaction that met another one is repeated, within the time that a client would wait.
_PATIENCE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 0.5

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def to_item(values: Mapping[str, Any]) -> "dict[str, AttributeValueTypeDef]":
    """Typed attribute values; a None is left out, since an absent attribute keeps an item out of a sparse index."""
    return {name: _serialize(value) for name, value in values.items() if value is not None}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values of an item."""
    return {name: _deserialize(value) for name, value in item.items()}


def update_of(set_values: Mapping[str, Any], remove: Iterable[str] = ()) -> Any:
    """The parameters of an UpdateItem that sets attributes, and takes others away; a None is left alone.

    An attribute may have any name.
    """
    given = {name: value for name, value in set_values.items() if value is not None}
    placeholders = {name: f"#{number}" for number, name in enumerate((*given, *remove))}
    clauses = {
        "SET": [f"{placeholders[name]} = {placeholders[name].replace('#', ':')}" for name in given],
        "REMOVE": [placeholders[name] for name in remove],
    }
    update = {
        "UpdateExpression": " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts),
        "ExpressionAttributeNames": {placeholder: name for name, placeholder in placeholders.items()},
    }
    values = to_item({placeholders[name].replace("#", ":"): value for name, value in given.items()})
    return update | ({"ExpressionAttributeValues": values} if values else {})


def query_all(client: "DynamoDBClient", table: str, **query: Any) -> list[dict[str, Any]]:
    """All items that a Query finds, in its order.

    Parameters: query, the parameters of the Query beside TableName.

    Raises: Retryable.
    """
    pages = client.get_paginator("query").paginate(TableName=table, **query)
    with translated_errors("dynamodb.Query"):
        return [from_item(item) for page in pages for item in page["Items"]]


def batch_get(client: "DynamoDBClient", table: str, keys: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The items of the keys, in any order, read consistently; a key without an item is left out.

    Raises: Retryable, also if DynamoDB left out a part of them: none is ever taken for missing that is not.
    """
    # A batch must not name a key twice.
    wanted: Any = [to_item(key) for key in {tuple(sorted(key.items())): key for key in keys}.values()]
    found: list[dict[str, Any]] = []
    pauses = iter(_PAUSES)
    while wanted:
        batch, wanted = wanted[:_KEYS_PER_BATCH], wanted[_KEYS_PER_BATCH:]
        with translated_errors("dynamodb.BatchGetItem"):
            answer = client.batch_get_item(RequestItems={table: {"Keys": batch, "ConsistentRead": True}})
        found += map(from_item, answer["Responses"].get(table, []))
        unprocessed = answer["UnprocessedKeys"].get(table, {"Keys": []})["Keys"]
        if unprocessed:
            pause = next(pauses, None)
            if pause is None:
                raise Retryable("dynamodb.BatchGetItem: some keys were not processed")
            time.sleep(pause)
            wanted = [*unprocessed, *wanted]
    return found


def transact(client: "DynamoDBClient", writes: "Sequence[TransactWriteItemTypeDef]") -> None:
    """Write all of it or nothing. A transaction that meets another write of one of its items is repeated for a while.

    Raises: TransactionRefused; TransactionConflict, if the others go on for too long; Retryable.
    """
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    longest_pause = _LONGEST_PAUSE_SECONDS / 16
    while True:
        try:
            with translated_errors("dynamodb.TransactWriteItems"):
                client.transact_write_items(TransactItems=writes)
        except TransactionConflict:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(random.uniform(0, longest_pause))  # noqa: S311 - spreads writers in time, hides nothing
            longest_pause = min(2 * longest_pause, _LONGEST_PAUSE_SECONDS)
        else:
            return


class Table:
    """One table, and the requests that its items are read and written by."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self.client = client
        self.name = name

    def get(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """The item of a key, as it is now.

        Raises: Retryable.
        """
        with translated_errors("dynamodb.GetItem"):
            answer = self.client.get_item(**self.key(key), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def key(self, key: Mapping[str, Any]) -> Any:
        """What names an item in a request: its table and its key."""
        return {"TableName": self.name, "Key": to_item({"PK": key["PK"], "SK": key["SK"]})}

    def put(self, item: Mapping[str, Any], condition: str, values: Mapping[str, Any] = {}) -> Any:
        """A put under a condition, as a member of a transaction."""
        return {"Put": {"TableName": self.name, "Item": to_item(item)} | only_if(condition, values)}


def only_if(condition: str, values: Mapping[str, Any] = {}) -> dict[str, Any]:
    """A condition with its values, which gives what stood there where it fails."""
    given = {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    return given | ({"ExpressionAttributeValues": to_item(values)} if values else {})
