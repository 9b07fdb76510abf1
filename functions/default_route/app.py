"""$default: the API's index, and what no other route answers, in the words of whose path it is."""

from http import HTTPStatus

from polypost import runtime
from polypost.dialects import inxmail, owner_of, published_endpoints, routes_of
from polypost.errors import MethodNotAllowed, UnknownPath
from polypost.settings import setting
from polypost.web.auth import space_of_host
from polypost.web.endpoint import public_endpoint
from polypost.web.http import Request, Response
from polypost.web.paths import canonical_path, closest_endpoint, methods_of


@public_endpoint(owner_of)
def handler(request: Request) -> Response:
    """Answer what has no route of its own."""
    space_of_host(request.domain_name, setting("BASE_DOMAIN"), runtime.access())
    owner = owner_of(request)
    methods = methods_of(request.path, routes_of(owner))
    if not methods:
        if path := canonical_path(request.path, owner.ENDPOINTS, any_case=owner.ANY_CASE):
            return Response(HTTPStatus.PERMANENT_REDIRECT, headers={"Location": request.address_of(path)})
        raise UnknownPath(closest_endpoint(request.path, published_endpoints()))
    allowed = (*methods, "OPTIONS")
    if request.method == "OPTIONS":
        return Response(HTTPStatus.NO_CONTENT, headers={"Allow": ", ".join(allowed)})
    if request.method not in methods:
        raise MethodNotAllowed(request.method, allowed)
    if request.path not in inxmail.INDEX:
        # Also a path that looks like a route's once it is decoded, or a route that is not deployed yet.
        raise UnknownPath
    return inxmail.encode_index(request)
