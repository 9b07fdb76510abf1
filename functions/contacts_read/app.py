"""GET /api/v1/Contacts/{id}: read a contact."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.contact import decode_id, encode_contact
from polypost.models.access import Scope
from polypost.usecases.find_contact import contact_by_id
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.CONTACTS_READ)
def handler(request: Request, caller: Caller) -> Response:
    """Answer with the contact of the path."""
    contact = contact_by_id(decode_id(request), caller.space, contacts=runtime.contacts())
    return encode_contact(request, contact)
