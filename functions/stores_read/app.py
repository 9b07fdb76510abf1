"""GET /api/v1/Stores/{id}: read a store."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.contact import decode_id
from polypost.dialects.contacts.stores import encode_store
from polypost.models.access import Scope
from polypost.usecases.stores import store_by_id
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.CONTACTS_READ)
def handler(request: Request, caller: Caller) -> Response:
    """Answer with the store of the path."""
    store = store_by_id(decode_id(request), caller.space, contacts=runtime.contacts())
    return encode_store(request, store)
