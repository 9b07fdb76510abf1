"""Mails that other systems sent, as they told of them."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What another system tells of a mail that it sent.

    `email` is the recipient's address, as `addresses.parse_address` gives it; `sent_at` is in UTC, in whole seconds;
    `sent_by` says who or what sent it, in the system's own words; `subject` and `body` may be empty.
    """

    email: str
    subject: str
    sent_at: datetime
    sent_by: str
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LogEntryRecord:
    """An entry as it is stored, without its body, which may be long.

    `id` follows from the entry's content; `logged_at` is when it was first told of, in UTC. `email` and `subject` are
    empty where the recipient was erased before.
    """

    id: str
    space: str
    email: str
    subject: str
    sent_at: datetime
    sent_by: str
    logged_at: datetime
