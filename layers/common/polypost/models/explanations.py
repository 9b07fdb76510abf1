"""Why a mail did or did not get to somebody: a sentence for whoever is asked, and what it rests on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from polypost.models.addresses import normalised
from polypost.models.bounces import RULES, Verdict
from polypost.models.delivery import (
    STATUS_OF_KIND,
    DeliveryEvent,
    EventKind,
    Fact,
    MessageRecord,
    MessageStatus,
    status_of,
)
from polypost.models.message_ids import accepted_at
from polypost.models.suppression import AddressStanding, SuppressionReason
from polypost.models.texts import in_one_line, in_utc

#: How long the mail queue keeps a mail: its MessageRetentionPeriod in template.yaml.
QUEUE_KEEPS = timedelta(days=14)

#: What the error text of a mail that was not sent begins with; the reason follows.
_NOT_SENT = "Not sent: "


# What somebody did by a link of the mail: it has no recipient.
_OF_LINKS = frozenset({EventKind.UNSUBSCRIBE, EventKind.UNSUBSCRIBE_UNDONE})


@dataclass(frozen=True, slots=True)
class Trace:
    """All that is recorded of a message: its row, if the worker has claimed it, and its events, oldest first."""

    message_id: str
    record: MessageRecord | None
    events: tuple[DeliveryEvent, ...]

    @property
    def accepted_at(self) -> datetime:
        """When it was accepted; to the second where there is no row."""
        return self.record.accepted_at if self.record else accepted_at(self.message_id)

    @property
    def space(self) -> str | None:
        """The space that sent it, once something is recorded."""
        refs = [self.record.ref] if self.record else [event.message for event in self.events]
        return refs[0].space if refs else None

    @property
    def recipients(self) -> tuple[str, ...]:
        """Whom it was for, as far as it is recorded: the recipient, then the Bcc. An erased address is empty."""
        own = [self.record.recipient, self.record.bcc] if self.record else []
        found: dict[str, str] = {}
        told = (event.fact.recipient for event in self.events if event.fact.kind not in _OF_LINKS)
        for address in (*own, *told):
            if address is not None:
                found.setdefault(normalised(address), address)
        return tuple(found.values())

    def record_of(self, recipient: str) -> MessageRecord | None:
        """The row of a recipient: the message's own, or that of its copy to the Bcc."""
        record = self.record
        is_copy = record is not None and record.copy is not None and record.bcc is not None
        if record and is_copy and normalised(recipient) == normalised(record.bcc or ""):
            return record.copy
        return record

    def was_for(self, address: str) -> bool:
        """Whether an address is one of the recipients, in any spelling."""
        return normalised(address) in map(normalised, self.recipients)

    def events_of(self, recipient: str) -> list[DeliveryEvent]:
        """What is recorded of its way to one of the recipients."""
        return [event for event in self.events if normalised(event.fact.recipient) == normalised(recipient)]


@dataclass(frozen=True, slots=True)
class Explanation:
    """How far a message has come to one recipient, and why.

    `rule` names what decided and `evidence` is the fact that it decided by, each as far as something did.
    """

    recipient: str | None
    status: MessageStatus
    sentence: str
    rule: str | None = None
    evidence: Fact | None = None


def explain(trace: Trace, recipient: str | None, standing: AddressStanding, now: datetime) -> Explanation:
    """What became of a message on its way to one of its recipients.

    Parameters: recipient, None for a message of which nothing is recorded; standing, of the recipient.
    """
    if recipient is None:
        return _unclaimed(trace, now)
    events = trace.events_of(recipient)
    # The row is the whole mail's, which may have gone out without a Bcc who gets none.
    was_left_out = any(event.fact.kind is EventKind.SUPPRESSED for event in events)
    record = trace.record_of(recipient)
    status = status_of(None if was_left_out else record, events)
    facts = [event.fact for event in events if STATUS_OF_KIND.get(event.fact.kind) is status]
    if facts:
        rule = _rule(status, facts[-1], record)
        return Explanation(recipient, status, _sentence(status, facts[-1], rule, standing), rule, facts[-1])
    if record is None:
        # An automatic answer, a click: SES has told of it.
        return Explanation(recipient, MessageStatus.SENT, "SES took it, but its own row is missing from the log.")
    if status is MessageStatus.CLAIMED and record.suppression is not None:
        sentence = f"{_NOT_SENT}mail to its recipient is suppressed, and so no copy of it went out."
        return Explanation(recipient, MessageStatus.SUPPRESSED, sentence, record.suppression)
    return Explanation(recipient, status, _recorded(record, status, now))


