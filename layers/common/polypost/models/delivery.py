"""What became of a message, as SES tells it or as the worker found out."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """What happened. SES's event types, and the auto-reply that SES reports as a bounce."""

    SEND = "send"
    DELIVERY = "delivery"
    DELIVERY_DELAY = "delivery-delay"
    BOUNCE = "bounce"
    AUTO_REPLY = "auto-reply"
    COMPLAINT = "complaint"
    NOT_SPAM = "not-spam"
    REJECT = "reject"
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


#: A mail that SES refused never arrives either, so it stands among the bounces, without a type.
LIST_OF_KIND = {
    EventKind.BOUNCE: EventList.BOUNCES,
    EventKind.REJECT: EventList.BOUNCES,
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
