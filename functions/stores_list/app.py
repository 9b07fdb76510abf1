"""GET /api/v1/Stores: list the stores."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.stores import encode_stores
from polypost.models.access import Scope
from polypost.usecases.stores import list_stores
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.CONTACTS_READ)
def handler(request: Request, caller: Caller) -> Response:
    """Answer with all stores of the space."""
    return encode_stores(request, list_stores(caller.space, contacts=runtime.contacts()))
