"""Send a queued mail, once, and record what became of it."""

from datetime import UTC, datetime, timedelta

from polypost import mime
from polypost.adapters.logs_table import Claimed, Leased, LogsTable, Settled
from polypost.adapters.mailer import Mailer, MailRefused
from polypost.addresses import normalised
from polypost.errors import Retryable
from polypost.models.delivery import DeliveryEvent, EventKind, Fact, MessageRef
from polypost.models.mail import QueuedMail

#: How long a claim holds, and so how long an unanswered call to SES waits for SES's Send event before the mail is
#: sent again. Longer than the worker's Timeout in template.yaml, so that no two runs hold one message.
LEASE = timedelta(minutes=15)


class InProgress(Retryable):
    """Another run holds the message, or held it and left no word; it is settled when its lease has ended."""


def deliver_mail(queued: QueuedMail, *, logs: LogsTable, mailer: Mailer) -> None:
    """Claim a mail, send it, record it. Running it again for the same mail is harmless.

    A mail leaves twice only if a call to SES got no answer, and SES's Send event of it comes later than LEASE.

    Raises: Retryable, if it was not sent and may be; OutcomeUnknown, if it may have been sent.
    """
    now = datetime.now(UTC)
    claim = logs.claim(queued, now, LEASE)
    if isinstance(claim, Leased):
        claim = _take_over(queued, claim, now, logs)
    if isinstance(claim, Settled):
        return
    message = MessageRef(queued.message_id, queued.space, queued.mail.source_system, queued.mail.campaign_id)
    recipients = _recipients(queued)
    try:
        ses_message_id = mailer.send(message, to=recipients[0], bcc=recipients[1:], mime=mime.build(queued))
    except MailRefused as refusal:
        logs.record_refused(_rejections(message, queued, str(refusal)), str(refusal))
    except Retryable:
        logs.release(queued.message_id)
        raise
    else:
        logs.record_sent(queued.message_id, ses_message_id, datetime.now(UTC))


def _take_over(queued: QueuedMail, claim: Leased, now: datetime, logs: LogsTable) -> Claimed | Settled:
    """Go on where another run was cut off: by SES's own word that the mail went out, or else by a new claim."""
    if claim.lease_until >= now:
        raise InProgress(f"Message {queued.message_id} is claimed until {claim.lease_until.isoformat()}")
    sent = logs.send_fact(queued.message_id)
    if sent is not None and sent.ses_message_id is not None:
        logs.record_sent(queued.message_id, sent.ses_message_id, sent.occurred_at)
        return Settled()
    taken = logs.claim(queued, now, LEASE, expired=claim.lease_until)
    if isinstance(taken, Leased):
        raise InProgress(f"Message {queued.message_id} was taken over by another run")
    return taken


def _recipients(queued: QueuedMail) -> list[str]:
    """The recipient, and the Bcc if it is somebody else: nobody gets a mail twice."""
    recipient, bcc = queued.mail.recipient.address, queued.mail.bcc
    return [recipient] if bcc is None or normalised(bcc) == normalised(recipient) else [recipient, bcc]


def _rejections(message: MessageRef, queued: QueuedMail, reason: str) -> list[DeliveryEvent]:
    now = datetime.now(UTC)
    return [
        DeliveryEvent(message, Fact(EventKind.REJECT, address, now, fact_id="refused", error_text=reason))
        for address in _recipients(queued)
    ]