def obstacles(standing: AddressStanding, now: datetime) -> dict[SuppressionReason, str]:
    """All that keeps mail from an address now, the weightiest first, each in words that follow on "since"."""
    return {reason: _OBSTACLES[reason](standing) for reason in standing.reasons(now)}


def _unclaimed(trace: Trace, now: datetime) -> Explanation:
    accepted = f"Accepted on {in_utc(trace.accepted_at)}"
    if now - trace.accepted_at > QUEUE_KEEPS:
        return Explanation(
            None,
            MessageStatus.EXPIRED,
            f"{accepted} and never sent: no function took it from the queue within {QUEUE_KEEPS.days} days.",
        )
    return Explanation(
        None,
        MessageStatus.QUEUED,
        f"{accepted} and not taken from the queue yet, unless it is a dead letter: see `polypost queues`.",
    )


def _recorded(record: MessageRecord, status: MessageStatus, now: datetime) -> str:
    """The sentence of a message's own row, where no event has told more."""
    if status is MessageStatus.REFUSED:
        return f"{_NOT_SENT}SES refused it{_quoted(record.failure)}"
    if record.sent_at is not None:
        return f"SES took it on {in_utc(record.sent_at)}; whether it arrived is not known yet."
    if record.lease_until is None:
        return (
            "Not sent yet: SES did not take it at the last try, so it waits in the queue for the next one; the log of"
            " MailWorker says why."
        )
    if now < record.lease_until:
        return f"The worker is sending it; what became of it is known by {in_utc(record.lease_until)}."
    return (
        "Not known yet: the worker was cut off while it sent the mail; the next try finds out whether SES has it,"
        " unless the mail is a dead letter: see `polypost queues`."
    )


# --- What an event says -----------------------------------------------------------------------------------------------


def _rule(status: MessageStatus, fact: Fact, record: MessageRecord | None) -> str | None:
    """What decided: the reason of a suppression, or the rule of the table of bounces; None for a mail that arrived."""
    match status:
        case MessageStatus.SENT | MessageStatus.DELIVERED:
            return None
        case MessageStatus.SUPPRESSED:
            # The row has it where the recipient was erased, but of a Bcc the event alone.
            return (fact.error_text or "").removeprefix(_NOT_SENT) or (record.suppression if record else None)
    return fact.rule or fact.kind


def _sentence(status: MessageStatus, fact: Fact, rule: str | None, standing: AddressStanding) -> str:
    on = f"on {in_utc(fact.occurred_at)}"
    match status:
        case MessageStatus.SUPPRESSED:
            reason = next((reason for reason in SuppressionReason if reason == rule), None)
            return f"{_NOT_SENT}{_OBSTACLES[reason](standing) if reason else 'its recipient gets no mail'}."
        case MessageStatus.SENT:
            return f"SES took it {on}; whether it arrived is not known yet."
        case MessageStatus.DELAYED:
            return f"Not delivered yet: {on} the receiving server told SES to come again{_quoted(fact.error_text)}"
        case MessageStatus.DELIVERED:
            return f"Delivered {on}: the receiving server took it."
        case MessageStatus.REFUSED:
            return f"{_NOT_SENT}SES refused it{_quoted(fact.error_text)}"
        case MessageStatus.COMPLAINED:
            return f"Delivered, and {on} the recipient complained about it."
    hard_or_soft = f" ({fact.type})" if fact.type else ""
    code = f" ({fact.error_code})" if fact.error_code else ""
    return f"Bounced {on}{hard_or_soft}: {_said(fact)}{code}{_quoted(fact.error_text)}"


