"""Send a queued mail, once, and record what became of it."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from polypost.adapters.logs_table import Claimed, Leased, LogsTable, Settled
from polypost.adapters.mailer import Mailer, MailRefused
from polypost.adapters.suppressions import Suppressions
from polypost.errors import Retryable
from polypost.mail import mime
from polypost.models.addresses import normalised
from polypost.models.delivery import BounceType, DeliveryEvent, EventKind, Fact, MessageRef
from polypost.models.mail import QueuedMail
from polypost.models.suppression import Suppression

#: How long a claim holds, and so how long an unanswered call to SES waits for SES's Send event before the mail is
#: sent again. Longer than the worker's Timeout in template.yaml, so that no two runs hold one message.
LEASE = timedelta(minutes=15)


class InProgress(Retryable):
    """Another run holds the message, or held it and left no word; it is settled when its lease has ended."""


def deliver_mail(queued: QueuedMail, *, logs: LogsTable, mailer: Mailer, suppressions: Suppressions) -> None:
    """Claim a mail, send it, record it. Running it again for the same mail is harmless.

    A mail leaves twice only if a call to SES got no answer, and SES's Send event of it comes later than LEASE. To a
    suppressed recipient it does not leave, and is recorded with the reason; a suppressed Bcc is left out alone.

    Raises: Retryable, if it was not sent and may be; OutcomeUnknown, if it may have been sent.
    """
    now = datetime.now(UTC)
    recipient, *bcc = _recipients(queued)
    standings = suppressions.standings(queued.space, [recipient, *bcc])
    erased = {address for address, standing in standings.items() if standing.is_erased(queued.accepted_at)}
    claim = logs.claim(queued, now, LEASE, erased=erased)
    if isinstance(claim, Leased):
        claim = _take_over(queued, claim, now, logs, erased)
    if isinstance(claim, Settled):
        return
    message = MessageRef(queued.message_id, queued.space, queued.mail.source_system, queued.mail.campaign_id)
    suppressed = {
        address: suppression
        for address, standing in standings.items()
        if (suppression := standing.suppression(now, unsubscribable=queued.mail.is_unsubscribable))
    }
    if recipient in suppressed:
        event = _suppressed(message, recipient, suppressed[recipient])
        return logs.record_suppressed([event], suppressed[recipient].reason, erased=erased)
    for address in suppressed:
        logs.put_event(_suppressed(message, address, suppressed[address]), anonymous=address in erased)
    bcc = [address for address in bcc if address not in suppressed]
    for address in bcc:
        if address not in erased:
            logs.record_copy(queued, address)
    # A Bcc gets the same message, and is not to unsubscribe the recipient: such a mail has no link.
    link = None if bcc else _unsubscribe_link(queued, recipient, suppressions)
    try:
        ses_message_id = mailer.send(message, to=recipient, bcc=bcc, mime=mime.build(queued, unsubscribe_link=link))
    except MailRefused as refusal:
        events = [_rejected(message, address, str(refusal)) for address in (recipient, *bcc)]
        logs.record_refused(events, str(refusal), erased=erased)
    except Retryable:
        logs.release(queued.message_id)
        raise
    else:
        logs.record_sent(queued.message_id, ses_message_id, datetime.now(UTC))


def _take_over(
    queued: QueuedMail, claim: Leased, now: datetime, logs: LogsTable, erased: Collection[str]
) -> Claimed | Settled:
    """Go on where another run was cut off: by SES's own word that the mail went out, or else by a new claim."""
    if claim.lease_until >= now:
        raise InProgress(f"Message {queued.message_id} is claimed until {claim.lease_until.isoformat()}")
    sent = logs.send_fact(queued.space, queued.message_id)
    if sent is not None and sent.ses_message_id is not None:
        logs.record_sent(queued.message_id, sent.ses_message_id, sent.occurred_at)
        return Settled()
    taken = logs.claim(queued, now, LEASE, expired=claim.lease_until, erased=erased)
    if isinstance(taken, Leased):
        raise InProgress(f"Message {queued.message_id} was taken over by another run")
    return taken


def _recipients(queued: QueuedMail) -> list[str]:
    """The recipient, and the Bcc if it is somebody else: nobody gets a mail twice."""
    recipient, bcc = queued.mail.recipient.address, queued.mail.bcc
    return [recipient] if bcc is None or normalised(bcc) == normalised(recipient) else [recipient, bcc]


def _unsubscribe_link(queued: QueuedMail, address: str, suppressions: Suppressions) -> str | None:
    """The link by which one of a mail's recipients unsubscribes, in a mail with our own links."""
    links = queued.mail.unsubscribe_links
    return links and links + suppressions.unsubscribe_token(queued.space, address, queued.message_id)


def _rejected(message: MessageRef, address: str, reason: str) -> DeliveryEvent:
    fact = Fact(EventKind.REJECT, address, datetime.now(UTC), fact_id="refused", error_text=reason)
    return DeliveryEvent(message, fact)


def _suppressed(message: MessageRef, address: str, suppression: Suppression) -> DeliveryEvent:
    fact = Fact(
        EventKind.SUPPRESSED,
        address,
        datetime.now(UTC),
        fact_id="suppressed",
        type=suppression.type,
        # "Delivery not authorized, message refused" (RFC 3463, section 3.8).
        error_code="5.7.1" if suppression.type is BounceType.HARD else "4.7.1",
        error_text=f"Not sent: {suppression.reason}",
    )
    return DeliveryEvent(message, fact)
