"""$default: the API's index, and what no other route answers, in the words of whose path it is."""

from polypost import runtime
from polypost.dialects import inxmail, methods_of, owner_of
from polypost.errors import MethodNotAllowed, UnknownPath
from polypost.settings import setting
from polypost.web.auth import space_of_host
from polypost.web.endpoint import public_endpoint
from polypost.web.http import Request, Response


@public_endpoint(owner_of)
def handler(request: Request) -> Response:
    """Answer what has no route of its own."""
    space_of_host(request.domain_name, setting("BASE_DOMAIN"), runtime.access())
    allowed = methods_of(request.path, owner_of(request).ENDPOINTS)
    if allowed and request.method not in allowed:
        raise MethodNotAllowed(request.method, allowed)
    if request.path not in inxmail.INDEX:
        # Also a path that looks like a route's once it is decoded, or a route that is not deployed yet.
        raise UnknownPath
    return inxmail.encode_index(request)
