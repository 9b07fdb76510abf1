"""GET /api/v1/Contacts: find one contact, or list all in the order of their last change."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.contact import encode_contact
from polypost.dialects.contacts.lists import ChangesQuery, decode_query, encode_changes
from polypost.models.access import Scope
from polypost.usecases.find_contact import find_contact
from polypost.usecases.list_changes import list_changes
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.CONTACTS_READ)
def handler(request: Request, caller: Caller) -> Response:
    """Answer with the contact, or the part of the list, that the query asks for."""
    query = decode_query(request)
    if isinstance(query, ChangesQuery):
        page = list_changes(query.position, query.limit, caller.space, contacts=runtime.contacts())
        return encode_changes(request, query, page)
    contact = find_contact(query, caller.space, access=runtime.access(), contacts=runtime.contacts())
    return encode_contact(request, contact)
