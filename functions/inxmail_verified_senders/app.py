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
    domains = runtime.access().sender_domains(caller.space)
    return inxmail.encode_verified_senders([domain.domain for domain in domains if domain.verified])
