"""Find out what became of a mail, or of all mails to an address."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from polypost.adapters.access_table import AccessTable
from polypost.adapters.logs_table import LogsTable
from polypost.adapters.person_history import PersonHistory
from polypost.adapters.suppressions import Suppressions
from polypost.errors import NotFound
from polypost.models.explanations import Explanation, Trace, explain
from polypost.models.message_ids import was_given
from polypost.models.suppression import AddressStanding

# Messages that are read at once; an SDK's client keeps ten connections.
_READERS = 8


def trace_message(
    message_id: str, now: datetime, *, access: AccessTable, logs: LogsTable, suppressions: Suppressions
) -> tuple[Trace, list[Explanation]]:
    """All that is known of a message, with an explanation for each of its recipients, the Bcc last.

    Parameters: message_id, of MESSAGE_ID's form.

    Raises: NotFound, for an id that this stack never gave; Retryable.
    """
    trace = _read(message_id, logs)
    if trace.space is None:
        if not was_given(message_id, access.address_key()):
            raise NotFound(f"unknown: this stack has accepted no mail with the id {message_id}")
        return trace, [explain(trace, None, AddressStanding(), now)]
    standings = suppressions.standings(trace.space, trace.recipients)
    return trace, [explain(trace, recipient, standings[recipient], now) for recipient in trace.recipients]


def trace_mails_to(
    address: str,
    since: datetime | None,
    limit: int,
    space: str,
    now: datetime,
    *,
    logs: LogsTable,
    history: PersonHistory,
    suppressions: Suppressions,
) -> tuple[AddressStanding, list[tuple[Trace, Explanation]]]:
    """What a space knows of an address, and the mails that were meant for it, whether it is a contact's or not.

    Those that were accepted last come first. One that waits in the queue is recorded nowhere yet, and so is none of
    them.

    Parameters: since, the moment from which on they were accepted; limit, how many at most.

    Raises: Retryable.
    """
    standing = suppressions.standings(space, [address])[address]
    with ThreadPoolExecutor(_READERS) as readers:
        found = list(readers.map(lambda each: _read(each, logs), history.messages_to(space, address, since, limit)))
    # The index lags behind the table: a recipient may have been erased since.
    traces = sorted((trace for trace in found if trace.was_for(address)), key=_accepted_at, reverse=True)
    return standing, [(trace, explain(trace, address, standing, now)) for trace in traces]


def _accepted_at(trace: Trace) -> datetime:
    return trace.accepted_at


def _read(message_id: str, logs: LogsTable) -> Trace:
    record, events = logs.history(message_id)
    return Trace(message_id, record, tuple(events))
