"""PUT /api/v1/Suppressions/{address}: keep all mail from an address."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.suppressions import decode_suppress, encode_suppression
from polypost.models.access import Scope
from polypost.usecases.suppressions import suppress
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.SUPPRESSIONS_WRITE)
def handler(request: Request, caller: Caller) -> Response:
    """Suppress the address of the path."""
    address, reason = decode_suppress(request)
    known = suppress(address, reason, caller.keyid, caller.space, suppressions=runtime.suppressions())
    return encode_suppression(request, known)
