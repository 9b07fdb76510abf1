"""POST /api/v1/Contacts: create a contact."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.contact import decode_create, encode_created
from polypost.models.access import Scope
from polypost.usecases.create_contact import create_contact
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.CONTACTS_WRITE)
def handler(request: Request, caller: Caller) -> Response:
    """Create the contact that the request describes."""
    registration, profile = decode_create(request)
    contact = create_contact(
        registration,
        profile,
        caller.space,
        caller.keyid,
        request.attempt,
        access=runtime.access(),
        contacts=runtime.contacts(),
    )
    return encode_created(request, contact)
