"""What the Contacts table holds of addresses: suppressions, and the limits in the guards of contacts."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from polypost.adapters import keys
from polypost.adapters.dynamodb import batch_get, to_item
from polypost.models.contacts import email_claim
from polypost.models.suppression import AddressStanding, SuppressionReason

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

# The attribute that each reason of SES sets; those of contacts are set with the contact.
_ATTRIBUTES = {SuppressionReason.COMPLAINT: "complained", SuppressionReason.BOUNCE: "bounced"}

_UNTIL = "limitMailsTemporarilyUntil"


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
        items = batch_get(self._client, self._table, (key for pair in wanted.values() for key in pair))
        found = {item["PK"]: item for item in items}
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
