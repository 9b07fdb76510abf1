"""Mails that other systems sent, as they told of them."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What another system tells of a mail that it sent, in its own words; None is what it left out.

    `email` is the recipient, usually an address; `sent_at` is in UTC; `sent_by` says who or what sent it.
    """

    email: str | None
    subject: str | None
    sent_at: datetime | None
    sent_by: str | None
    body: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class LogEntryRecord:
    """An entry as it is stored, without its body, which may be long.

    `id` follows from the entry's content; `logged_at` is when it was first told of, in UTC. `email` and `subject` are
    None too if the recipient was erased before.
    """

    id: str
    space: str
    email: str | None
    subject: str | None
    sent_at: datetime | None
    sent_by: str | None
    logged_at: datetime
