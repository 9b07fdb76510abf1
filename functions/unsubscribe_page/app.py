"""GET /u/{token}: ask whether to unsubscribe. Programs that check links follow them too, so it changes nothing."""

from polypost import runtime
from polypost.settings import setting
from polypost.usecases.unsubscribe import read_subscription
from polypost.web import pages
from polypost.web.auth import space_of_host
from polypost.web.endpoint import public_endpoint
from polypost.web.http import Request, Response


@public_endpoint(lambda request: pages)
def handler(request: Request) -> Response:
    """Show the page with the button."""
    state = read_subscription(
        request.path_parameters["token"],
        space_of_host(request.domain_name, setting("BASE_DOMAIN"), runtime.access()),
        access=runtime.access(),
        suppressions=runtime.suppressions(),
    )
    return pages.encode_subscription(state)
