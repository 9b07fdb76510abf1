"""GET /api/v1/Suppressions: list the suppressed addresses."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.suppressions import decode_suppressions_query, encode_suppressions
from polypost.models.access import Scope
from polypost.usecases.suppressions import list_suppressions
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.SUPPRESSIONS_READ)
def handler(request: Request, caller: Caller) -> Response:
    """Answer with a part of the list."""
    query = decode_suppressions_query(request)
    page = list_suppressions(caller.space, query.after, query.limit, suppressions=runtime.suppressions())
    return encode_suppressions(request, query, page)
