"""DELETE …/{id}/external-ids/{system}/{externalId}: take an id of another system from a contact."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.contact import decode_external_id, decode_id, encode_contact
from polypost.models.access import Scope
from polypost.usecases.update_contact import detach_external_id
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.CONTACTS_WRITE)
def handler(request: Request, caller: Caller) -> Response:
    """Take the id from the contact of the path."""
    contact = detach_external_id(
        decode_id(request),
        decode_external_id(request),
        caller.space,
        caller.keyid,
        access=runtime.access(),
        contacts=runtime.contacts(),
    )
    return encode_contact(request, contact)
