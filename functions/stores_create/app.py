"""POST /api/v1/Stores: create a store that contacts can refer to."""

from polypost import runtime
from polypost.api import endpoint
from polypost.auth import Caller
from polypost.dialects import contacts
from polypost.http import Request, Response
from polypost.models.access import Scope
from polypost.usecases.stores import create_store


@endpoint(contacts, Scope.CONTACTS_WRITE)
def handler(request: Request, caller: Caller) -> Response:
    """Create the store that the request describes."""
    store_id, name = contacts.decode_store(request)
    store = create_store(store_id, name, caller.space, request.attempt, contacts=runtime.contacts())
    return contacts.encode_created_store(request, store)
