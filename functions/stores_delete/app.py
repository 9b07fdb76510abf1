"""DELETE /api/v1/Stores/{id}: delete a store."""

from polypost import runtime
from polypost.api import endpoint
from polypost.auth import Caller
from polypost.dialects import contacts
from polypost.http import Request, Response
from polypost.models.access import Scope
from polypost.usecases.stores import delete_store


@endpoint(contacts, Scope.CONTACTS_WRITE)
def handler(request: Request, caller: Caller) -> Response:
    """Delete the store of the path."""
    delete_store(contacts.decode_id(request), caller.space, contacts=runtime.contacts())
    return contacts.encode_nothing()
