"""Delete a contact, with all that keeps others from being like it, and take it out of the log."""

from datetime import UTC, datetime, timedelta

from polypost.adapters.contacts_table import Changed, ContactsTable
from polypost.adapters.erasure_queue import LONGEST_DELAY, ErasureQueue
from polypost.adapters.person_history import PersonHistory
from polypost.adapters.suppressions import Suppressions
from polypost.errors import Retryable
from polypost.models.history import ErasureJob
from polypost.usecases.find_contact import existing_row

# Tries against other writers of the same contact.
_TRIES = 10

#: Seconds in which a deletion is made, as a rule, after its job was queued.
_FIRST_DELAY = 2

# A deletion is made by then, since its function has ended: its Timeout in template.yaml is 29 seconds.
_LONGEST_DELETION = timedelta(seconds=30)

#: How long a deletion may take. A contact that is still there then was not deleted: its job is dropped.
GIVEN_UP = timedelta(minutes=15)


class NotDeletedYet(Retryable):
    """The contact of an erasure is still there."""


def delete_contact(contact_id: int, space: str, *, contacts: ContactsTable, erasures: ErasureQueue) -> None:
    """Delete a contact. A limit of its mails that it had set lives on as a suppression of its address.

    What is left of it, in the log above all, is erased by a job, which is queued first: a function that ends between
    the two leaves a job without a deletion, which does nothing, and never a deletion without its job.

    Raises: NotFound; Retryable.
    """
    for _ in range(_TRIES):
        row = existing_row(contact_id, space, contacts)
        address_hashes = contacts.address_hashes(space, row)
        job = ErasureJob(
            space=space,
            contact_id=contact_id,
            first_place=row.first_place,
            address_hashes=address_hashes,
            persons=contacts.persons(space, row, address_hashes),
            requested_at=datetime.now(UTC),
        )
        erasures.put(job, delay=_FIRST_DELAY)
        try:
            return contacts.delete(space, row, address_hashes)
        except Changed:
            continue
    raise Retryable(f"Contact {contact_id} is being changed by others")


def erase_person(
    job: ErasureJob,
    *,
    contacts: ContactsTable,
    history: PersonHistory,
    suppressions: Suppressions,
    erasures: ErasureQueue,
) -> None:
    """Take a deleted contact out of the log and of its suppressions, now and once more after LONGEST_DELAY seconds.

    By the second time every function has ended that was at work when the contact was deleted and did not know of it
    yet, and the log's index shows what they wrote.

    Raises: NotDeletedYet; Retryable.
    """
    row = contacts.contact(job.space, job.contact_id) if job.before is None else None
    # The same import, or the same attempt, may have made the contact anew meanwhile, under the same Id.
    if row is not None and row.first_place == job.first_place:
        if datetime.now(UTC) - job.requested_at < GIVEN_UP:
            raise NotDeletedYet(f"Contact {job.contact_id} of {job.space} is still there")
        return
    # Not the time of this run, which may be late: whoever has the address since has a log of their own.
    before = job.before or min(datetime.now(UTC), job.requested_at + _LONGEST_DELETION)
    history.erase(job.persons, job.address_hashes, before)
    for address_hash in job.address_hashes:
        suppressions.forget(job.space, address_hash)
    if job.before is None:
        if row is None:
            contacts.delete_permission_history(job.space, job.contact_id)
        erasures.put(job.model_copy(update={"before": before}), delay=LONGEST_DELAY)
