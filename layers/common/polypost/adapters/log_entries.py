"""The log entries of the Logs table: mails that other systems sent, whole."""

import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from polypost.adapters import keys
from polypost.adapters.clients import TransactionRefused
from polypost.adapters.dynamodb import query_all, to_item, transact
from polypost.errors import PayloadTooLarge
from polypost.models.addresses import normalised
from polypost.models.log_entries import LogEntry, LogEntryRecord

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# An item may have 400 KB, names and keys included, and a transaction 4 MB (DynamoDB developer guide, "Quotas"). It does
# not say whether the latter counts the items or the request, which has their bytes in base64: both stay below.
_PART_BYTES = 370_000
_MAX_PARTS = 8

#: No body is longer than this, compressed.
MAX_BODY_BYTES = _PART_BYTES * _MAX_PARTS


class LogEntries:
    """Stores and reads log entries.

    An entry is one item with what is short, and its body, compressed, in as many more as it takes, all in one
    transaction. The id follows from the content, so the same entry again finds its own.

    Parameters: address_key, gives the stack's key for HMACs.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str, address_key: Callable[[], bytes]) -> None:
        self._client = client
        self._table = table_name
        self._address_key = address_key

    def put(self, space: str, entry: LogEntry, logged_at: datetime, *, anonymous: bool = False) -> str:
        """Store an entry whole, unless it stands already; its id.

        Parameters: anonymous, to store nothing of whom the mail was for, nor what it said.

        Raises: PayloadTooLarge; Retryable.
        """
        address_key = self._address_key()
        sent_at = keys.instant(entry.sent_at) if entry.sent_at else None
        # It is the same mail, however the address is spelled.
        recipient = None if entry.email is None else normalised(entry.email)
        entry_id = keys.log_entry_id(space, address_key, recipient, entry.subject, sent_at, entry.sent_by, entry.body)
        item = keys.log_entry(entry_id) | {
            "space": space,
            "sentAt": sent_at,
            "sentBy": entry.sent_by,
            "loggedAt": keys.instant(logged_at),
        }
        body = _body_items(entry_id, None if anonymous else entry.body)
        if not anonymous:
            item |= {"email": entry.email, "subject": entry.subject}
        if recipient and not anonymous:
            item |= {
                "person": keys.person(space, keys.address_hash(address_key, recipient)),
                "personOrder": sent_at or item["loggedAt"],
            }
        unless_it_stands = {"ConditionExpression": "attribute_not_exists(PK)"}
        puts = [self._put(item) | unless_it_stands, *map(self._put, body)]
        # Refused, the very same entry stands already.
        with suppress(TransactionRefused):
            transact(self._client, [{"Put": put} for put in puts])
        return entry_id

    def get(self, entry_id: str) -> tuple[LogEntryRecord, str | None] | None:
        """An entry and its body, which may be missing; None if there is no such entry."""
        items = query_all(
            self._client,
            self._table,
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues=to_item({":pk": keys.log_entry(entry_id)["PK"]}),
            ConsistentRead=True,
        )
        by_key = {item["SK"]: item for item in items}
        entry = by_key.pop(keys.log_entry(entry_id)["SK"], None)
        if entry is None:
            return None
        # Parts come in their order, which is that of their keys.
        body = b"".join(bytes(part["body"]) for part in by_key.values())
        return entry_of(entry), zlib.decompress(body).decode() if body else None

    def _put(self, item: Mapping[str, Any]) -> Any:
        return {"TableName": self._table, "Item": to_item(item)}


def _body_items(entry_id: str, body: str | None) -> list[dict[str, Any]]:
    if body is None:
        return []
    compressed = zlib.compress(body.encode())
    if len(compressed) > MAX_BODY_BYTES:
        raise PayloadTooLarge(
            f"EmailBody is too large: {len(compressed)} bytes when compressed, {MAX_BODY_BYTES} are allowed."
        )
    parts = [compressed[start : start + _PART_BYTES] for start in range(0, len(compressed), _PART_BYTES)]
    return [keys.log_entry_body(entry_id, number) | {"body": part} for number, part in enumerate(parts)]


def entry_of(item: Mapping[str, Any]) -> LogEntryRecord:
    """The entry of its own item, as `from_item` gives it."""
    return LogEntryRecord(
        id=item["PK"].removeprefix(keys.log_entry("")["PK"]),
        space=item["space"],
        email=item.get("email"),
        subject=item.get("subject"),
        sent_at=datetime.fromisoformat(item["sentAt"]) if "sentAt" in item else None,
        sent_by=item.get("sentBy"),
        logged_at=datetime.fromisoformat(item["loggedAt"]),
    )
