"""Accept a mail: check that the space may send it, and queue it."""

from polypost.adapters.access_table import AccessTable
from polypost.adapters.mail_queue import MailQueue
from polypost.errors import InvalidRequest, excerpt
from polypost.models.addresses import domain_of
from polypost.models.attempts import Attempt
from polypost.models.mail import AcceptedMail, Mail, QueuedMail
from polypost.models.message_ids import new_message_id


class UnverifiedSender(InvalidRequest):
    """A sender whose domain the space has not verified."""


def send_mail(
    mail: Mail, space: str, unsubscribe_links: str | None, attempt: Attempt, *, access: AccessTable, queue: MailQueue
) -> AcceptedMail:
    """Queue a mail, in one call to SQS and with no row written.

    Tried again, it queues the mail under the same id, of which the worker sends one. The worker has no request to tell
    it a host, so what its links begin with is queued with the mail.

    Parameters: unsubscribe_links, what links for unsubscribing begin with: a link's token is the rest. None for a mail
    without a link of ours.

    Raises: UnverifiedSender; PayloadTooLarge; Retryable, when it could not be queued.
    """
    queued = checked_mail(mail, space, unsubscribe_links, attempt, access=access)
    queue.put(queued)
    return AcceptedMail(message_id=queued.message_id, accepted_at=queued.accepted_at)


def checked_mail(
    mail: Mail, space: str, unsubscribe_links: str | None, attempt: Attempt, *, access: AccessTable
) -> QueuedMail:
    """A mail that the space may send, as it is queued.

    Parameters: as those of `send_mail`.

    Raises: UnverifiedSender; Retryable.
    """
    domain = domain_of(mail.sender.address)
    if not access.is_verified_sender(space, domain):
        raise UnverifiedSender("sender", f"sender: {excerpt(domain)} is not a verified sender domain of this space")
    if (
        unsubscribe_links
        and not mail.is_unsubscribable
        and access.settings(space).adds_unsubscribe_link(mail.source_system)
    ):
        mail = mail.model_copy(update={"unsubscribe_links": unsubscribe_links})
    message_id = new_message_id(attempt, access.address_key())
    return QueuedMail(message_id=message_id, space=space, accepted_at=attempt.first_seen, mail=mail)
