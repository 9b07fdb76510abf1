"""What SES writes about a message, in either of its families, as the facts that the log keeps.

Sources: SES developer guide, "Contents of event data that Amazon SES publishes to Amazon SNS" (event publishing) and
"Amazon SNS notification contents for Amazon SES" (feedback notifications).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parseaddr
from functools import cached_property
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from polypost.adapters.keys import instant
from polypost.adapters.mailer import decode_tags
from polypost.errors import Permanent
from polypost.mail.mime import MESSAGE_ID_HEADER
from polypost.models.addresses import normalised, without_strangers
from polypost.models.bounces import UNMATCHED, Evidence, judge
from polypost.models.delivery import BounceType, EventKind, Fact, MessageRef, error_text_of, judged
from polypost.models.message_ids import MESSAGE_ID
from polypost.models.texts import shortened


class UnreadableNotification(Permanent):
    """A notification that is not one of SES's, or is damaged. It must be kept whole, for a person to look at."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification of SES.

    `message` is known from the tags that event publishing repeats. A feedback notification has none: its message is
    found by `message_id`, if SES was told to include headers, or by `ses_message_id`.
    """

    ses_message_id: str | None
    message: MessageRef | None
    message_id: str | None
    facts: tuple[Fact, ...]


def unwrap(body: str) -> str:
    """The notification in the body of an SQS message: SNS's envelope is taken off, if there is one.

    Raises: UnreadableNotification.
    """
    try:
        envelope = _Envelope.model_validate_json(body)
    except ValidationError as error:
        raise UnreadableNotification("The queue's message is not JSON, or its members are of other types") from error
    return body if envelope.Message is None else envelope.Message


def parse(text: str) -> Notification | None:
    """Read a notification; None for the greetings that SES sends when a topic is connected to it.

    Parameters: text, the SNS message, JSON.

    Raises: UnreadableNotification.
    """
    if text.startswith("Successfully validated SNS topic"):
        return None
    try:
        members = _OBJECT.validate_json(text)
        kind = members.get("eventType") or members.get("notificationType")
        if kind == "AmazonSnsSubscriptionSucceeded":
            return None
        mail = _Mail.model_validate(members.get("mail"))
        return Notification(
            ses_message_id=mail.messageId,
            message=decode_tags(mail.texts_of_tags),
            message_id=mail.message_id,
            facts=tuple(_facts(kind, members, mail)),
        )
    except ValidationError as error:
        problems = error.errors(include_input=False)[:_MOST_PROBLEMS]
        told = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
        raise UnreadableNotification(f"Not a notification of SES: {told}") from error
    except ValueError as error:
        raise UnreadableNotification(f"A tag that is none of ours: {error}") from error


# How many of the things that are wrong are told of.
_MOST_PROBLEMS = 5

_OBJECT = TypeAdapter(dict[str, Any])


class _Envelope(BaseModel):
    # SNS developer guide, "HTTP/HTTPS notification JSON format"; the same stands in SQS without raw delivery.
    Message: str | None = None


# --- Members ----------------------------------------------------------------------------------------------------------

# One is asked for where its kind of notification cannot do without it. Any other may be null or damaged.

_T = TypeVar("_T")


def _or_none(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except (ValidationError, OverflowError):
        return None


_IfReadable = Annotated[_T | None, WrapValidator(_or_none)]


def _listed(value: Any) -> Any:
    return [member for member in value if member is not None] if isinstance(value, list) else []


def _in_utc(moment: datetime) -> datetime:
    # In the precision of the tables, or two events would be compared otherwise before they are stored than after it.
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _without_space(value: object) -> object:
    # The guide's own sample of a mail object has one before the offset.
    if not isinstance(value, str):
        return value
    date, _, offset = value.rpartition(" ")
    return date.rstrip() + offset if offset.startswith(("+", "-")) else value


_Moment = _IfReadable[Annotated[datetime, BeforeValidator(_without_space), AfterValidator(_in_utc)]]

# RFC 5321, section 4.5.3.1, allows 64 octets before the @ and 255 behind it.
_LONGEST_ADDRESS = 320


def _bare_address(text: str) -> str:
    # A DSN has the type of an address before it, as in "rfc822;max@example.net".
    text = text[:_LONGEST_ADDRESS]
    bare = text if '"' in text else text.rpartition(";")[2]
    return parseaddr(bare)[1] or text


_Address = Annotated[str, Field(min_length=1), AfterValidator(_bare_address)]


class _Header(BaseModel):
    name: str
    value: _IfReadable[str] = None


class _Mail(BaseModel):
    messageId: _IfReadable[str] = None
    timestamp: _Moment = None
    source: _IfReadable[_Address] = None
    destination: Annotated[list[_IfReadable[_Address]], BeforeValidator(_listed)] = []
    headers: Annotated[list[_IfReadable[_Header]], BeforeValidator(_listed)] = []
    tags: _IfReadable[dict[str, Any]] = None

    @property
    def message_id(self) -> str | None:
        """Our own id, from the mail's header."""
        headers = {header.name.lower(): header.value or "" for header in self.headers if header is not None}
        value = headers.get(MESSAGE_ID_HEADER.lower(), "").strip()
        return value if MESSAGE_ID.fullmatch(value) else None

    @property
    def texts_of_tags(self) -> dict[str, list[str]]:
        """The tags that have a value."""
        texts = {
            name: [each for each in _listed(values) if isinstance(each, str)]
            for name, values in (self.tags or {}).items()
        }
        return {name: values for name, values in texts.items() if values}

    @cached_property
    def recipients(self) -> dict[str, str]:
        """Whom the mail was sent to, by the normal forms of their addresses."""
        return {normalised(address): address for address in self.destination if address is not None}

    def time_of(self, own: datetime | None) -> datetime:
        """When something happened: at a time of its own, or else at the mail's. Raises: UnreadableNotification."""
        moment = own or self.timestamp
        if moment is None:
            raise UnreadableNotification("The notification says of nothing when it happened")
        return moment


