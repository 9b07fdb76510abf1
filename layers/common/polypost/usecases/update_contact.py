"""Change a contact, unless somebody else has changed it meanwhile."""

from collections.abc import Callable
from dataclasses import replace

from polypost.adapters.access_table import AccessTable
from polypost.adapters.contact_items import ContactRow
from polypost.adapters.contacts_table import Changed, ClaimHeld, ContactsTable
from polypost.errors import Conflict, NotFound, Retryable
from polypost.models.contacts import (
    MAX_EXTERNAL_IDS,
    Contact,
    ContactConflict,
    ExternalId,
    Profile,
    claims_of,
    external_id_claim,
)
from polypost.usecases.create_contact import conflict_message, require_store
from polypost.usecases.find_contact import existing_row, no_contact

# Tries of a change that names no version, against other writers of the same contact.
_TRIES = 10


def update_contact(
    contact_id: int,
    version: bytes,
    change: Callable[[Profile], Profile],
    space: str,
    keyid: str,
    *,
    access: AccessTable,
    contacts: ContactsTable,
) -> Contact:
    """Give a contact another profile, if it still has the version.

    Parameters: change, gives the new profile for the one that it replaces; keyid, of who changes it.

    Raises: NotFound; ContactConflict, for a stale version, a store that does not exist, and what another contact
    has; Retryable.
    """
    row = existing_row(contact_id, space, contacts)
    if row.contact.version != version:
        raise _stale(row.contact)
    profile = change(row.contact.profile)
    try:
        require_store(profile.preferred_store_id, space, contacts)
    except Conflict as unknown:
        raise ContactConflict(unknown.message, row.contact) from unknown
    try:
        return _write(row, profile, space, keyid, access, contacts)
    except Changed as changed:
        if changed.latest is None:
            raise NotFound(no_contact(contact_id)) from changed
        raise _stale(changed.latest.contact) from changed


def attach_external_id(
    contact_id: int,
    external_id: ExternalId,
    space: str,
    keyid: str,
    *,
    access: AccessTable,
    contacts: ContactsTable,
) -> Contact:
    """Let a contact be found by an id of another system; one that it has already changes nothing.

    Raises: NotFound; ContactConflict, if another contact has it, or this one has MAX_EXTERNAL_IDS; Retryable.
    """
    claim = external_id_claim(external_id)

    def attached(contact: Contact) -> Profile:
        profile = contact.profile
        if any(external_id_claim(each) == claim for each in profile.external_ids):
            return profile
        if len(profile.external_ids) >= MAX_EXTERNAL_IDS:
            raise ContactConflict(f"ExternalIds: a contact has at most {MAX_EXTERNAL_IDS}.", contact)
        return replace(profile, external_ids=(*profile.external_ids, external_id))

    return _change_external_ids(contact_id, attached, space, keyid, access, contacts)


def detach_external_id(
    contact_id: int,
    external_id: ExternalId,
    space: str,
    keyid: str,
    *,
    access: AccessTable,
    contacts: ContactsTable,
) -> Contact:
    """Take an id of another system from a contact.

    Raises: NotFound, also if the contact does not have it; Retryable.
    """
    claim = external_id_claim(external_id)

    def detached(contact: Contact) -> Profile:
        profile = contact.profile
        kept = tuple(each for each in profile.external_ids if external_id_claim(each) != claim)
        if kept == profile.external_ids:
            raise NotFound(f"The contact has no Id '{external_id.id}' of the system '{external_id.system}'.")
        return replace(profile, external_ids=kept)

    return _change_external_ids(contact_id, detached, space, keyid, access, contacts)


def _change_external_ids(
    contact_id: int,
    change: Callable[[Contact], Profile],
    space: str,
    keyid: str,
    access: AccessTable,
    contacts: ContactsTable,
) -> Contact:
    for _ in range(_TRIES):
        row = existing_row(contact_id, space, contacts)
        profile = change(row.contact)
        if profile == row.contact.profile:
            return row.contact
        try:
            return _write(row, profile, space, keyid, access, contacts)
        except Changed:
            continue
    raise Retryable(f"Contact {contact_id} is being changed by others")


def _write(
    row: ContactRow, profile: Profile, space: str, keyid: str, access: AccessTable, contacts: ContactsTable
) -> Contact:
    settings = access.settings(space)
    claims = list(claims_of(profile, settings))
    try:
        return contacts.update(space, row, profile, claims, changed_by=keyid).contact
    except ClaimHeld as held:
        raise ContactConflict(conflict_message(held.claim, settings), row.contact) from held


def _stale(latest: Contact) -> ContactConflict:
    return ContactConflict("Version: the contact was changed after it was read.", latest)
