"""GET /api/v1/Contacts/{id}/export: all that is held of one person, as one document."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.contact import decode_id
from polypost.dialects.contacts.history import encode_export
from polypost.models.access import Scope
from polypost.usecases.read_history import export_contact
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.CONTACTS_READ)
def handler(request: Request, caller: Caller) -> Response:
    """Answer with the contact of the path, its permissions and its whole timeline."""
    contact_id = decode_id(request)
    export = export_contact(
        contact_id,
        caller.space,
        contacts=runtime.contacts(),
        history=runtime.history(),
        log_entries=runtime.log_entries(),
    )
    return encode_export(request, *export)
