"""Log a mail that another system sent."""

from polypost.adapters.log_entries import LogEntries
from polypost.adapters.suppressions import Suppressions
from polypost.models.attempts import Attempt
from polypost.models.log_entries import LogEntry


def log_mail(
    entry: LogEntry, space: str, attempt: Attempt, *, log_entries: LogEntries, suppressions: Suppressions
) -> str:
    """Store an entry, in one transaction; the id that it is found by.

    The same entry is stored once, whoever tells of it again and when: its id follows from all that it says. Of a mail
    that was sent before its recipient was erased, nothing is stored but when it was sent and by whom.

    Raises: PayloadTooLarge; Retryable.
    """
    standing = suppressions.standings(space, [entry.email])[entry.email]
    return log_entries.put(space, entry, attempt.first_seen, anonymous=standing.is_erased(entry.sent_at))