class _Recipient(BaseModel):
    emailAddress: _IfReadable[_Address] = None
    status: _IfReadable[str] = None
    action: _IfReadable[str] = None
    diagnosticCode: _IfReadable[str] = None


class _Bounce(BaseModel):
    bounceType: _IfReadable[str] = None
    bounceSubType: _IfReadable[str] = None
    bouncedRecipients: list[_Recipient] = Field(min_length=1)
    timestamp: _Moment = None
    feedbackId: _IfReadable[str] = None


class _Complaint(BaseModel):
    complainedRecipients: Annotated[list[_Recipient], BeforeValidator(_listed)] = []
    timestamp: _Moment = None
    feedbackId: _IfReadable[str] = None
    complaintSubType: _IfReadable[str] = None
    complaintFeedbackType: _IfReadable[str] = None


class _Delivery(BaseModel):
    timestamp: _Moment = None
    recipients: Annotated[list[_IfReadable[_Address]], BeforeValidator(_listed)] = []
    smtpResponse: _IfReadable[str] = None


class _DeliveryDelay(BaseModel):
    timestamp: _Moment = None
    delayType: _IfReadable[str] = None
    delayedRecipients: Annotated[list[_Recipient], BeforeValidator(_listed)] = []


class _Reject(BaseModel):
    reason: _IfReadable[str] = None


class _RenderingFailure(BaseModel):
    errorMessage: _IfReadable[str] = None


class _Moments(BaseModel):
    timestamp: _Moment = None


# --- Facts ------------------------------------------------------------------------------------------------------------


def _facts(kind: Any, members: Mapping[str, Any], mail: _Mail) -> Iterable[Fact]:
    match kind:
        case "Send":
            return _of_all(EventKind.SEND, mail)
        case "Bounce":
            return _bounced(_Bounce.model_validate(members.get("bounce")), mail)
        case "Complaint":
            return _complained(_Complaint.model_validate(members.get("complaint")), mail)
        case "Delivery":
            return _delivered(_Delivery.model_validate(members.get("delivery")), mail)
        case "DeliveryDelay":
            return _delayed(_DeliveryDelay.model_validate(members.get("deliveryDelay")), mail)
        case "Reject":
            return _of_all(EventKind.REJECT, mail, text=_Reject.model_validate(members.get("reject")).reason)
        case "Rendering Failure":
            failure = _RenderingFailure.model_validate(members.get("failure"))
            return _of_all(EventKind.RENDERING_FAILURE, mail, text=failure.errorMessage)
        case "Subscription" | "Open" | "Click":
            happened = _Moments.model_validate(members.get(kind.lower()))
            return _of_all(EventKind(kind.lower()), mail, happened.timestamp)
    raise UnreadableNotification(f"A notification of unknown type: {kind!s:.100}")


def _bounced(bounce: _Bounce, mail: _Mail) -> Iterable[Fact]:
    reports = [
        _Report(
            recipient.emailAddress,
            _fact(EventKind.BOUNCE, mail, bounce.timestamp, bounce.feedbackId),
            _evidence(mail, recipient, bounce.bounceType, bounce.bounceSubType),
        )
        for recipient in bounce.bouncedRecipients
    ]
    return _attributed(reports, mail)


