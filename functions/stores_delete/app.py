"""DELETE /api/v1/Stores/{id}: delete a store."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.contact import decode_id, encode_nothing
from polypost.models.access import Scope
from polypost.usecases.stores import delete_store
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.CONTACTS_WRITE)
def handler(request: Request, caller: Caller) -> Response:
    """Delete the store of the path."""
    delete_store(decode_id(request), caller.space, contacts=runtime.contacts())
    return encode_nothing()
