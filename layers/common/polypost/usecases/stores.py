"""The stores that contacts refer to."""

from polypost.adapters.contacts_table import ContactsTable
from polypost.adapters.stores import StoreIdTaken
from polypost.errors import Conflict, NotFound
from polypost.models.attempts import Attempt
from polypost.models.contacts import Store
from polypost.usecases.create_contact import random_id

_ID_TRIES = 20


def create_store(store_id: int | None, name: str, space: str, attempt: Attempt, *, contacts: ContactsTable) -> Store:
    """Create a store. Repeating the attempt gives the store that it made.

    Parameters: store_id, the caller's choice, or None for a random one, so that no deleted store's id comes back.

    Raises: Conflict, if another store has the id; Retryable.
    """
    creation = attempt.derive("store", 16).hex()
    chosen = [store_id] if store_id is not None else [random_id(attempt, f"store id {n}") for n in range(_ID_TRIES)]
    for candidate in chosen:
        store = Store(candidate, name)
        try:
            contacts.stores.create(space, store, creation)
        except StoreIdTaken:
            continue
        return store
    raise Conflict(f"Id: a store with the Id {chosen[0]} exists.")


def store_by_id(store_id: int, space: str, *, contacts: ContactsTable) -> Store:
    """The store with an id.

    Raises: NotFound; Retryable.
    """
    store = contacts.stores.get(space, store_id)
    if store is None:
        raise _no_store(store_id)
    return store


def list_stores(space: str, *, contacts: ContactsTable) -> list[Store]:
    """All stores of a space, in the order of their ids.

    Raises: Retryable.
    """
    return contacts.stores.all(space)


def delete_store(store_id: int, space: str, *, contacts: ContactsTable) -> None:
    """Delete a store. Contacts that refer to it keep its id.

    Raises: NotFound; Retryable.
    """
    if not contacts.stores.delete(space, store_id):
        raise _no_store(store_id)


def _no_store(store_id: int) -> NotFound:
    return NotFound(f"No store with the Id {store_id} exists.")
