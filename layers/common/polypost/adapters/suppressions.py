"""What the Contacts table holds of addresses: suppressions, and the limits in the guards of contacts."""

import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from polypost.adapters import keys
from polypost.adapters.clients import translated_errors
from polypost.adapters.dynamodb import from_item, to_item
from polypost.errors import Retryable
from polypost.models.contacts import email_claim
from polypost.models.suppression import AddressStanding, SuppressionReason

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

# The attribute that each reason of SES sets; those of contacts are set with the contact.
_ATTRIBUTES = {SuppressionReason.COMPLAINT: "complained", SuppressionReason.BOUNCE: "bounced"}

_UNTIL = "limitMailsTemporarilyUntil"

# Pauses before what DynamoDB left out of a batch is asked for again, in seconds.
_PAUSES = (0.05, 0.1, 0.2)


class Suppressions:
    """Tells whether an address may be sent to, and writes down why not.

    Parameters: table_name, of the Contacts table; address_key, gives the stack's key for the HMACs of addresses.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str, address_key: Callable[[], bytes]) -> None:
        self._client = client
        self._table = table_name
        self._address_key = address_key

    def standings(self, space: str, addresses: Collection[str]) -> dict[str, AddressStanding]:
        """The standing of each address, read consistently and all at once.

        Raises: Retryable, also if a part of it could not be read: a mail then waits.
        """
        wanted = {address: self._keys(space, address) for address in addresses}
        found = self._read([key for pair in wanted.values() for key in pair])
        return {address: _standing(*(found.get(key["PK"], {}) for key in pair)) for address, pair in wanted.items()}

    def write(self, space: str, address: str, reason: SuppressionReason) -> "TransactWriteItemTypeDef":
        """The member of a transaction that suppresses an address, the same however often it is written."""
        return {
            "Update": {
                "TableName": self._table,
                "Key": to_item(keys.suppression(space, keys.address_hash(self._address_key(), address))),
                "UpdateExpression": "SET #reason = :true",
                "ExpressionAttributeNames": {"#reason": _ATTRIBUTES[reason]},
                "ExpressionAttributeValues": to_item({":true": True}),
            }
        }

    def _keys(self, space: str, address: str) -> list[keys.Key]:
        address_key = self._address_key()
        suppression = keys.suppression(space, keys.address_hash(address_key, address))
        claim = email_claim(address)
        return [suppression] if claim is None else [suppression, keys.guard(space, address_key, claim)]

    def _read(self, wanted: list[keys.Key]) -> dict[str, dict[str, Any]]:
        # Two spellings of one address have the same keys, and a batch must not name a key twice.
        missing: Any = [to_item(key) for key in {key["PK"]: key for key in wanted}.values()]
        found: dict[str, dict[str, Any]] = {}
        for pause in (*_PAUSES, None):
            with translated_errors("dynamodb.BatchGetItem"):
                answer = self._client.batch_get_item(
                    RequestItems={self._table: {"Keys": missing, "ConsistentRead": True}}
                )
            found |= {item["PK"]: item for item in map(from_item, answer["Responses"].get(self._table, []))}
            missing = answer["UnprocessedKeys"].get(self._table, {"Keys": []})["Keys"]
            if not missing:
                return found
            if pause is not None:
                time.sleep(pause)
        raise Retryable("dynamodb.BatchGetItem: some keys were not processed")


def _standing(suppression: Mapping[str, Any], guard: Mapping[str, Any] = {}) -> AddressStanding:
    until = [_moment(item[_UNTIL]) for item in (suppression, guard) if _UNTIL in item]
    return AddressStanding(
        complained="complained" in suppression,
        bounced="bounced" in suppression,
        limited_permanently="limitMailsPermanently" in suppression or "limitMailsPermanently" in guard,
        limited_until=max(until, default=None),
        erased_at=_moment(suppression["erasedAt"]) if "erasedAt" in suppression else None,
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
