"""GET /i/{token}: follow the link of an interaction. HEAD, which programs that check links use, is no visit."""

from polypost import runtime
from polypost.models.interactions import Visitor
from polypost.settings import setting
from polypost.usecases.visit_interaction import visit_interaction
from polypost.web import pages
from polypost.web.auth import space_of_host
from polypost.web.endpoint import public_endpoint
from polypost.web.http import Request, Response


@public_endpoint(lambda request: pages)
def handler(request: Request) -> Response:
    """Lead the visitor to the landing page."""
    landing_page = visit_interaction(
        request.path_parameters["token"],
        space_of_host(request.domain_name, setting("BASE_DOMAIN"), runtime.access()),
        Visitor(ip=request.source_ip, user_agent=request.headers.get("user-agent", "")),
        request.attempt,
        counts=request.method != "HEAD",
        access=runtime.access(),
        contacts=runtime.contacts(),
        interactions=runtime.interactions(),
    )
    return pages.encode_landing(landing_page)
