"""One person's rows of the Logs table, of whatever kind: read as a timeline, and taken out of the log."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from polypost.adapters import keys
from polypost.adapters.clients import translated_errors
from polypost.adapters.dynamodb import batch_get, from_item, query_all, to_item, update_of
from polypost.adapters.interactions import interaction_of, visit_of
from polypost.adapters.log_entries import entry_of
from polypost.adapters.logs_table import ANONYMOUS_FAILURE, event_of
from polypost.models.delivery import EventKind
from polypost.models.history import TimelineEntry, TimelinePage, TimelinePosition
from polypost.models.message_ids import accepted_at

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]

# What the partition of every message begins with.
_MESSAGES = keys.message("")["PK"]

_LOG_ENTRIES = keys.log_entry("")["PK"]

# Keys that one read of the index asks for.
_PAGE_SIZE = 500


class PersonHistory:
    """Reads and erases what the Logs table holds of persons.

    A person is a partition of the index ByPerson: one for each address, and one for each id of another system.

    Parameters: address_key, gives the stack's key for the HMACs of addresses.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str, address_key: Callable[[], bytes]) -> None:
        self._client = client
        self._table = table_name
        self._address_key = address_key

    def timeline(self, persons: Collection[str], after: TimelinePosition | None, limit: int) -> TimelinePage:
        """A part of the timeline of one person, who stands in several partitions; newest first.

        Parameters: after, the position of the last entry that is known already; limit, from 1 on.

        Raises: Retryable.
        """
        found = sorted(
            (position for person in persons for position in self._positions(person, after, limit)), reverse=True
        )
        page = found[:limit]
        wanted = ({"PK": each.partition, "SK": each.item} for each in page)
        items = {(item["PK"], item["SK"]): item for item in batch_get(self._client, self._table, wanted)}
        # The index lags behind the table: a row may have been erased since.
        rows = [items[each.partition, each.item] for each in page if (each.partition, each.item) in items]
        return TimelinePage(tuple(map(_entry, rows)), page[-1] if len(found) > limit else None)

    def messages_to(self, space: str, address: str, since: datetime | None, limit: int) -> list[str]:
        """The ids of the messages that a space has accepted for an address, the last ones first.

        The index lags a moment behind the table.

        Parameters: since, the second from which on they were accepted; limit, how many at most.

        Raises: Retryable.
        """
        first = since.replace(microsecond=0) if since else datetime.min.replace(tzinfo=UTC)
        found: dict[str, datetime] = {}
        for page in self._pages(keys.person(space, keys.address_hash(self._address_key(), address)), "~"):
            for position in page:
                if position.partition.startswith(_MESSAGES):
                    message_id = position.partition.removeprefix(_MESSAGES)
                    found[message_id] = accepted_at(message_id)
            # An event stands in the index at its own time, so of what was accepted after this row all has been read.
            read_to = datetime.fromisoformat(page[-1].moment) if page else None
            if read_to and (read_to < first or sum(moment > read_to for moment in found.values()) >= limit):
                break
        newest = sorted(found, key=lambda message_id: found[message_id], reverse=True)
        return [message_id for message_id in newest if found[message_id] >= first][:limit]

    def erase(self, persons: Collection[str], address_hashes: Collection[str], before: datetime) -> None:
        """Take out of the log what it holds of one person; doing it again is harmless.

        A message stays, with what became of it, for the space's lists and rates, but without its recipient. Everything
        else goes.

        Parameters: before, the moment up to which the log is the person's.

        Raises: Retryable.
        """
        partitions = {
            position.partition
            for person in persons
            for page in self._pages(person, "~")
            for position in page
            if _is_before(position, before)
        }
        for partition in sorted(partitions):
            items = self._items(partition)
            if partition.startswith(_MESSAGES):
                self._anonymise(items, persons, address_hashes)
            # A mail may be told of before or after the time at which it says that it was sent.
            elif all(item.get("loggedAt", "") <= keys.instant(before) for item in items):
                for item in items:
                    with translated_errors("dynamodb.DeleteItem"):
                        self._client.delete_item(TableName=self._table, Key=_key(item))

    def _anonymise(self, items: Collection[Item], persons: Collection[str], address_hashes: Collection[str]) -> None:
        """Take one person out of a message and its events; another one may be its recipient or its Bcc."""

        def is_hers(item: Item, name: str) -> bool:
            return name in item and keys.address_hash(self._address_key(), item[name]) in address_hashes

        is_about_her = any(is_hers(item, "recipient") for item in items if "subject" in item)
        hers = {item[name].lower() for item in items for name in ("recipient", "bcc") if is_hers(item, name)}
        for item in items:
            # Servers and SES repeat addresses in what they say, also of another recipient.
            said = ["errorText", "evidence"]
            # An unsubscribe has no address, and is found by its person alone.
            about_her = is_hers(item, "recipient") or item.get("person") in persons
            names = ["recipient", "person", "personOrder", *said] if about_her else []
            # It may name her, in the row of the other recipient too.
            names += ["subject"] if about_her or (is_about_her and "subject" in item) else []
            names += ["bcc"] if is_hers(item, "bcc") else []
            if not about_her and any(address in str(item.get(name, "")).lower() for name in said for address in hers):
                names += said
            # What settles a message stays: without it the mail would be sent again.
            refused = any(address in item.get("failure", "").lower() for address in hers)
            self._strip(item, names, {"failure": ANONYMOUS_FAILURE} if refused else {})

    def _strip(self, item: Item, names: Collection[str], replaced: Mapping[str, str]) -> None:
        if not names and not replaced:
            return
        with translated_errors("dynamodb.UpdateItem"):
            self._client.update_item(TableName=self._table, Key=_key(item), **update_of(replaced, names))

    def _positions(self, person: str, after: TimelinePosition | None, limit: int) -> list[TimelinePosition]:
        """At least the first positions of a partition of the index after another one, and one more if there is one."""
        found: list[TimelinePosition] = []
        for page in self._pages(person, after.moment if after else "~"):
            found += (position for position in page if after is None or position < after)
            # The index has no order for rows of one moment, so the last moment has to be read whole.
            if len(found) > limit and found[-1].moment < found[limit].moment:
                break
        return found

    def _pages(self, person: str, moment: str) -> Iterator[list[TimelinePosition]]:
        """The positions of a partition of the index from a moment back."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="ByPerson",
            KeyConditionExpression="person = :person AND personOrder <= :moment",
            ExpressionAttributeValues=to_item({":person": person, ":moment": moment}),
            ScanIndexForward=False,
            PaginationConfig={"PageSize": _PAGE_SIZE},
        )
        with translated_errors("dynamodb.Query"):
            for page in pages:
                items = map(from_item, page["Items"])
                yield [_position(item) for item in items]

    def _items(self, partition: str) -> list[dict[str, Any]]:
        return query_all(
            self._client,
            self._table,
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues=to_item({":pk": partition}),
            ConsistentRead=True,
        )


def _position(item: Item) -> TimelinePosition:
    return TimelinePosition(item["personOrder"], item["PK"], item["SK"])


def _key(item: Item) -> Any:
    return to_item({"PK": item["PK"], "SK": item["SK"]})


def _is_before(position: TimelinePosition, before: datetime) -> bool:
    if position.partition.startswith(_MESSAGES):
        # What becomes of a message may be told long after it was accepted.
        return accepted_at(position.partition.removeprefix(_MESSAGES)) <= before
    return position.partition.startswith(_LOG_ENTRIES) or position.moment <= keys.instant(before)


# --- entries ----------------------------------------------------------------------------------------------------------


def _entry(item: Item) -> TimelineEntry:
    kind = item["PK"].partition("#")[0]
    return _ENTRIES[kind](item)


def _message(item: Item) -> TimelineEntry:
    message_id = item["PK"].removeprefix(_MESSAGES)
    if "kind" in item:
        kind = "".join(word.capitalize() for word in EventKind(item["kind"]).split("-"))
        fact = event_of(item).fact
        details = {
            "MessageId": message_id,
            "Recipient": fact.recipient,
            "Type": fact.type,
            "ErrorCode": fact.error_code,
            "ErrorText": fact.error_text,
        }
        known = {name: value for name, value in details.items() if value}
        return TimelineEntry(_position(item), fact.occurred_at, kind, known)
    names = ("sender", "recipient", "subject", "sourceSystem", "campaignId", "sentAt", "failure", "suppression")
    details = {"MessageId": message_id} | _details(item, *names)
    kind = "MailCopy" if item["SK"] == keys.copy(message_id)["SK"] else "Mail"
    return TimelineEntry(_position(item), datetime.fromisoformat(item["acceptedAt"]), kind, details)


def _details(item: Item, *names: str) -> dict[str, str]:
    return {name[0].upper() + name[1:]: item[name] for name in names if item.get(name)}


def _log_entry(item: Item) -> TimelineEntry:
    entry = entry_of(item)
    told = {"LogEntryId": entry.id, "Recipient": entry.email, "Subject": entry.subject, "SentBy": entry.sent_by}
    details = {name: value for name, value in told.items() if value is not None}
    return TimelineEntry(_position(item), entry.sent_at or entry.logged_at, "LogEntry", details)


def _interaction(item: Item) -> TimelineEntry:
    if item["SK"] == keys.interaction("")["SK"]:
        interaction = interaction_of(item)
        details = {
            "InteractionId": interaction.id,
            "InteractionName": interaction.asked.name,
            "InteractionIdentity": interaction.asked.identity,
            "AccountId": str(interaction.asked.account_id),
            "ContactId": str(interaction.asked.contact_id),
            "CampaignKey": interaction.campaign_key,
            "InteractionUrl": interaction.url,
        }
        for name, guid in (("TenantKey", interaction.asked.tenant_key), ("GroupKey", interaction.asked.group_key)):
            if guid is not None:
                details[name] = str(guid)
        return TimelineEntry(_position(item), interaction.created_at, "Interaction", details)
    visit = visit_of(item)
    details = {"InteractionId": visit.interaction_id, "InteractionName": visit.name}
    if visit.visitor is not None:
        details |= {"Ip": visit.visitor.ip, "UserAgent": visit.visitor.user_agent}
    return TimelineEntry(_position(item), visit.visited_at, "Visit", details)


# By what a row's partition begins with. Another kind of row has an entry here, or no place in a timeline.
_ENTRIES: dict[str, Callable[[Item], TimelineEntry]] = {
    "MESSAGE": _message,
    "LOGENTRY": _log_entry,
    "INTERACTION": _interaction,
}
