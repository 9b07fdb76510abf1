"""GET /api/v1/Contacts/{id}/timeline: what was recorded of a contact, newest first."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.contact import decode_id
from polypost.dialects.contacts.history import decode_timeline_query, encode_timeline
from polypost.models.access import Scope
from polypost.usecases.read_history import read_timeline
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.CONTACTS_READ)
def handler(request: Request, caller: Caller) -> Response:
    """Answer with the part of the timeline that the query asks for."""
    contact_id = decode_id(request)
    query = decode_timeline_query(request)
    page = read_timeline(
        contact_id,
        query.after,
        query.limit,
        caller.space,
        contacts=runtime.contacts(),
        history=runtime.history(),
    )
    return encode_timeline(request, query, page)
