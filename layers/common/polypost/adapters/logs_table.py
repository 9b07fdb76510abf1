"""The Logs table: messages, and what became of them."""

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from polypost.adapters import keys
from polypost.adapters.clients import ConditionFailed, TransactionRefused, translated_errors
from polypost.adapters.dynamodb import from_item, query_all, to_item, transact, update_of
from polypost.errors import PolypostError, Retryable
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
from polypost.models.mail import Part
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

#: The attributes of which a part of a message has one when there is nothing more to do for it.
_SETTLED = frozenset({"sesMessageId", "failure", "suppression"})

# The claim of a run that ended without knowing whether SES had taken the part. One that was cut off leaves its own.
_UNANSWERED = "unanswered"

# How long the count of a message's failures is kept: longer than a mail can wait in a queue and then in another one.
_FAILURES_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Claimed:
    """The part is this run's to send until `lease_until`; `claim` tells the run from all others."""

    lease_until: datetime
    claim: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The part was sent or refused earlier, or not sent for its recipient's sake (`suppressed`)."""

    suppressed: bool


@dataclass(frozen=True, slots=True)
class Leased:
    """Another run claimed the part and has not said what came of it; `lease_until` may be past.

    `cut_off` tells that the run has not even said that SES did not answer.
    """

    lease_until: datetime
    cut_off: bool


