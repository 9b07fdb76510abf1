"""List a space's contacts in the order of their last change, for a system that keeps a copy of them."""

from polypost.adapters.contact_feed import LONGEST_ANNOUNCEMENT_SECONDS
from polypost.adapters.contacts_table import ContactsTable
from polypost.models.contacts import ChangePage
from polypost.models.date_time_offset import DateTimeOffset

#: The list ends this long before now. A change is announced within LONGEST_ANNOUNCEMENT_SECONDS of its time-stamp, by
#: its writer's clock; the other half is for clocks that differ.
FEED_DELAY_SECONDS = int(2 * LONGEST_ANNOUNCEMENT_SECONDS)


def list_changes(position: str, limit: int, space: str, *, contacts: ContactsTable) -> ChangePage:
    """One part of the feed of changes. Whoever goes on from the position that it gives misses nothing.

    Parameters: position, where the part begins, as the one before it said; limit, how many changes at most.

    Raises: Retryable.
    """
    now = DateTimeOffset.now()
    return contacts.changes(space, position, limit, end=now.plus_seconds(-FEED_DELAY_SECONDS), now=now)
