"""The Logs table: messages, and what became of them."""

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from polypost.adapters import keys
from polypost.adapters.clients import ConditionFailed, TransactionRefused, translated_errors
from polypost.adapters.dynamodb import from_item, query_all, to_item, transact, update_of
from polypost.models.bounces import Evidence
from polypost.models.delivery import (
    LIST_OF_KIND,
    DeliveryEvent,
    EventFilter,
    EventKind,
    EventList,
    EventPage,
    Fact,
    MessageRecord,
    MessageRef,
    error_text_of,
)
from polypost.models.mail import QueuedMail
from polypost.models.unsubscribe_links import Subscription

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import PutTypeDef, QueryInputTypeDef, TransactWriteItemTypeDef

#: DynamoDB reads at most 1 MB per call whatever the limit is; a limit of this size keeps one call well below it.
_ROWS_PER_CALL = 1000

#: What is kept of a server's words; they are longer in bytes, and so a page of them is bounded where it is written.
_LONGEST_ERROR_TEXT = 1000


#: What stands for SES's reason to refuse a mail, where it may name somebody who was erased.
ANONYMOUS_FAILURE = "refused"

#: The attributes of which a message has one when there is nothing more to do for it.
_SETTLED = frozenset({"sesMessageId", "failure", "suppression"})


@dataclass(frozen=True, slots=True)
class Claimed:
    """The message is this run's to send until `lease_until`."""

    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """The message was sent, refused or suppressed earlier."""


@dataclass(frozen=True, slots=True)
class Leased:
    """Another run claimed the message and has not said what came of it; `lease_until` may be past."""

    lease_until: datetime


