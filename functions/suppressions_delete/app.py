"""DELETE /api/v1/Suppressions/{address}: end what keeps mail from an address."""

from polypost import runtime
from polypost.dialects import contacts
from polypost.dialects.contacts.suppressions import decode_lift, encode_lifted
from polypost.models.access import Scope
from polypost.usecases.suppressions import lift
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(contacts, Scope.SUPPRESSIONS_WRITE)
def handler(request: Request, caller: Caller) -> Response:
    """Lift the suppression of the address of the path."""
    address, reason, complaint = decode_lift(request)
    suppressions = runtime.suppressions()
    _, known = lift(address, reason, caller.keyid, caller.space, complaint=complaint, suppressions=suppressions)
    return encode_lifted(request, known)
