"""What people see in a browser: the answers to links that were sent to them. Nobody signs in to it."""

from functools import cache
from html import escape
from http import HTTPStatus
from pathlib import Path
from string import Template

from polypost.errors import RequestError
from polypost.web.http import Request, Response

_INTERACTIONS = "/i"

BASE_PATHS: tuple[str, ...] = (_INTERACTIONS,)

ENDPOINTS: dict[str, tuple[str, ...]] = {f"{_INTERACTIONS}/{{token}}": ("GET",)}

ANY_CASE = False

# A link is its receiver's own: nothing keeps what it led to, nothing learns it from the next page, nothing lists it.
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}

# The page has no part but itself, and nothing else may show it as one.
_SELF_CONTAINED = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}


def interaction_links(request: Request) -> str:
    """What the links of interactions begin with, where the client of a request reaches this service."""
    return f"{request.origin}{_INTERACTIONS}/"


def encode_landing(landing_page: str | None) -> Response:
    """302: to a landing page. 200: there is none yet, and the visitor is told so."""
    if landing_page is not None:
        return Response(HTTPStatus.FOUND, headers={"Location": landing_page, **_PRIVATE})
    sentence = "Your link is right. The page that it leads to is not ready yet; please come back later."
    return _page(HTTPStatus.OK, "Nothing here yet", sentence)


def encode_error(request: Request, error: RequestError) -> Response:
    """An error as a page."""
    match error.status:
        case HTTPStatus.NOT_FOUND:
            sentence = "This link leads nowhere. Perhaps a part of it was lost on the way?"
            return _page(error.status, "Page not found", sentence)
        case HTTPStatus.SERVICE_UNAVAILABLE:
            sentence = "The page cannot be shown right now. Please try again in a moment."
            return _page(error.status, "One moment, please", sentence)
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            return _page(error.status, "Something went wrong", "The page cannot be shown. We have taken note of it.")
    return _page(error.status, error.status.phrase, error.message)


def _page(status: HTTPStatus, heading: str, sentence: str) -> Response:
    body = _template().substitute(heading=escape(heading), sentence=escape(sentence))
    return Response(status, body, {**_SELF_CONTAINED, **_PRIVATE})


@cache
def _template() -> Template:
    return Template(Path(__file__).with_suffix(".html").read_text())
