"""POST /u/{token}: unsubscribe at once, as mail programs ask for it (RFC 8058), or take that back."""

from polypost import runtime
from polypost.settings import setting
from polypost.usecases.unsubscribe import change_subscription
from polypost.web import pages
from polypost.web.auth import space_of_host
from polypost.web.endpoint import public_endpoint
from polypost.web.http import Request, Response


@public_endpoint(lambda request: pages)
def handler(request: Request) -> Response:
    """Change the subscription and tell of it."""
    state = change_subscription(
        request.path_parameters["token"],
        space_of_host(request.domain_name, setting("BASE_DOMAIN"), runtime.access()),
        request.attempt.first_seen,
        unsubscribed=not pages.decode_undo(request),
        access=runtime.access(),
        suppressions=runtime.suppressions(),
        contacts=runtime.contacts(),
        logs=runtime.logs(),
    )
    return pages.encode_subscription(state)
