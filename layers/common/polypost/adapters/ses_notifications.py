"""What SES writes about a message, in either of its families, as the facts that the log keeps.

Sources: SES developer guide, "Contents of event data that Amazon SES publishes to Amazon SNS" (event publishing) and
"Amazon SNS notification contents for Amazon SES" (feedback notifications).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from polypost.adapters.keys import instant
from polypost.adapters.mailer import decode_tags
from polypost.errors import Permanent
from polypost.mail.mime import MESSAGE_ID_HEADER
from polypost.models.delivery import BounceType, EventKind, Fact, MessageRef


class UnreadableNotification(Permanent):
    """A notification that is not one of SES's, or is damaged. It must be kept whole, for a person to look at."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification of SES.

    `message` is known from the tags that event publishing repeats. A feedback notification has none: its message is
    found by `message_id`, if SES was told to include headers, or by `ses_message_id`.
    """

    ses_message_id: str
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
        wire = _Notification.model_validate_json(text)
        if wire.kind == "AmazonSnsSubscriptionSucceeded":
            return None
        if wire.mail is None:
            raise UnreadableNotification("The notification has no mail object")
        return Notification(
            ses_message_id=wire.mail.messageId,
            message=decode_tags(wire.mail.tags),
            message_id=wire.mail.message_id,
            facts=tuple(_facts(wire, wire.mail)),
        )
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_input=False))
        raise UnreadableNotification(f"Not a notification of SES: {problems}") from error
    except ValueError as error:
        raise UnreadableNotification(f"A tag that is not base64url: {error}") from error


class _Envelope(BaseModel):
    # SNS developer guide, "HTTP/HTTPS notification JSON format"; the same stands in SQS without raw delivery.
    Message: str | None = None


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _without_space(value: object) -> object:
    # The guide's own sample of a mail object has one before the offset.
    return re.sub(r"\s+(?=[+-])", "", value) if isinstance(value, str) else value


_Moment = Annotated[datetime, BeforeValidator(_without_space), AfterValidator(_in_utc)]


def _bare_address(text: str) -> str:
    return parseaddr(text)[1] or text


_Address = Annotated[str, Field(min_length=1), AfterValidator(_bare_address)]


class _Header(BaseModel):
    name: str
    value: str | None = None


class _Mail(BaseModel):
    messageId: str = Field(min_length=1)
    timestamp: _Moment
    destination: list[_Address] = []
    headers: list[_Header] = []
    tags: dict[str, Annotated[list[str], Field(min_length=1)]] = {}

    @property
    def message_id(self) -> str | None:
        for header in self.headers:
            if header.name.lower() == MESSAGE_ID_HEADER.lower():
                return header.value
        return None


class _Recipient(BaseModel):
    emailAddress: _Address
    status: str | None = None
    action: str | None = None
    diagnosticCode: str | None = None


class _Bounce(BaseModel):
    bounceType: str
    bounceSubType: str | None = None
    bouncedRecipients: list[_Recipient] = Field(min_length=1)
    timestamp: _Moment
    feedbackId: str | None = None


class _Complaint(BaseModel):
    complainedRecipients: list[_Recipient] = Field(min_length=1)
    timestamp: _Moment
    feedbackId: str | None = None
    complaintSubType: str | None = None
    complaintFeedbackType: str | None = None


class _Delivery(BaseModel):
    timestamp: _Moment
    recipients: list[_Address] = Field(min_length=1)
    smtpResponse: str | None = None


class _DeliveryDelay(BaseModel):
    timestamp: _Moment
    delayType: str
    delayedRecipients: list[_Recipient] = Field(min_length=1)


class _Reject(BaseModel):
    reason: str


class _RenderingFailure(BaseModel):
    errorMessage: str


class _Moments(BaseModel):
    timestamp: _Moment


class _Notification(BaseModel):
    eventType: str | None = None
    notificationType: str | None = None
    mail: _Mail | None = None
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None
    delivery: _Delivery | None = None
    deliveryDelay: _DeliveryDelay | None = None
    reject: _Reject | None = None
    failure: _RenderingFailure | None = None
    subscription: _Moments | None = None
    open: _Moments | None = None
    click: _Moments | None = None

    @property
    def kind(self) -> str | None:
        return self.eventType or self.notificationType


def _facts(wire: _Notification, mail: _Mail) -> Iterator[Fact]:
    match wire:
        case _Notification(kind="Bounce", bounce=_Bounce() as bounce):
            yield from (_bounced(bounce, recipient, mail) for recipient in bounce.bouncedRecipients)
        case _Notification(kind="Complaint", complaint=_Complaint() as complaint):
            yield from (_complained(complaint, recipient, mail) for recipient in complaint.complainedRecipients)
        case _Notification(kind="Delivery", delivery=_Delivery() as delivery):
            for address in delivery.recipients:
                yield _fact(EventKind.DELIVERY, address, delivery.timestamp, mail, error_text=delivery.smtpResponse)
        case _Notification(kind="DeliveryDelay", deliveryDelay=_DeliveryDelay() as delay):
            for recipient in delay.delayedRecipients:
                yield _fact(
                    EventKind.DELIVERY_DELAY,
                    recipient.emailAddress,
                    delay.timestamp,
                    mail,
                    error_code=recipient.status,
                    error_text=recipient.diagnosticCode,
                    ses_type=delay.delayType,
                )
        case _Notification(kind="Reject", reject=_Reject() as reject):
            yield from _for_all(EventKind.REJECT, mail, mail.timestamp, error_text=reject.reason)
        case _Notification(kind="Rendering Failure", failure=_RenderingFailure() as failure):
            yield from _for_all(EventKind.RENDERING_FAILURE, mail, mail.timestamp, error_text=failure.errorMessage)
        case _Notification(kind="Send"):
            yield from _for_all(EventKind.SEND, mail, mail.timestamp)
        case _Notification(kind="Subscription", subscription=_Moments(timestamp=moment)):
            yield from _for_all(EventKind.SUBSCRIPTION, mail, moment)
        case _Notification(kind="Open", open=_Moments(timestamp=moment)):
            yield from _for_all(EventKind.OPEN, mail, moment)
        case _Notification(kind="Click", click=_Moments(timestamp=moment)):
            yield from _for_all(EventKind.CLICK, mail, moment)
        case _:
            raise UnreadableNotification(f"A notification of unknown type or without its object: {wire.kind}")


def _bounced(bounce: _Bounce, recipient: _Recipient, mail: _Mail) -> Fact:
    ses_type = f"{bounce.bounceType}/{bounce.bounceSubType or 'Undetermined'}"
    # The RFC 3463 class of the recipient's own status says more than the type of the whole notification: SES's sample
    # of a permanent bounce holds a recipient with 4.0.0. 4.4.7, given up after days of tries, is final for the mail and
    # says nothing lasting of the address.
    status_class = (recipient.status or "").strip()[:2]
    bounce_type = {"5.": BounceType.HARD, "4.": BounceType.SOFT}.get(status_class) or {
        "Permanent": BounceType.HARD,
        "Transient": BounceType.SOFT,
    }.get(bounce.bounceType)
    # SES reports an out-of-office answer as a bounce of a mail that did arrive.
    answered = ses_type == "Transient/General" and not (
        recipient.status or recipient.action or recipient.diagnosticCode
    )
    return _fact(
        EventKind.AUTO_REPLY if answered else EventKind.BOUNCE,
        recipient.emailAddress,
        bounce.timestamp,
        mail,
        fact_id=bounce.feedbackId,
        type=None if answered else bounce_type,
        error_code=recipient.status,
        error_text=recipient.diagnosticCode or ses_type,
        ses_type=ses_type,
    )


def _complained(complaint: _Complaint, recipient: _Recipient, mail: _Mail) -> Fact:
    if complaint.complaintSubType == "OnAccountSuppressionList":
        # Nobody complained of this mail: SES did not even send it, because of an earlier complaint.
        return _fact(
            EventKind.BOUNCE,
            recipient.emailAddress,
            complaint.timestamp,
            mail,
            fact_id=complaint.feedbackId,
            type=BounceType.HARD,
            error_text="The address is on the suppression list of the SES account",
            ses_type="Complaint/OnAccountSuppressionList",
        )
    return _fact(
        EventKind.NOT_SPAM if complaint.complaintFeedbackType == "not-spam" else EventKind.COMPLAINT,
        recipient.emailAddress,
        complaint.timestamp,
        mail,
        fact_id=complaint.feedbackId,
        type=complaint.complaintFeedbackType,
    )


def _for_all(kind: EventKind, mail: _Mail, occurred_at: datetime, error_text: str | None = None) -> Iterator[Fact]:
    if not mail.destination:
        raise UnreadableNotification("The mail object has no destination")
    for address in mail.destination:
        yield _fact(kind, address, occurred_at, mail, error_text=error_text)


def _fact(
    kind: EventKind,
    recipient: str,
    occurred_at: datetime,
    mail: _Mail,
    *,
    fact_id: str | None = None,
    type: str | None = None,  # noqa: A002 - the field's name
    error_code: str | None = None,
    error_text: str | None = None,
    ses_type: str | None = None,
) -> Fact:
    return Fact(
        kind=kind,
        recipient=recipient,
        occurred_at=occurred_at,
        fact_id=fact_id or instant(occurred_at),
        type=type,
        error_code=error_code,
        error_text=error_text,
        ses_type=ses_type,
        ses_message_id=mail.messageId,
    )
