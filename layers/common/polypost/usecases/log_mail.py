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
    that was sent before its recipient was erased, nothing is stored but when it was sent and by whom; a mail without a
    date counts as sent when it is logged.

    Raises: PayloadTooLarge; Retryable.
    """
    told_at = attempt.first_seen
    recipients = [entry.email] if entry.email else []
    standings = suppressions.standings(space, recipients).values()
    erased = any(standing.is_erased(entry.sent_at or told_at) for standing in standings)
    return log_entries.put(space, entry, told_at, anonymous=erased)
