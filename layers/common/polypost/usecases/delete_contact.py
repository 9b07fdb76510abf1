"""Delete a contact, with all that keeps others from being like it."""

from polypost.adapters.contacts_table import Changed, ContactsTable
from polypost.errors import Retryable
from polypost.usecases.find_contact import existing_row

# Tries against other writers of the same contact.
_TRIES = 10


def delete_contact(contact_id: int, space: str, *, contacts: ContactsTable) -> None:
    """Delete a contact. A limit of its mails that it had set lives on as a suppression of its address.

    Raises: NotFound; Retryable.
    """
    for _ in range(_TRIES):
        row = existing_row(contact_id, space, contacts)
        try:
            return contacts.delete(space, row)
        except Changed:
            continue
    raise Retryable(f"Contact {contact_id} is being changed by others")
