"""What became of a message, as SES tells it or as the worker found out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from polypost.models.bounces import Evidence, Rule, Verdict


class EventKind(StrEnum):
    """What happened: SES's event types, what it reports as a bounce or a complaint and is none, and our own.

    Our own are a mail that was not sent, an unsubscribe by the link of a mail, and that one was taken back.
    """

    SEND = "send"
    DELIVERY = "delivery"
    DELIVERY_DELAY = "delivery-delay"
    BOUNCE = "bounce"
    AUTO_REPLY = "auto-reply"
    COMPLAINT = "complaint"
    NOT_SPAM = "not-spam"
    AUTH_FAILURE = "auth-failure"
    REJECT = "reject"
    SUPPRESSED = "suppressed"
    UNSUBSCRIBE = "unsubscribe"
    UNSUBSCRIBE_UNDONE = "unsubscribe-undone"
    RENDERING_FAILURE = "rendering-failure"
    SUBSCRIPTION = "subscription"
    OPEN = "open"
    CLICK = "click"


class BounceType(StrEnum):
    """Whether to try the address again: the `type` of inxmail-commerce-sap's bounces."""

    HARD = "Hard"
    SOFT = "Soft"


class EventList(StrEnum):
    """The lists that API clients read, and one that they do not: of what the table of bounces takes for neither."""

    BOUNCES = "bounces"
    COMPLAINTS = "complaints"
    NEITHER = "neither"


#: A mail that SES refused never arrives either, so it stands among the bounces, without a type; and so does one that
#: was not sent to a suppressed address, as those stand there that SES itself suppresses.
LIST_OF_KIND = {
    EventKind.BOUNCE: EventList.BOUNCES,
    EventKind.REJECT: EventList.BOUNCES,
    EventKind.SUPPRESSED: EventList.BOUNCES,
    EventKind.COMPLAINT: EventList.COMPLAINTS,
    EventKind.AUTO_REPLY: EventList.NEITHER,
    EventKind.NOT_SPAM: EventList.NEITHER,
    EventKind.AUTH_FAILURE: EventList.NEITHER,
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
    the receiving server's words. `rule` is the id of the rule of the table of bounces that decided, and `evidence` what
    it decided by; an erased event has none.
    """

    kind: EventKind
    recipient: str
    occurred_at: datetime
    fact_id: str
    type: str | None = None
    error_code: str | None = None
    error_text: str | None = None
    rule: str | None = None
    evidence: Evidence | None = None
    ses_message_id: str | None = None

    @property
    def reported_as(self) -> EventKind:
        """SES's own event type. It names the event for good, whatever the table of bounces makes of it one day."""
        if self.rule is None or self.evidence is None:
            return self.kind
        return EventKind.COMPLAINT if self.evidence.is_complaint else EventKind.BOUNCE


#: The kind of event that each verdict makes of a report, and the type that a bounce has.
_MEANINGS: dict[Verdict, tuple[EventKind, BounceType | None]] = {
    Verdict.HARD: (EventKind.BOUNCE, BounceType.HARD),
    Verdict.SOFT: (EventKind.BOUNCE, BounceType.SOFT),
    Verdict.UNKNOWN: (EventKind.BOUNCE, None),
    Verdict.NOT_ABOUT_THE_ADDRESS: (EventKind.BOUNCE, BounceType.HARD),
    Verdict.NOT_A_BOUNCE: (EventKind.AUTO_REPLY, None),
    Verdict.COMPLAINT: (EventKind.COMPLAINT, None),
    Verdict.NOT_SPAM: (EventKind.NOT_SPAM, None),
    Verdict.AUTHENTICATION_REPORT: (EventKind.AUTH_FAILURE, None),
}


#: Nothing went wrong on the way of these mails.
_WITHOUT_ERROR = frozenset({EventKind.COMPLAINT, EventKind.NOT_SPAM, EventKind.AUTH_FAILURE})


def error_text_of(kind: EventKind, evidence: Evidence) -> str | None:
    """The words for a list: the server's, or else SES's."""
    return None if kind in _WITHOUT_ERROR else evidence.diagnostic or evidence.ses_type


def judged(fact: Fact, evidence: Evidence, rule: Rule) -> Fact:
    """What SES reported, as a rule of the table of bounces takes it."""
    kind, bounce_type = _MEANINGS[rule.verdict]
    return replace(
        fact,
        kind=kind,
        type=evidence.feedback_type if rule.verdict is Verdict.COMPLAINT else bounce_type,
        error_code=evidence.status,
        error_text=error_text_of(kind, evidence),
        rule=rule.id,
        evidence=evidence,
    )


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
    where the recipient was erased. `copy` is what is recorded of the Bcc, who is a mail of their own to SES.
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
    copy: "MessageRecord | None" = None


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
