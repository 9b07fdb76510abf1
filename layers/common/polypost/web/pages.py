"""What people see in a browser: the answers to links that were sent to them. Nobody signs in to it."""

from functools import cache
from html import escape
from http import HTTPStatus
from pathlib import Path
from string import Template

from polypost.errors import RequestError
from polypost.models.unsubscribe_links import SubscriptionState
from polypost.web.http import Request, Response

_INTERACTIONS = "/i"
_SUBSCRIPTIONS = "/u"

BASE_PATHS: tuple[str, ...] = (_INTERACTIONS, _SUBSCRIPTIONS)

ENDPOINTS: dict[str, tuple[str, ...]] = {
    f"{_INTERACTIONS}/{{token}}": ("GET",),
    f"{_SUBSCRIPTIONS}/{{token}}": ("GET", "POST"),
}

ANY_CASE = False

# A link is its receiver's own: nothing keeps what it led to, nothing learns it from the next page, nothing lists it.
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}

# The page has no part but itself, and nothing else may show it as one.
_SELF_CONTAINED = {"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action {}; frame-ancestors 'none'"

# The buttons of the page about a subscription: what its form posts, and what they say. The first is RFC 8058's own.
_UNSUBSCRIBE = ("List-Unsubscribe", "One-Click", "Unsubscribe")
_UNDO = ("undo", "1", "Undo")


def interaction_links(request: Request) -> str:
    """What the links of interactions begin with, where the client of a request reaches this service."""
    return f"{request.origin}{_INTERACTIONS}/"


def unsubscribe_links(request: Request) -> str:
    """What the links for unsubscribing begin with, where the client of a request reaches this service."""
    return f"{request.origin}{_SUBSCRIPTIONS}/"


def decode_undo(request: Request) -> bool:
    """Whether a POST about a subscription takes an unsubscribe back.

    Every other one unsubscribes, whatever its body is: mail programs post `List-Unsubscribe=One-Click` in several
    media types (RFC 8058, section 3.2), and who asks for it shall not be refused for its spelling.
    """
    name, value, _ = _UNDO
    return request.body == f"{name}={value}".encode()


def encode_subscription(state: SubscriptionState) -> Response:
    """200: whether somebody gets a space's mails, with the button that changes it."""
    mails = f"emails from {state.sender}" if state.sender else "these emails"
    if state.unsubscribed:
        rest = "An email that concerns you alone, such as an invoice, may still reach you."
        return _page(HTTPStatus.OK, "You are unsubscribed", f"You no longer get {mails}. {rest}", _UNDO)
    if state.changed:
        return _page(HTTPStatus.OK, "You are subscribed again", f"You can get {mails} again.", _UNSUBSCRIBE)
    return _page(HTTPStatus.OK, "Unsubscribe", f"Do you want to stop getting {mails}?", _UNSUBSCRIBE)


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


def _page(status: HTTPStatus, heading: str, sentence: str, button: tuple[str, str, str] | None = None) -> Response:
    body = _template().substitute(heading=escape(heading), sentence=escape(sentence), form=_form(button))
    policy = {"Content-Security-Policy": _POLICY.format("'self'" if button else "'none'")}
    return Response(status, body, {**_SELF_CONTAINED, **policy, **_PRIVATE})


def _form(button: tuple[str, str, str] | None) -> str:
    """A form of one button, which posts to the page's own address."""
    if button is None:
        return ""
    name, value, label = map(escape, button)
    return f'<form method="post"><button name="{name}" value="{value}">{label}</button></form>\n'


@cache
def _template() -> Template:
    return Template(Path(__file__).with_suffix(".html").read_text())
