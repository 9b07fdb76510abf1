"""Find one contact: by its id, its secret, or what it alone has in its space."""

import hmac
from collections.abc import Iterable

from polypost.adapters.access_table import AccessTable
from polypost.adapters.contact_items import ContactRow
from polypost.adapters.contacts_table import ContactsTable
from polypost.errors import NotFound
from polypost.models.contact_secrets import contact_id_of
from polypost.models.contacts import (
    Claim,
    Contact,
    EmailLookup,
    ExternalId,
    Lookup,
    PhoneLookup,
    SecretLookup,
    email_claim,
    external_id_claim,
    phone_claim,
)


def contact_by_id(contact_id: int, space: str, *, contacts: ContactsTable) -> Contact:
    """The contact with an id.

    Raises: NotFound; Retryable.
    """
    return existing_row(contact_id, space, contacts).contact


def existing_row(contact_id: int, space: str, contacts: ContactsTable) -> ContactRow:
    """The stored contact with an id.

    Raises: NotFound; Retryable.
    """
    row = contacts.contact(space, contact_id)
    if row is None:
        raise NotFound(no_contact(contact_id))
    return row


def no_contact(contact_id: int) -> str:
    """What is said of an id that no contact has."""
    return f"No contact with the Id {contact_id} exists."


def find_contact(lookup: Lookup, space: str, *, access: AccessTable, contacts: ContactsTable) -> Contact:
    """The one contact that a lookup is for.

    Raises: NotFound, in the same way for a made-up secret and for one of a deleted contact; Retryable.
    """
    match lookup:
        case SecretLookup(secret):
            # One read: the secret leads to the id.
            contact_id = contact_id_of(secret, access.address_key())
            row = None if contact_id is None else contacts.contact(space, contact_id)
            if row is not None and not hmac.compare_digest(row.contact.secret, secret):
                row = None
        case EmailLookup(email, otherwise):
            row = _holder(email_claim(email), space, contacts) or _holder(email_claim(otherwise), space, contacts)
        case PhoneLookup(phone, country_code):
            row = _holder(phone_claim(phone, country_code, access.settings(space)), space, contacts)
        case ExternalId():
            row = _holder(external_id_claim(lookup), space, contacts)
    if row is None:
        raise NotFound("No such contact exists.")
    return row.contact


def known_secrets(secrets: Iterable[str], space: str, *, access: AccessTable, contacts: ContactsTable) -> set[str]:
    """Those of many secrets that are a contact's.

    Raises: Retryable.
    """
    wanted = set(secrets)
    ids = {found for secret in wanted if (found := contact_id_of(secret, access.address_key())) is not None}
    return wanted & {row.contact.secret for row in contacts.contacts(space, ids)}


def _holder(claim: Claim | None, space: str, contacts: ContactsTable) -> ContactRow | None:
    # A blank value is no value, and finds nobody.
    return None if claim is None else contacts.holder(space, claim)
