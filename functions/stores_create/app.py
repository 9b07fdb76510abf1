"""POST /api/v1/Stores: create a store that contacts can refer to."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.stores import decode_store, encode_created_store
from polypost.models.access import Scope
from polypost.usecases.stores import create_store
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.CONTACTS_WRITE)
def handler(request: Request, caller: Caller) -> Response:
    """Create the store that the request describes."""
    store_id, name = decode_store(request)
    store = create_store(store_id, name, caller.space, request.attempt, contacts=runtime.contacts())
    return encode_created_store(request, store)