def _complained(complaint: _Complaint, mail: _Mail) -> Iterable[Fact]:
    evidence = Evidence.of_complaint(complaint.complaintSubType, complaint.complaintFeedbackType)
    fact = _fact(EventKind.COMPLAINT, mail, complaint.timestamp, complaint.feedbackId)
    # Many a server that complains leaves out for whom, and so does SES where it did not send.
    recipients = complaint.complainedRecipients or [_Recipient()]
    return _attributed([_Report(recipient.emailAddress, fact, evidence) for recipient in recipients], mail)


def _delivered(delivery: _Delivery, mail: _Mail) -> Iterable[Fact]:
    reports = [
        _Report(
            address,
            _fact(EventKind.DELIVERY, mail, delivery.timestamp, text=_words(mail, delivery.smtpResponse, address)),
        )
        for address in delivery.recipients or [None]
    ]
    return _attributed(reports, mail)


def _delayed(delay: _DeliveryDelay, mail: _Mail) -> Iterable[Fact]:
    reports = []
    for recipient in delay.delayedRecipients or [_Recipient()]:
        evidence = _evidence(mail, recipient, "DeliveryDelay", delay.delayType)
        fact = _fact(
            EventKind.DELIVERY_DELAY, mail, delay.timestamp, text=error_text_of(EventKind.DELIVERY_DELAY, evidence)
        )
        reports.append(_Report(recipient.emailAddress, replace(fact, error_code=evidence.status, evidence=evidence)))
    return _attributed(reports, mail)


def _of_all(kind: EventKind, mail: _Mail, moment: datetime | None = None, text: str | None = None) -> Iterable[Fact]:
    if not mail.recipients:
        raise UnreadableNotification("The mail object has no destination")
    fact = _fact(kind, mail, moment, text=text)
    return [replace(fact, recipient=address) for address in mail.recipients.values()]


def _fact(
    kind: EventKind, mail: _Mail, moment: datetime | None, feedback_id: str | None = None, *, text: str | None = None
) -> Fact:
    occurred_at = mail.time_of(moment)
    known = feedback_id is not None and feedback_id.isascii() and feedback_id.isprintable()
    return Fact(
        kind=kind,
        recipient="",
        occurred_at=occurred_at,
        fact_id=feedback_id if feedback_id and known and len(feedback_id) <= _LONGEST_ID else instant(occurred_at),
        error_text=text,
        ses_message_id=mail.messageId,
    )


# It is a part of a key.
_LONGEST_ID = 200


def _evidence(mail: _Mail, recipient: _Recipient, ses_type: str | None, subtype: str | None) -> Evidence:
    return Evidence.of_bounce(
        ses_type,
        subtype,
        status=recipient.status,
        action=recipient.action,
        diagnostic=_words(mail, recipient.diagnosticCode, recipient.emailAddress),
    )


#: What stands in a server's words for an address that the mail was not sent to, such as the end of a forward.
FORWARDED_ADDRESS = "[forwarded address]"

# A server's words that are looked at, in characters.
_MOST_WORDS = 10_000


def _words(mail: _Mail, text: str | None, address: str | None) -> str | None:
    """A server's words, without the addresses of others: who mailed a forward need not learn where it leads."""
    if text is None:
        return None
    known = [*mail.recipients.values(), mail.source] if mail.recipients else [address, mail.source]
    shown = [each for each in known if each is not None]
    return without_strangers(shortened(text, _MOST_WORDS), shown, address, FORWARDED_ADDRESS)


@dataclass(frozen=True, slots=True)
class _Report:
    """What is reported of an address, or of one that is not named; what has evidence is yet to be judged."""

    address: str | None
    fact: Fact
    evidence: Evidence | None = None


def _attributed(reports: Iterable[_Report], mail: _Mail) -> Iterable[Fact]:
    """The facts of those whom the mail was sent to, one of each.

    A server reports the end of a forward, and SES passes that on. So with one recipient it is the recipient's; with
    several it belongs to whom it names, or else to all of them, as something of which nobody knows whom it is about.
    Of two that become one the recipient's own goes first, then the one that suppresses nobody.
    """
    found: dict[str, tuple[tuple[bool, ...], Fact]] = {}
    for report in reports:
        named = None if report.address is None else normalised(report.address)
        whose = mail.recipients or ({} if named is None else {named: report.address or ""})
        if not whose:
            raise UnreadableNotification("The notification names no recipient")
        is_sure = named in whose or len(whose) == 1
        for normal, address in whose.items() if named not in whose else [(named, whose[named])]:
            fact = replace(report.fact, recipient=address)
            if report.evidence is not None:
                fact = judged(fact, report.evidence, judge(report.evidence))
                fact = fact if is_sure else replace(fact, type=None, rule=UNMATCHED.id)
            order = (not is_sure, named != normal, fact.type == BounceType.HARD)
            if normal not in found or order < found[normal][0]:
                found[normal] = (order, fact)
    return [fact for _, fact in found.values()]
