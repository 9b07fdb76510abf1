"""Items as plain dictionaries, to and from DynamoDB's typed attribute values."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def to_item(values: Mapping[str, Any]) -> "dict[str, AttributeValueTypeDef]":
    """Typed attribute values; a None is left out, since an absent attribute keeps an item out of a sparse index."""
    return {name: _serialize(value) for name, value in values.items() if value is not None}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values of an item."""
    return {name: _deserialize(value) for name, value in item.items()}