class LogsTable:
    """Reads and writes messages and their events.

    Parameters: address_key, gives the stack's key for the HMACs of addresses.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str, address_key: Callable[[], bytes]) -> None:
        self._client = client
        self._table = table_name
        self._address_key = address_key

    # --- messages -----------------------------------------------------------------------------------------------------

    def claim(
        self,
        queued: QueuedMail,
        now: datetime,
        lease: timedelta,
        expired: datetime | None = None,
        *,
        erased: Collection[str] = (),
    ) -> Claimed | Settled | Leased:
        """Make a message this run's to send, for the length of the lease.

        One conditional write. It succeeds for a message without a row and for one whose claim was released; with
        `expired`, it takes over from the lease that ended at exactly that moment instead, so that of two runs that saw
        the same dead lease one alone goes on.

        Parameters: expired, the end of the lease to take over; erased, the addresses to leave out.
        """
        mail = queued.mail
        row = {
            "space": queued.space,
            "sourceSystem": mail.source_system,
            "campaignId": mail.campaign_id,
            "sender": mail.sender.address,
            "acceptedAt": keys.instant(queued.accepted_at),
            "leaseUntil": keys.instant(now + lease),
            "claim": secrets.token_hex(8),
        }
        if mail.recipient.address not in erased:
            address_hash = keys.address_hash(self._address_key(), mail.recipient.address)
            row |= {
                "recipient": mail.recipient.address,
                "bcc": None if mail.bcc in erased else mail.bcc,
                "subject": mail.subject,
                "person": keys.person(queued.space, address_hash),
                "personOrder": keys.instant(queued.accepted_at),
            }
        free = " AND ".join(f"attribute_not_exists({name})" for name in sorted(_SETTLED))
        free += " AND leaseUntil = :expired" if expired else " AND attribute_not_exists(leaseUntil)"
        try:
            self._update(
                queued.message_id,
                set_values=row,
                condition=free,
                condition_values={":expired": keys.instant(expired)} if expired else {},
            )
        except ConditionFailed as refusal:
            standing = from_item(refusal.item)
            if standing.get("claim") == row["claim"]:
                # An answer was lost, and the client's retry met its own first write.
                return Claimed(now + lease)
            if not _SETTLED.isdisjoint(standing):
                return Settled()
            if "leaseUntil" not in standing:
                # Released between the two runs' looks at it.
                return Leased(now)
            return Leased(datetime.fromisoformat(standing["leaseUntil"]))
        return Claimed(now + lease)

    def record_copy(self, queued: QueuedMail, bcc: str) -> None:
        """Record that a message goes to a Bcc too; the message's own row is found by its recipient alone."""
        accepted_at = keys.instant(queued.accepted_at)
        row = keys.copy(queued.message_id) | {
            "space": queued.space,
            "sender": queued.mail.sender.address,
            "recipient": bcc,
            "subject": queued.mail.subject,
            "acceptedAt": accepted_at,
            "person": keys.person(queued.space, keys.address_hash(self._address_key(), bcc)),
            "personOrder": accepted_at,
        }
        with translated_errors("dynamodb.PutItem"):
            self._client.put_item(TableName=self._table, Item=to_item(row))

    def release(self, message_id: str) -> None:
        """Give a claim back: the message was surely not sent, and the next run may claim it at once."""
        self._update(message_id, remove=("leaseUntil", "claim"))

    def record_sent(self, message_id: str, ses_message_id: str, sent_at: datetime) -> None:
        """Record that SES took a message, under SES's id, which feedback notifications know it by."""
        self._update(
            message_id,
            set_values={"sesMessageId": ses_message_id, "sentAt": keys.instant(sent_at)},
            remove=("leaseUntil", "claim"),
        )

    def record_refused(self, events: list[DeliveryEvent], reason: str, *, erased: Collection[str] = ()) -> None:
        """Record that SES refused a message, with the events that list it, all or nothing.

        Parameters: events, one per recipient, of one message; erased, the addresses to leave out.
        """
        self._record_unsent(events, {"failure": ANONYMOUS_FAILURE if erased else reason}, erased)

    def record_suppressed(self, events: list[DeliveryEvent], reason: str, *, erased: Collection[str] = ()) -> None:
        """Record that a message was not sent for its recipient's sake, with the event that lists it, all or nothing.

        Parameters: as those of `record_refused`.
        """
        self._record_unsent(events, {"suppression": reason}, erased)

    def _record_unsent(self, events: list[DeliveryEvent], outcome: dict[str, str], erased: Collection[str]) -> None:
        message_id = events[0].message.message_id
        writes: list[TransactWriteItemTypeDef] = [
            {"Update": self._update_input(message_id, set_values=outcome, remove=("leaseUntil", "claim"))}
        ]
        for event in events:
            # SES's words may name any of the recipients.
            item = self._event_item(event, anonymous=event.fact.recipient in erased)
            if erased:
                item["errorText"] = None
            writes.append({"Put": {"TableName": self._table, "Item": to_item(item)}})
        transact(self._client, writes)

    def find_by_ses_id(self, ses_message_id: str) -> MessageRef | None:
        """The message that SES knows by an id, once its sending is recorded; the index lags a moment behind."""
        with translated_errors("dynamodb.Query"):
            answer = self._client.query(
                TableName=self._table,
                IndexName="MessagesBySesId",
                KeyConditionExpression="sesMessageId = :id",
                ExpressionAttributeValues=to_item({":id": ses_message_id}),
            )
        for row in map(from_item, answer["Items"]):
            return _message_ref(row)
        return None

    def find_message(self, message_id: str) -> MessageRef | None:
        """A message by its own id, once it is claimed."""
        with translated_errors("dynamodb.GetItem"):
            answer = self._client.get_item(TableName=self._table, Key=to_item(keys.message(message_id)))
        return _message_ref(from_item(answer["Item"])) if "Item" in answer else None

    def history(self, message_id: str) -> tuple[MessageRecord | None, list[DeliveryEvent]]:
        """All that is recorded of a message: its own row, if the worker claimed it, and its events, oldest first."""
        items = query_all(
            self._client,
            self._table,
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues=to_item({":pk": keys.message(message_id)["PK"]}),
            ConsistentRead=True,
        )
        row = keys.message(message_id)
        record = next((_message_record(item) for item in items if item["SK"] == row["SK"]), None)
        events = [event_of(item) for item in items if "kind" in item]
        # What tags claimed of another space, before there was a row, is no event of this message.
        own = [event for event in events if record is None or event.message.space == record.ref.space]
        return record, sorted(own, key=lambda event: event.fact.occurred_at)

    def _update_input(
        self,
        message_id: str,
        *,
        set_values: Mapping[str, Any] = {},
        remove: tuple[str, ...] = (),
        condition: str | None = None,
        condition_values: Mapping[str, Any] = {},
    ) -> Any:
        request = {"TableName": self._table, "Key": to_item(keys.message(message_id))} | update_of(set_values, remove)
        if condition_values:
            request["ExpressionAttributeValues"] |= to_item(condition_values)
        if condition:
            request["ConditionExpression"] = condition
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return request

    def _update(self, message_id: str, **changes: Any) -> None:
        with translated_errors("dynamodb.UpdateItem"):
            self._client.update_item(**self._update_input(message_id, **changes))

    # --- events -------------------------------------------------------------------------------------------------------

    def put_event(
        self,
        event: DeliveryEvent,
        *,
        anonymous: bool = False,
        suppression: "TransactWriteItemTypeDef | None" = None,
    ) -> bool:
        """Store an event, if it is not there; whether it was new.

        Parameters: anonymous, to record nothing of whom it is about; suppression, what the event writes besides, which
        is there if the event is.
        """
        put: PutTypeDef = {
            "TableName": self._table,
            "Item": to_item(self._event_item(event, anonymous=anonymous)),
            "ConditionExpression": "attribute_not_exists(PK)",
        }
        return self._put(put, suppression)

    def unsubscribe_event(
        self, subscription: Subscription, kind: EventKind, occurred_at: datetime
    ) -> "TransactWriteItemTypeDef":
        """The member of a transaction that stores an unsubscribe, or its undoing, as an event of the mail it came from.

        It names nobody: the address is known by its HMAC alone.
        """
        at = keys.instant(occurred_at)
        key = keys.event(subscription.space, subscription.message_id, kind, subscription.address_hash, at)
        item = key | {
            "kind": kind,
            "messageId": subscription.message_id,
            "space": subscription.space,
            "occurredAt": at,
            "factId": at,
            "person": keys.person(subscription.space, subscription.address_hash),
            "personOrder": at,
        }
        return {"Put": {"TableName": self._table, "Item": to_item(item)}}

    def replace_event(
        self, old: DeliveryEvent, new: DeliveryEvent, suppression: "TransactWriteItemTypeDef | None" = None
    ) -> bool:
        """Store an event as the table of bounces takes it now; False if it is not the old one any more, or was erased.

        Parameters: suppression, as that of `put_event`.
        """
        stood = {"#rule": old.fact.rule, "#kind": old.fact.kind, "#type": old.fact.type}
        # An erasure takes the evidence away, and nothing may bring back what it has taken.
        condition = ["attribute_exists(evidence)"]
        condition += [
            f"{name} = :{name[1:]}" if value else f"attribute_not_exists({name})" for name, value in stood.items()
        ]
        put: PutTypeDef = {
            "TableName": self._table,
            "Item": to_item(self._event_item(new)),
            "ConditionExpression": " AND ".join(condition),
            "ExpressionAttributeNames": {name: name[1:] for name in stood},
            "ExpressionAttributeValues": to_item({f":{name[1:]}": value for name, value in stood.items()}),
        }
        return self._put(put, suppression)

    def _put(self, put: "PutTypeDef", suppression: "TransactWriteItemTypeDef | None") -> bool:
        try:
            if suppression is None:
                with translated_errors("dynamodb.PutItem"):
                    self._client.put_item(**put)
            else:
                transact(self._client, [{"Put": put}, suppression])
        except (ConditionFailed, TransactionRefused):
            return False
        return True

    def reported_events(self, space: str, since: datetime | None = None) -> Iterator[DeliveryEvent]:
        """All that SES reported to a space as a bounce or a complaint, of the lists one after another, oldest first.

        The index lags a moment behind.
        """
        first, last = keys.event_order_bounds(since, None)
        for each in EventList:
            partition = keys.event_list(space, each, None, None)["eventList"]
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                IndexName=keys.EVENT_INDEXES["eventList"],
                KeyConditionExpression="eventList = :list AND eventOrder BETWEEN :first AND :last",
                ExpressionAttributeValues=to_item({":list": partition, ":first": first, ":last": last}),
            )
            with translated_errors("dynamodb.Query"):
                for page in pages:
                    events = (event_of(from_item(item)) for item in page["Items"])
                    yield from (event for event in events if event.fact.rule is not None)

    def has_arrived_since(self, space: str, address: str, moment: datetime) -> bool:
        """Whether a mail to an address has arrived after a moment; the index lags a moment behind."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="ByPerson",
            KeyConditionExpression="person = :person AND personOrder > :moment",
            ExpressionAttributeValues=to_item(
                {
                    ":person": keys.person(space, keys.address_hash(self._address_key(), address)),
                    ":moment": keys.instant(moment),
                }
            ),
        )
        deliveries = keys.events_of_kind(space, "", EventKind.DELIVERY)["SK"]
        with translated_errors("dynamodb.Query"):
            return any(from_item(item)["SK"].startswith(deliveries) for page in pages for item in page["Items"])

    def send_fact(self, space: str, message_id: str) -> Fact | None:
        """SES's own word that it took a message, read consistently; None while it has not come."""
        key = keys.events_of_kind(space, message_id, EventKind.SEND)
        with translated_errors("dynamodb.Query"):
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
                ExpressionAttributeValues=to_item({":pk": key["PK"], ":sk": key["SK"]}),
                ConsistentRead=True,
                Limit=1,
            )
        for item in map(from_item, answer["Items"]):
            return event_of(item).fact
        return None

    def list_events(
        self, space: str, event_list: EventList, criteria: EventFilter, page: int, page_size: int
    ) -> EventPage:
        """One page of a list, oldest first, read from the one index partition that holds just the filtered rows.

        Parameters: page, from 0; page_size, in rows.
        """
        start_key = self._skip(space, event_list, criteria, page * page_size)
        rows: list[dict[str, Any]] = []
        # One row more than asked for tells whether this page is the last.
        while start_key is not _END and len(rows) <= page_size:
            answer = self._query_list(space, event_list, criteria, page_size + 1 - len(rows), start_key)
            rows += [from_item(item) for item in answer["Items"]]
            start_key = answer.get("LastEvaluatedKey", _END)
        return EventPage(page, len(rows) <= page_size, tuple(map(event_of, rows[:page_size])))

    def _skip(self, space: str, event_list: EventList, criteria: EventFilter, rows: int) -> Mapping[str, Any] | None:
        """Where the rows after the first ones begin. It walks, so a page costs what lies before it."""
        start_key: Mapping[str, Any] | None = None
        while rows > 0:
            limit = min(rows, _ROWS_PER_CALL)
            answer = self._query_list(space, event_list, criteria, limit, start_key, Select="COUNT")
            if "LastEvaluatedKey" not in answer:
                return _END
            start_key = answer["LastEvaluatedKey"]
            rows -= answer["Count"]
        return start_key

    def _query_list(
        self,
        space: str,
        event_list: EventList,
        criteria: EventFilter,
        limit: int,
        start_key: Mapping[str, Any] | None,
        **options: Any,
    ) -> Any:
        partitions = keys.event_list(space, event_list, criteria.source_system, criteria.campaign_id)
        attribute, partition = list(partitions.items())[-1]
        first, last = keys.event_order_bounds(criteria.start, criteria.end)
        query: QueryInputTypeDef = {
            "TableName": self._table,
            "IndexName": keys.EVENT_INDEXES[attribute],
            "KeyConditionExpression": "#list = :list AND eventOrder BETWEEN :first AND :last",
            "ExpressionAttributeNames": {"#list": attribute},
            "ExpressionAttributeValues": to_item({":list": partition, ":first": first, ":last": last}),
            "Limit": min(limit, _ROWS_PER_CALL),
        }
        if start_key is not None:
            query["ExclusiveStartKey"] = dict(start_key)
        with translated_errors("dynamodb.Query"):
            return self._client.query(**query, **options)

    def _event_item(self, event: DeliveryEvent, *, anonymous: bool = False) -> dict[str, Any]:
        message, fact = event.message, event.fact
        address_hash = keys.address_hash(self._address_key(), fact.recipient)
        key = keys.event(message.space, message.message_id, fact.reported_as, address_hash, fact.fact_id)
        item: dict[str, Any] = key | {
            "kind": fact.kind,
            "messageId": message.message_id,
            "space": message.space,
            "sourceSystem": message.source_system,
            "campaignId": message.campaign_id,
            "recipient": None if anonymous else fact.recipient,
            "occurredAt": keys.instant(fact.occurred_at),
            "factId": fact.fact_id,
            "type": fact.type,
            "errorCode": fact.error_code,
            "rule": fact.rule,
            "sesId": fact.ses_message_id,
        }
        # Servers repeat the address in what they say. The text of an error follows from its evidence, if it has any.
        if not anonymous and fact.evidence is not None:
            item["evidence"] = _evidence_item(fact.evidence)
        elif not anonymous and fact.error_text is not None:
            item["errorText"] = fact.error_text[:_LONGEST_ERROR_TEXT]
        listed_in = LIST_OF_KIND.get(fact.kind)
        if listed_in is not None:
            filters = (None, None) if listed_in is EventList.NEITHER else (message.source_system, message.campaign_id)
            item |= keys.event_list(message.space, listed_in, *filters)
            item["eventOrder"] = keys.event_order(fact.occurred_at, message.message_id, address_hash)
        if fact.kind is not EventKind.SEND and not anonymous:
            # The message's own row stands for its sending.
            item["person"] = keys.person(message.space, address_hash)
            item["personOrder"] = keys.instant(fact.occurred_at)
        return item


