"""PUT /api/v1/Contacts/{id}: change a contact that nobody else has changed meanwhile."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.contact import decode_id, decode_update, encode_contact
from polypost.models.access import Scope
from polypost.usecases.update_contact import update_contact
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.CONTACTS_WRITE)
def handler(request: Request, caller: Caller) -> Response:
    """Give the contact of the path another profile."""
    contact_id = decode_id(request)
    version, change = decode_update(request)
    contact = update_contact(
        contact_id,
        version,
        change,
        caller.space,
        caller.keyid,
        access=runtime.access(),
        contacts=runtime.contacts(),
    )
    return encode_contact(request, contact)