class ClaimLost(Retryable):
    """The claim of a part is another run's by now, which will settle it."""


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
        part: Part,
        now: datetime,
        lease: timedelta,
        expired: Leased | None = None,
        *,
        erased: Collection[str] = (),
    ) -> Claimed | Settled | Leased:
        """Make a part of a message this run's to send, for the length of the lease.

        One conditional write. It succeeds for a part without a row and for one whose claim was released; with
        `expired`, it takes over from the lease that ended at exactly that moment instead, so that of two runs that saw
        the same dead lease one alone goes on.

        Parameters: expired, the lease to take over; erased, the addresses to leave out.
        """
        queued, mail = part.queued, part.queued.mail
        claimed = Claimed(now + lease, secrets.token_hex(8))
        row = {
            "space": queued.space,
            "sourceSystem": mail.source_system,
            "campaignId": mail.campaign_id,
            "sender": mail.sender.address,
            "acceptedAt": keys.instant(queued.accepted_at),
            "leaseUntil": keys.instant(claimed.lease_until),
            "claim": claimed.claim,
        }
        if part.address not in erased:
            address_hash = keys.address_hash(self._address_key(), part.address)
            row |= {
                "recipient": part.address,
                "bcc": None if part.is_copy or mail.bcc in erased else mail.bcc,
                # It may name whoever it was for.
                "subject": None if erased else mail.subject,
                "person": keys.person(queued.space, address_hash),
                "personOrder": keys.instant(queued.accepted_at),
            }
        free = " AND ".join(f"attribute_not_exists({name})" for name in sorted(_SETTLED))
        condition, values = _held(expired) if expired else ("attribute_not_exists(leaseUntil)", {})
        try:
            self._update(part, set_values=row, condition=f"{free} AND {condition}", condition_values=values)
        except ConditionFailed as refusal:
            standing = from_item(refusal.item)
            if standing.get("claim") == claimed.claim:
                # An answer was lost, and the client's retry met its own first write.
                return claimed
            if not _SETTLED.isdisjoint(standing):
                return Settled("suppression" in standing)
            # Without a lease it was released between the two runs' looks at it.
            lease_until = standing.get("leaseUntil", keys.instant(now))
            return Leased(datetime.fromisoformat(lease_until), standing.get("claim") != _UNANSWERED)
        except Retryable:
            # The write may have taken effect, and nothing was sent yet: without this the part would wait for its lease.
            with suppress(PolypostError):
                self.release(part, claimed)
            raise
        return claimed

    def release(self, part: Part, claimed: Claimed) -> None:
        """Give a claim back: the part was surely not sent, and the next run may claim it at once.

        A claim that is no longer the caller's stays as it is.
        """
        with suppress(ConditionFailed):
            self._update_claimed(part, claimed, remove=("leaseUntil", "claim"))

    def record_unanswered(self, part: Part, claimed: Claimed) -> None:
        """Record that nobody knows whether SES took a part. The claim holds on: it is settled when the lease has ended.

        A claim that is no longer the caller's stays as it is.
        """
        with suppress(ConditionFailed):
            self._update_claimed(part, claimed, set_values={"claim": _UNANSWERED})

    def record_sent(self, part: Part, held: Claimed | Leased, ses_message_id: str, sent_at: datetime) -> None:
        """Record that SES took a part, under SES's id, which feedback notifications know it by.

        Parameters: held, the caller's claim, or the lease that has ended.

        Raises: ClaimLost; Retryable.
        """
        outcome = {"sesMessageId": ses_message_id, "sentAt": keys.instant(sent_at)}
        try:
            self._update_claimed(part, held, set_values=outcome, remove=("leaseUntil", "claim"))
        except ConditionFailed as refusal:
            _expect(outcome, refusal.item, part)

    def record_refused(
        self, part: Part, claimed: Claimed, event: DeliveryEvent, reason: str, *, erased: Collection[str] = ()
    ) -> None:
        """Record that SES refused a part, with the event that lists it, both or neither.

        Parameters: erased, the addresses to leave out.

        Raises: ClaimLost; Retryable.
        """
        outcome = {"failure": ANONYMOUS_FAILURE if erased else reason}
        self._record_unsent(part, claimed, event, outcome, erased)

    def record_suppressed(
        self, part: Part, claimed: Claimed, event: DeliveryEvent, reason: str, *, erased: Collection[str] = ()
    ) -> None:
        """Record that a part was not sent for its recipient's sake, with the event that lists it, both or neither.

        Parameters, errors: as those of `record_refused`.
        """
        self._record_unsent(part, claimed, event, {"suppression": reason}, erased)

    def _record_unsent(
        self, part: Part, claimed: Claimed, event: DeliveryEvent, outcome: dict[str, str], erased: Collection[str]
    ) -> None:
        item = self._event_item(event, anonymous=part.address in erased)
        if erased:
            # SES's words may name any of the recipients.
            item["errorText"] = None
        condition, values = _held(claimed)
        update = self._update_input(
            part, set_values=outcome, remove=("leaseUntil", "claim"), condition=condition, condition_values=values
        )
        try:
            transact(self._client, [{"Update": update}, {"Put": {"TableName": self._table, "Item": to_item(item)}}])
        except TransactionRefused as refusal:
            _expect(outcome, refusal.reasons[0].item, part)

    def count_failure(self, message_id: str, now: datetime) -> int:
        """Count one more failure at a message that no rule foresees; how many there are by now."""
        with translated_errors("dynamodb.UpdateItem"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=to_item(keys.failures(message_id)),
                UpdateExpression="ADD failures :one SET expiresAt = :end",
                ExpressionAttributeValues=to_item({":one": 1, ":end": int((now + _FAILURES_KEPT).timestamp())}),
                ReturnValues="UPDATED_NEW",
            )
        return int(from_item(answer["Attributes"])["failures"])

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
        """All that is recorded of a message: its rows, if the worker claimed it, and its events, oldest first."""
        items = query_all(
            self._client,
            self._table,
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues=to_item({":pk": keys.message(message_id)["PK"]}),
            ConsistentRead=True,
        )
        rows = {item["SK"]: item for item in items if "kind" not in item}
        row, copy = rows.get(keys.message(message_id)["SK"]), rows.get(keys.copy(message_id)["SK"])
        record = _message_record(row, copy) if row else None
        events = [event_of(item) for item in items if "kind" in item]
        # What tags claimed of another space, before there was a row, is no event of this message.
        own = [event for event in events if record is None or event.message.space == record.ref.space]
        return record, sorted(own, key=lambda event: event.fact.occurred_at)

    def _update_input(
        self,
        part: Part,
        *,
        set_values: Mapping[str, Any] = {},
        remove: tuple[str, ...] = (),
        condition: str | None = None,
        condition_values: Mapping[str, Any] = {},
    ) -> Any:
        request = {"TableName": self._table, "Key": to_item(_row_key(part))} | update_of(set_values, remove)
        if condition_values:
            request["ExpressionAttributeValues"] = request.get("ExpressionAttributeValues", {}) | to_item(
                condition_values
            )
        if condition:
            request["ConditionExpression"] = condition
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return request

    def _update(self, part: Part, **changes: Any) -> None:
        with translated_errors("dynamodb.UpdateItem"):
            self._client.update_item(**self._update_input(part, **changes))

    def _update_claimed(self, part: Part, held: Claimed | Leased, **changes: Any) -> None:
        condition, values = _held(held)
        self._update(part, condition=condition, condition_values=values, **changes)

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
        self, subscription: Subscription, kind: EventKind, occurred_at: datetime, *, anonymous: bool
    ) -> "TransactWriteItemTypeDef":
        """The member of a transaction that stores an unsubscribe, or its undoing, as an event of the mail it came from.

        It names nobody: the address is known by its HMAC alone.

        Parameters: anonymous, to leave it out of the person's timeline.
        """
        at = keys.instant(occurred_at)
        key = keys.event(subscription.space, subscription.message_id, kind, subscription.address_hash, at)
        item = key | {
            "kind": kind,
            "messageId": subscription.message_id,
            "space": subscription.space,
            "occurredAt": at,
            "factId": at,
            "person": None if anonymous else keys.person(subscription.space, subscription.address_hash),
            "personOrder": None if anonymous else at,
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

    def fact_of_ses(self, part: Part) -> Fact | None:
        """Anything that SES told of a part, which proves that SES took it; None while it told nothing.

        It is read consistently.

        An event is found by its recipient's HMAC, which it has even when the address was erased. What this project
        itself recorded in SES's place has no id of SES and proves nothing.
        """
        message_id = part.queued.message_id
        key, address_hash = (
            keys.events(part.queued.space, message_id),
            keys.address_hash(self._address_key(), part.address),
        )
        items = query_all(
            self._client,
            self._table,
            KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
            ExpressionAttributeValues=to_item({":pk": key["PK"], ":sk": key["SK"]}),
            ConsistentRead=True,
        )
        # Of a mail to one address everything is its own: a bounce may name another one, which it was forwarded to.
        alone = len(part.queued.parts) == 1
        told = (item for item in items if "sesId" in item and (alone or keys.is_event_of(item, address_hash)))
        return next((event_of(item).fact for item in told), None)

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


def _row_key(part: Part) -> keys.Key:
    message_id = part.queued.message_id
    return keys.copy(message_id) if part.is_copy else keys.message(message_id)


def _held(held: Claimed | Leased) -> tuple[str, dict[str, str]]:
    """The condition that a part is held as it was seen, with its values."""
    if isinstance(held, Claimed):
        return "claim = :held", {":held": held.claim}
    return "leaseUntil = :held", {":held": keys.instant(held.lease_until)}


def _expect(outcome: Mapping[str, str], item: Any, part: Part) -> None:
    """Accept a refused write of an outcome if that stands there already: an answer was lost, and this is the retry.

    Raises: ClaimLost.
    """
    if not outcome.items() <= from_item(item).items():
        raise ClaimLost(f"Another run holds the claim of message {part.queued.message_id}")


def _message_record(row: Mapping[str, Any], copy: Mapping[str, Any] | None = None) -> MessageRecord:
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
        copy=_message_record(copy) if copy else None,
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
