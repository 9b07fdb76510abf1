"""GET /api-service/custom/sap/v1/verifiedSenders: the domains that the space may send from."""

from polypost import runtime
from polypost.dialects import inxmail
from polypost.models.access import Scope
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(inxmail, Scope.DOMAINS_READ)
def handler(request: Request, caller: Caller) -> Response:
    """List verified sender domains."""
    domains = runtime.access().sender_domains(caller.space)
    return inxmail.encode_verified_senders([domain.domain for domain in domains if domain.verified])
