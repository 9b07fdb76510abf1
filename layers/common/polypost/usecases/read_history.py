"""Read what was recorded of one contact, by whichever API."""

from collections.abc import Iterator
from dataclasses import replace

from polypost.adapters.contact_items import ContactRow
from polypost.adapters.contacts_table import ContactsTable
from polypost.adapters.log_entries import LogEntries
from polypost.adapters.person_history import PersonHistory
from polypost.models.contacts import Contact, PermissionChange
from polypost.models.history import TimelineEntry, TimelinePage, TimelinePosition
from polypost.usecases.find_contact import existing_row

# Entries that one read of an export asks for.
_PAGE = 500


def read_timeline(
    contact_id: int,
    after: TimelinePosition | None,
    limit: int,
    space: str,
    *,
    contacts: ContactsTable,
    history: PersonHistory,
) -> TimelinePage:
    """A part of a contact's timeline, newest first: all that was recorded of its addresses and external ids.

    Parameters: after, where the part before ended; limit, how many entries at most.

    Raises: NotFound; Retryable.
    """
    row = existing_row(contact_id, space, contacts)
    return history.timeline(_persons(space, row, contacts), after, limit)


def export_contact(
    contact_id: int, space: str, *, contacts: ContactsTable, history: PersonHistory, log_entries: LogEntries
) -> tuple[Contact, list[PermissionChange], Iterator[TimelineEntry]]:
    """All that is held of one person: the contact, the history of its permissions, and its whole timeline.

    The mails that other systems told of come with their bodies, which a timeline leaves out.

    Raises: NotFound; Retryable, also while the timeline is read.
    """
    row = existing_row(contact_id, space, contacts)
    persons = _persons(space, row, contacts)

    def with_body(entry: TimelineEntry) -> TimelineEntry:
        found = log_entries.get(entry.details["LogEntryId"]) if "LogEntryId" in entry.details else None
        body = None if found is None else found[1]
        return entry if body is None else replace(entry, details={**entry.details, "Body": body})

    def timeline() -> Iterator[TimelineEntry]:
        after: TimelinePosition | None = None
        while True:
            page = history.timeline(persons, after, _PAGE)
            yield from map(with_body, page.entries)
            if page.next is None:
                return
            after = page.next

    return row.contact, contacts.permission_history(space, contact_id), timeline()


def _persons(space: str, row: ContactRow, contacts: ContactsTable) -> tuple[str, ...]:
    return contacts.persons(space, row, contacts.address_hashes(space, row))