#: A start key after the last row; no query starts there.
_END: Mapping[str, Any] = {}


def _message_ref(row: Mapping[str, Any]) -> MessageRef:
    message_id = row["PK"].removeprefix(keys.message("")["PK"])
    return MessageRef(message_id, row["space"], row.get("sourceSystem"), row.get("campaignId"))


def _message_record(row: Mapping[str, Any]) -> MessageRecord:
    def moment(name: str) -> datetime | None:
        return datetime.fromisoformat(row[name]) if name in row else None

    return MessageRecord(
        ref=_message_ref(row),
        accepted_at=datetime.fromisoformat(row["acceptedAt"]),
        sender=row["sender"],
        recipient=row.get("recipient", ""),
        subject=row.get("subject", ""),
        bcc=row.get("bcc"),
        sent_at=moment("sentAt"),
        ses_message_id=row.get("sesMessageId"),
        failure=row.get("failure"),
        suppression=row.get("suppression"),
        lease_until=moment("leaseUntil"),
    )


def _evidence_item(evidence: Evidence) -> dict[str, str]:
    members = {
        "sesType": evidence.ses_type,
        "status": evidence.reported_status,
        "action": evidence.action,
        "diagnostic": evidence.diagnostic,
        "feedbackType": evidence.feedback_type,
    }
    return {name: value for name, value in members.items() if value is not None}


def _evidence(item: Mapping[str, str]) -> Evidence:
    return Evidence(
        ses_type=item["sesType"],
        reported_status=item.get("status"),
        action=item.get("action"),
        diagnostic=item.get("diagnostic"),
        feedback_type=item.get("feedbackType"),
    )


def event_of(item: Mapping[str, Any]) -> DeliveryEvent:
    """The event in an item."""
    kind = EventKind(item["kind"])
    evidence = _evidence(item["evidence"]) if "evidence" in item else None
    return DeliveryEvent(
        MessageRef(item["messageId"], item["space"], item.get("sourceSystem"), item.get("campaignId")),
        Fact(
            kind=kind,
            recipient=item.get("recipient", ""),
            occurred_at=datetime.fromisoformat(item["occurredAt"]),
            fact_id=item["factId"],
            type=item.get("type"),
            error_code=item.get("errorCode"),
            error_text=error_text_of(kind, evidence) if evidence else item.get("errorText"),
            rule=item.get("rule"),
            evidence=evidence,
            ses_message_id=item.get("sesId"),
        ),
    )
