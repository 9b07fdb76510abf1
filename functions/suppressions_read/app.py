"""GET /api/v1/Suppressions/{address}: tell what keeps mail from an address."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.suppressions import decode_address, encode_suppression
from polypost.models.access import Scope
from polypost.usecases.suppressions import suppressed_address
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.SUPPRESSIONS_READ)
def handler(request: Request, caller: Caller) -> Response:
    """Answer with the suppression of the address of the path."""
    known = suppressed_address(decode_address(request), caller.space, suppressions=runtime.suppressions())
    return encode_suppression(request, known)
