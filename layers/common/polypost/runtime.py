"""The composition root: each adapter, built once per warm function from what template.yaml tells it."""

from functools import cache
from typing import TYPE_CHECKING

from polypost.adapters import clients
from polypost.adapters.access_table import AccessTable
from polypost.adapters.contacts_table import ContactsTable
from polypost.adapters.deferrals import Deferrals
from polypost.adapters.erasure_queue import ErasureQueue
from polypost.adapters.interactions import Interactions
from polypost.adapters.log_entries import LogEntries
from polypost.adapters.logs_table import LogsTable
from polypost.adapters.mail_queue import MailQueue
from polypost.adapters.mailer import Mailer
from polypost.adapters.person_history import PersonHistory
from polypost.adapters.suppressions import Suppressions
from polypost.models.clock import Clock
from polypost.settings import setting

if TYPE_CHECKING:
    from polypost.adapters.idempotency_table import IdempotencyTable
    from polypost.usecases.deliver_mail import Delivery

# Making a client is a good part of a cold start, and all tables can share one.
_dynamodb = cache(clients.dynamodb)


@cache
def access() -> AccessTable:
    """The Access table."""
    return AccessTable(_dynamodb(), setting("ACCESS_TABLE"))


@cache
def logs() -> LogsTable:
    """The Logs table."""
    return LogsTable(_dynamodb(), setting("LOGS_TABLE"), access().address_key)


@cache
def interactions() -> Interactions:
    """The interactions in the Logs table."""
    return Interactions(_dynamodb(), setting("LOGS_TABLE"), access().address_key)


@cache
def log_entries() -> LogEntries:
    """The log entries in the Logs table."""
    return LogEntries(_dynamodb(), setting("LOGS_TABLE"), access().address_key)


@cache
def contacts() -> ContactsTable:
    """The Contacts table."""
    return ContactsTable(_dynamodb(), setting("CONTACTS_TABLE"), access().address_key)


@cache
def idempotency() -> "IdempotencyTable":
    """The Idempotency table, with the part of Powertools that few requests need."""
    from polypost.adapters.idempotency_table import IdempotencyTable

    return IdempotencyTable(_dynamodb(), setting("IDEMPOTENCY_TABLE"))


@cache
def history() -> PersonHistory:
    """What the Logs table holds of one person."""
    return PersonHistory(_dynamodb(), setting("LOGS_TABLE"), access().address_key)


@cache
def erasures() -> ErasureQueue:
    """The queue of erasures."""
    return ErasureQueue(clients.sqs(), setting("ERASURE_QUEUE_URL"))


@cache
def suppressions() -> Suppressions:
    """What the Contacts table holds of addresses."""
    return Suppressions(_dynamodb(), setting("CONTACTS_TABLE"), access().address_key, access().settings)


@cache
def mail_queue() -> MailQueue:
    """The queue of accepted mails."""
    return MailQueue(clients.sqs(), setting("MAIL_QUEUE_URL"))


@cache
def mail_dead_letter_queue() -> MailQueue:
    """Where mails go that can never be sent."""
    return MailQueue(clients.sqs(), setting("MAIL_DEAD_LETTER_QUEUE_URL"))


@cache
def mailer() -> Mailer:
    """SES."""
    return Mailer(clients.sesv2(), setting("CONFIGURATION_SET"))


@cache
def clock() -> Clock:
    """This machine's time."""
    return Clock()


@cache
def delivery() -> "Delivery":
    """What the delivery of mails needs, with what the worker alone imports."""
    from polypost.adapters.send_limiter import SendLimiter
    from polypost.usecases.deliver_mail import Delivery
    from polypost.usecases.pace import Pace

    limiter = SendLimiter(_dynamodb(), setting("LOGS_TABLE"))
    pace = Pace(limiter, mailer().quota, clock(), fixed_rate=float(setting("SEND_RATE")))
    return Delivery(
        access().settings, logs(), mailer(), suppressions(), pace, clock(), threads=int(setting("BATCH_CONCURRENCY"))
    )


@cache
def deferrals() -> Deferrals:
    """Received messages that are to come again later."""
    return Deferrals(clients.sqs())
