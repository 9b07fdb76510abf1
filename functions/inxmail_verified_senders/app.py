"""GET /api-service/custom/sap/v1/verifiedSenders: the domains that the space may send from."""

from polypost import runtime
from polypost.api import endpoint
from polypost.auth import Caller
from polypost.dialects import inxmail
from polypost.http import Request, Response
from polypost.models.access import Scope


@endpoint(inxmail, Scope.DOMAINS_READ)
def handler(request: Request, caller: Caller) -> Response:
    """List verified sender domains."""
    return inxmail.encode_verified_senders(runtime.access().verified_senders(caller.space))