def _quoted(text: str | None) -> str:
    """Somebody's words, if there are any, and the end of the sentence."""
    return f": {in_one_line(text).rstrip('.')}." if text else "."


def _said(fact: Fact) -> str:
    if fact.rule in RULES and RULES[fact.rule].verdict is Verdict.NOT_ABOUT_THE_ADDRESS:
        return "SES did not send it, since a list of its own has the address"
    _, _, detail = (fact.error_code or "").strip().partition(".")
    meaning = _MEANINGS.get(detail) or _MEANINGS.get(detail.partition(".")[0])
    return f"the receiving server said that {meaning}" if meaning else "the receiving server did not take it"


# What a status means, by its subject and detail, or else by its subject alone (RFC 3463 and the IANA registry "SMTP
# Enhanced Status Codes").
_MEANINGS = {
    "1.1": "there is no such mailbox",
    "1.2": "there is no such domain",
    "1.3": "this is no valid address",
    "1.6": "the mailbox has moved",
    "1.10": "the domain takes no mail",
    "1": "something is wrong with the address",
    "2.1": "the mailbox is disabled",
    "2.2": "the mailbox is full",
    "2.3": "the mail is too large for the mailbox",
    "2": "something is wrong with the mailbox",
    "3.4": "the mail is too large",
    "3": "something is wrong with the receiving system",
    "4.7": "it could not deliver the mail in time",
    "4": "it could not be reached, or could not hand the mail on",
    "6": "it does not take the mail's content",
    "7": "its policy does not allow the mail",
}


# --- What keeps mail from an address ----------------------------------------------------------------------------------


def _limited_temporarily(standing: AddressStanding) -> str:
    until = f" until {in_utc(standing.limited_until)}" if standing.limited_until else " for a time"
    return f"a contact with this address, perhaps deleted since, wants no mail{until} (LimitMailsTemporarilyUntil)"


def _by_event(reason: SuppressionReason, words: str) -> Callable[[AddressStanding], str]:
    def told(standing: AddressStanding) -> str:
        ground = standing.ground(reason)
        where = f" on {in_utc(ground.at)} (message {ground.message_id}, rule {ground.rule})" if ground else ""
        return f"{words}{where}"

    return told


def _by_decision(reason: SuppressionReason, words: str) -> Callable[[AddressStanding], str]:
    def told(standing: AddressStanding) -> str:
        decision = standing.decision(reason)
        if decision is None:
            return words
        note = f": {in_one_line(decision.note)}" if decision.note else ""
        return f"{words} on {in_utc(decision.at)} by {decision.by}{note}"

    return told


# Each tells the details as far as they still stand.
_OBSTACLES: dict[SuppressionReason, Callable[[AddressStanding], str]] = {
    SuppressionReason.COMPLAINT: _by_event(
        SuppressionReason.COMPLAINT, "the recipient complained about an earlier mail"
    ),
    SuppressionReason.MANUAL: _by_decision(SuppressionReason.MANUAL, "the address was suppressed by hand"),
    SuppressionReason.HARD_BOUNCE: _by_event(
        SuppressionReason.HARD_BOUNCE, "an earlier mail to the address bounced for good"
    ),
    SuppressionReason.REPEATED_SOFT_BOUNCES: _by_event(
        SuppressionReason.REPEATED_SOFT_BOUNCES, "one mail after the other to the address bounced, the last"
    ),
    SuppressionReason.LIMITED_PERMANENTLY: (
        lambda standing: "a contact with this address, perhaps deleted since, wants no mail (LimitMailsPermanently)"
    ),
    SuppressionReason.UNSUBSCRIBED: _by_decision(SuppressionReason.UNSUBSCRIBED, "mails like this were unsubscribed"),
    SuppressionReason.LIMITED_TEMPORARILY: _limited_temporarily,
}
