"""DELETE /api/v1/Contacts/{id}: delete a contact."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.models.access import Scope
from polypost.usecases.delete_contact import delete_contact
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.CONTACTS_WRITE)
def handler(request: Request, caller: Caller) -> Response:
    """Delete the contact of the path."""
    contact_id = contacts.decode_id(request)
    delete_contact(contact_id, caller.space, contacts=runtime.contacts(), erasures=runtime.erasures())
    return contacts.encode_nothing()
