"""What became of a message, as SES tells it or as the worker found out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """What happened: SES's event types, the auto-reply that SES reports as a bounce, and our own suppression."""

    SEND = "send"
    DELIVERY = "delivery"
    DELIVERY_DELAY = "delivery-delay"
    BOUNCE = "bounce"
    AUTO_REPLY = "auto-reply"
    COMPLAINT = "complaint"
    NOT_SPAM = "not-spam"
    REJECT = "reject"
    SUPPRESSED = "suppressed"
    RENDERING_FAILURE = "rendering-failure"
    SUBSCRIPTION = "subscription"
    OPEN = "open"
    CLICK = "click"


class BounceType(StrEnum):
    """Whether to try the address again: the `type` of inxmail-commerce-sap's bounces."""

    HARD = "Hard"
    SOFT = "Soft"


class EventList(StrEnum):
    """The lists that API clients read, and the kinds of event in each."""

    BOUNCES = "bounces"
    COMPLAINTS = "complaints"


#: A mail that SES refused never arrives either, so it stands among the bounces, without a type; and so does one that
#: was not sent to a suppressed address, as those stand there that SES itself suppresses.
LIST_OF_KIND = {
    EventKind.BOUNCE: EventList.BOUNCES,
    EventKind.REJECT: EventList.BOUNCES,
    EventKind.SUPPRESSED: EventList.BOUNCES,
    EventKind.COMPLAINT: EventList.COMPLAINTS,
}


@dataclass(frozen=True, slots=True)
class MessageRef:
    """Which message an event is about, with what the lists are filtered by."""

    message_id: str
    space: str
    source_system: str | None = None
    campaign_id: str | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened to a message on its way to one recipient.

    `fact_id` tells two facts of one kind apart: SES's feedback id, or else the event's time. `type` is a BounceType
    or SES's complaintFeedbackType, or None where it is unknown. `error_code` is the RFC 3463 status and `error_text`
    the receiving server's words. `ses_type` is SES's own `type/subtype`.
    """

    kind: EventKind
    recipient: str
    occurred_at: datetime
    fact_id: str
    type: str | None = None
    error_code: str | None = None
    error_text: str | None = None
    ses_type: str | None = None
    ses_message_id: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """A fact, and the message that it is about."""

    message: MessageRef
    fact: Fact


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events of a list to read; each given criterion must match. Both bounds include their whole second (UTC)."""

    source_system: str | None = None
    campaign_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """One numbered page of a list, oldest event first."""

    number: int
    is_last: bool
    events: tuple[DeliveryEvent, ...]


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """What is recorded of a message once the worker has claimed it; its bodies are kept nowhere.

    `sent_at` and `ses_message_id` are set once SES took it, `failure` once SES refused it, `suppression` once it was
    not sent for its recipient's sake, `lease_until` while a run of the worker holds it. Addresses and subject are empty
    where the recipient was erased.
    """

    ref: MessageRef
    accepted_at: datetime
    sender: str
    recipient: str
    subject: str
    bcc: str | None = None
    sent_at: datetime | None = None
    ses_message_id: str | None = None
    failure: str | None = None
    suppression: str | None = None
    lease_until: datetime | None = None


class MessageStatus(StrEnum):
    """How far a message has come, each rank above the one before."""

    QUEUED = "queued"
    EXPIRED = "expired"
    CLAIMED = "claimed"
    SUPPRESSED = "suppressed"
    SENT = "sent"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    REFUSED = "refused"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


#: The status that each kind of event raises a message to; the others change none.
STATUS_OF_KIND = {
    EventKind.SUPPRESSED: MessageStatus.SUPPRESSED,
    EventKind.SEND: MessageStatus.SENT,
    EventKind.DELIVERY_DELAY: MessageStatus.DELAYED,
    EventKind.DELIVERY: MessageStatus.DELIVERED,
    EventKind.REJECT: MessageStatus.REFUSED,
    EventKind.RENDERING_FAILURE: MessageStatus.REFUSED,
    EventKind.BOUNCE: MessageStatus.BOUNCED,
    EventKind.COMPLAINT: MessageStatus.COMPLAINED,
}


def status_of(record: MessageRecord | None, events: Iterable[DeliveryEvent]) -> MessageStatus:
    """The highest rank that anything recorded of a message has; it is derived here and stored nowhere.

    Events come late and in any order, so no later one may lower what an earlier one said.
    """
    reached = {MessageStatus.QUEUED}
    if record is not None:
        reached.add(MessageStatus.CLAIMED)
        if record.ses_message_id is not None:
            reached.add(MessageStatus.SENT)
        if record.failure is not None:
            reached.add(MessageStatus.REFUSED)
    reached.update(STATUS_OF_KIND[event.fact.kind] for event in events if event.fact.kind in STATUS_OF_KIND)
    return max(reached, key=list(MessageStatus).index)
