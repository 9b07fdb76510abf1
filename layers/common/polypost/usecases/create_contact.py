"""Create a contact, unless the space has one like it."""

from collections.abc import Iterable

from polypost.adapters.access_table import AccessTable
from polypost.adapters.contacts_table import ClaimHeld, ContactsTable, IdTaken
from polypost.errors import Conflict
from polypost.models.access import SpaceSettings
from polypost.models.attempts import Attempt
from polypost.models.contact_secrets import new_secret
from polypost.models.contacts import (
    Claim,
    ClaimKind,
    Contact,
    Profile,
    Registration,
    claims_of,
)
from polypost.models.date_time_offset import DateTimeOffset

# Of 31 bits; with a million contacts, one new id in two thousand is taken.
_ID_TRIES = 20

_UNSTAMPED = DateTimeOffset(0)


def create_contact(
    registration: Registration,
    profile: Profile,
    space: str,
    keyid: str,
    attempt: Attempt,
    *,
    access: AccessTable,
    contacts: ContactsTable,
) -> Contact:
    """Create a contact. Repeating the attempt gives the contact that it made.

    Parameters: keyid, of who creates it.

    Raises: Conflict, with a message that says which rule; Retryable.
    """
    require_store(profile.preferred_store_id, space, contacts)
    settings = access.settings(space)
    creation = _creation(attempt)
    for number in range(_ID_TRIES):
        contact_id = _choice(attempt, number)
        secret = new_secret(contact_id, attempt, access.address_key())
        contact = Contact(contact_id, secret, registration, profile, last_modified=_UNSTAMPED, version=b"")
        try:
            row = contacts.create(
                space, contact, list(claims_of(profile, settings)), creation=creation, changed_by=keyid
            )
        except IdTaken:
            continue
        except ClaimHeld as held:
            raise Conflict(conflict_message(held.claim, settings)) from held
        return row.contact
    raise Conflict("No free Id was found for the contact.")


def created_earlier(attempts: Iterable[Attempt], space: str, *, contacts: ContactsTable) -> set[Attempt]:
    """Those of many attempts that have made a contact which is still there, for the price of reading it.

    One that did not get its first choice of an Id is not found here; `create_contact` finds it.

    Raises: Retryable.
    """
    by_id = {_choice(attempt, 0): attempt for attempt in attempts}
    rows = contacts.contacts(space, by_id.keys())
    return {by_id[row.contact.id] for row in rows if row.creation == _creation(by_id[row.contact.id])}


def _creation(attempt: Attempt) -> str:
    """What tells the creation of a contact from every other."""
    return attempt.derive("contact", 16).hex()


def _choice(attempt: Attempt, number: int) -> int:
    """The Id that an attempt chooses if those of the lower numbers are taken."""
    return random_id(attempt, f"contact id {number}")


def random_id(attempt: Attempt, label: str) -> int:
    """A random id that is positive and fits a signed 32-bit integer, which .NET clients hold it in."""
    return int.from_bytes(attempt.derive(label, 4)) % (2**31 - 1) + 1


def require_store(store_id: int | None, space: str, contacts: ContactsTable) -> None:
    """Say no to a reference to a store that does not exist.

    The store is read before the contact is written, and not checked by the same transaction: every contact of a busy
    store would wait for the others. A store that is deleted at that very moment leaves what one that is deleted later
    leaves, a contact with its id.

    Raises: Conflict.
    """
    if store_id is not None and contacts.stores.get(space, store_id) is None:
        raise Conflict(f"PreferredStoreId: no store with the Id {store_id} exists.")


def conflict_message(claim: Claim, settings: SpaceSettings) -> str:
    """Which rule a claim that another contact holds stands for, in words."""
    match claim.kind:
        case ClaimKind.EMAIL:
            return "Email: another contact with the same Email exists."
        case ClaimKind.PHONE if settings.phone_with_country_code:
            return "Phone: another contact with the same PhoneCountryCode and Phone exists."
        case ClaimKind.PHONE:
            return "Phone: another contact with the same Phone exists."
        case ClaimKind.NAME:
            return "FirstName, LastName: another contact with the same name exists."
        case ClaimKind.EXTERNAL_ID:
            system, external_id = claim.parts
            return f"ExternalIds: another contact with the Id '{external_id}' of the system '{system}' exists."
