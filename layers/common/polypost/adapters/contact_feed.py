"""The feed of a space's contacts: their changes in the order of time, in the Contacts table.

Each change is told twice. Its place is announced by a write of its own, and the transaction that makes the change turns
the announcement into an entry. So a reader sees what is on its way, however long that takes, and does not pass it by.
"""

import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from polypost.adapters import keys
from polypost.adapters.clients import ConditionFailed, TransactionConflict, translated_errors
from polypost.adapters.dynamodb import Table, from_item, only_if, to_item
from polypost.errors import Retryable
from polypost.models.contacts import feed_position
from polypost.models.date_time_offset import DateTimeOffset

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_TICKS_PER_SECOND = 10_000_000

#: A change whose announcement took longer than this to reach the feed is announced anew, with a later time-stamp. The
#: feed ends further before now than this (`usecases.list_changes`), so that nothing ever appears behind a reader; what
#: is between the two is room for clocks that differ.
LONGEST_ANNOUNCEMENT_SECONDS = 5.0

#: A change that was announced this long ago was given up by its function, which has ended since: its Timeout in
#: template.yaml is shorter. A reader then closes it, so that it cannot come true behind the reader's back.
GIVEN_UP_SECONDS = 60

#: How long the feed tells of a deleted contact.
TOMBSTONE_LIFE = timedelta(days=30)

# Where nobody reads the feed, DynamoDB's TTL takes away what was announced and given up.
_ANNOUNCEMENT_LIFE = timedelta(days=1)

# How long a change is announced anew, within the time that a client would wait.
_PATIENCE_SECONDS = 10.0

#: Behind all that a clock can say.
END_OF_THE_FEED = DateTimeOffset.parse("9999-12-31")


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was announced to the feed, and that is not made yet."""

    place: str
    moment: DateTimeOffset


class ContactFeed:
    """Announces changes, and reads those that were made."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def announce(self, space: str, contact_id: int, after: DateTimeOffset | None) -> Change:
        """Announce a change, which is then made by a transaction with its `entry`.

        Parameters: after, the moment of the contact's last change.

        Raises: Retryable.
        """
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while True:
            started = time.monotonic()
            moment = DateTimeOffset.now()
            if after is not None and moment.ticks <= after.ticks:
                # Another function's clock is ahead of this one's.
                moment = replace(moment, ticks=after.ticks + 1)
            place = keys.change_place(moment, contact_id, secrets.token_hex(4))
            announcement = keys.change(space, place) | {
                "contactId": contact_id,
                "announced": moment.ticks,
                "expiresAt": int((moment.to_utc() + _ANNOUNCEMENT_LIFE).timestamp()),
            }
            with translated_errors("dynamodb.PutItem"):
                self._table.client.put_item(TableName=self._table.name, Item=to_item(announcement))
            if time.monotonic() - started < LONGEST_ANNOUNCEMENT_SECONDS:
                return Change(place, moment)
            self.try_to_withdraw(announcement)
            if time.monotonic() > give_up_at:
                raise Retryable("dynamodb.PutItem: too slow to keep the order of changes")

    def entry(self, space: str, change: Change, *, deleted: bool) -> "TransactWriteItemTypeDef":
        """What turns the announcement of a change into an entry, unless a reader has closed it."""
        expression = "REMOVE announced, expiresAt"
        values: dict[str, Any] = {}
        if deleted:
            expression = "SET deleted = :deleted, expiresAt = :expiresAt REMOVE announced"
            expires_at = int((change.moment.to_utc() + TOMBSTONE_LIFE).timestamp())
            values = {":deleted": str(change.moment), ":expiresAt": expires_at}
        return {
            "Update": self._table.key(keys.change(space, change.place))
            | {"UpdateExpression": expression}
            | only_if("attribute_exists(announced)", values)
        }

    def removal(self, space: str, place: str) -> "TransactWriteItemTypeDef":
        """What removes the entry of a contact's former change."""
        return {"Delete": self._table.key(keys.change(space, place))}

    def try_to_withdraw(self, announcement: Mapping[str, Any]) -> None:
        """Withdraw the announcement of a change that was refused."""
        # What stays is closed by a reader, or by DynamoDB's TTL.
        with suppress(ConditionFailed, Retryable):
            self._withdraw(announcement)

    def entries(self, space: str, position: str, end: DateTimeOffset, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """Entries and announcements behind a position and before a moment, and whether there are more.

        Raises: Retryable.
        """
        # "!" sorts before "#": all that stands after the entry at a position, and all that is of a moment.
        first, last = f"{position}!", feed_position(end)
        if first > last:
            # DynamoDB refuses a range that ends before it begins.
            return [], False
        with translated_errors("dynamodb.Query"):
            answer = self._table.client.query(
                TableName=self._table.name,
                KeyConditionExpression="PK = :pk AND SK BETWEEN :first AND :last",
                ExpressionAttributeValues=to_item(
                    {":pk": keys.change(space, "")["PK"], ":first": first, ":last": last}
                ),
                ConsistentRead=True,
                Limit=limit,
            )
        return [from_item(item) for item in answer["Items"]], "LastEvaluatedKey" in answer

    def settled(
        self, space: str, position: str, limit: int, *, end: DateTimeOffset, now: DateTimeOffset
    ) -> tuple[list[dict[str, Any]], str, bool]:
        """Entries behind which nothing will appear any more; the position to go on from, and whether there are more.

        An announcement that was given up is closed; one that may still come true ends the part.

        Raises: Retryable.
        """
        entries: list[dict[str, Any]] = []
        has_more = True
        while has_more and len(entries) < limit:
            items, has_more = self.entries(space, position, end, limit - len(entries))
            for item in items:
                if "announced" in item and not self._close(item, now):
                    has_more = False
                    break
                position = item["SK"]
                if "announced" not in item:
                    entries.append(item)
        return entries, position, has_more

    def _close(self, announcement: Mapping[str, Any], now: DateTimeOffset) -> bool:
        """Close an announcement that was given up, so that its change can never be made; whether it is closed."""
        if now.ticks - int(announcement["announced"]) < GIVEN_UP_SECONDS * _TICKS_PER_SECOND:
            return False
        try:
            self._withdraw(announcement)
        except (ConditionFailed, TransactionConflict):
            # It comes true at this very moment.
            return False
        return True

    def _withdraw(self, announcement: Mapping[str, Any]) -> None:
        with translated_errors("dynamodb.DeleteItem"):
            self._table.client.delete_item(
                **self._table.key(announcement), ConditionExpression="attribute_exists(announced)"
            )
