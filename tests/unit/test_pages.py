"""The pages that people see: whole by themselves, private, and with nothing in them that is not escaped."""

from dataclasses import replace
from html.parser import HTMLParser
from http import HTTPStatus
from urllib.parse import urlencode

import pytest

from polypost.errors import MethodNotAllowed, NotFound, RequestError, UnknownPath, UnknownSpace
from polypost.models.unsubscribe_links import SubscriptionState
from polypost.web import pages
from polypost.web.endpoint import ServerError, Unavailable
from polypost.web.http import Request, Response

REQUEST = Request("GET", "/i/x", domain_name="acme.example.com")


SUBSCRIBED = SubscriptionState("Shop & <Sons>", unsubscribed=False)
UNSUBSCRIBED = SubscriptionState("Shop & <Sons>", unsubscribed=True, changed=True)


class Seen(HTMLParser):
    """What a browser is told: the text that it shows, the elements, and whatever it would load."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.forms: list[dict[str, str | None]] = []
        self.buttons: list[dict[str, str | None]] = []
        self.loaded: list[str | None] = []
        self.feed(response.body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.forms += [dict(attrs)] if tag == "form" else []
        self.buttons += [dict(attrs)] if tag == "button" else []
        self.loaded += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data: str) -> None:
        if "style" not in self.tags[-1:]:
            self.text += data


@pytest.mark.parametrize(
    ("response", "status", "words"),
    [
        (pages.encode_landing(None), 200, "not ready"),
        (pages.encode_subscription(SUBSCRIBED), 200, "Do you want to stop getting emails from Shop & <Sons>?"),
        (pages.encode_subscription(replace(SUBSCRIBED, sender="")), 200, "Do you want to stop getting these emails?"),
        (pages.encode_subscription(UNSUBSCRIBED), 200, "You no longer get emails from Shop & <Sons>."),
        (
            pages.encode_subscription(replace(SUBSCRIBED, changed=True)),
            200,
            "You can get emails from Shop & <Sons> again.",
        ),
        (pages.encode_error(REQUEST, NotFound("x")), 404, "leads nowhere"),
        (pages.encode_error(REQUEST, UnknownPath()), 404, "leads nowhere"),
        (pages.encode_error(REQUEST, UnknownSpace()), 404, "leads nowhere"),
        (pages.encode_error(REQUEST, MethodNotAllowed("POST", ("GET",))), 405, "Request method 'POST' not supported"),
        (pages.encode_error(REQUEST, Unavailable()), 503, "in a moment"),
        (pages.encode_error(REQUEST, ServerError()), 500, "taken note"),
    ],
)
def test_each_answer_is_a_page_that_loads_nothing(response: Response, status: int, words: str) -> None:
    assert response.status == status
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    seen = Seen(response)
    assert words in seen.text
    assert seen.loaded == []
    assert "script" not in seen.tags
    assert "$" not in response.body


@pytest.mark.parametrize(
    ("response", "forms"),
    [
        (pages.encode_landing(None), "'none'"),
        (pages.encode_error(REQUEST, NotFound("x")), "'none'"),
        (pages.encode_subscription(SUBSCRIBED), "'self'"),
        (pages.encode_subscription(UNSUBSCRIBED), "'self'"),
    ],
)
def test_a_page_says_what_it_may_do(response: Response, forms: str) -> None:
    headers = response.headers
    policy = dict(directive.split(" ", 1) for directive in headers["Content-Security-Policy"].split("; "))
    assert policy.pop("style-src") == "'unsafe-inline'"
    assert policy.pop("form-action") == forms
    assert set(policy) >= {"default-src", "base-uri", "frame-ancestors"}
    assert set(policy.values()) == {"'none'"}
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("state", "button"),
    [
        (SUBSCRIBED, {"name": "List-Unsubscribe", "value": "One-Click"}),
        (replace(SUBSCRIBED, changed=True), {"name": "List-Unsubscribe", "value": "One-Click"}),
        (UNSUBSCRIBED, {"name": "undo", "value": "1"}),
    ],
)
def test_a_page_about_a_subscription_has_one_button_which_posts_to_its_own_address(
    state: SubscriptionState, button: dict[str, str]
) -> None:
    seen = Seen(pages.encode_subscription(state))
    assert seen.forms == [{"method": "post"}]
    assert seen.buttons == [button]
    body = urlencode({button["name"]: button["value"]}).encode()
    assert pages.decode_undo(Request("POST", "/u/x", body=body)) is state.unsubscribed


@pytest.mark.parametrize("landing_page", ["https://shop.example/?s=secret", None])
def test_nothing_keeps_a_link_or_tells_of_it(landing_page: str | None) -> None:
    for response in (pages.encode_landing(landing_page), pages.encode_subscription(SUBSCRIBED)):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Robots-Tag"] == "noindex"


def test_a_landing_page_is_redirected_to() -> None:
    response = pages.encode_landing("https://shop.example/?s=secret")
    assert (response.status, response.headers["Location"]) == (HTTPStatus.FOUND, "https://shop.example/?s=secret")


def test_what_comes_from_outside_is_text() -> None:
    class Strange(RequestError):
        status = HTTPStatus.IM_A_TEAPOT

    response = pages.encode_error(REQUEST, Strange("<script>alert(1)</script>$heading &amp;"))
    seen = Seen(response)
    assert "script" not in seen.tags
    assert "<script>alert(1)</script>$heading &amp;" in seen.text


def test_links_begin_where_the_client_reaches_the_service() -> None:
    assert pages.interaction_links(REQUEST) == "https://acme.example.com/i/"
    assert pages.unsubscribe_links(REQUEST) == "https://acme.example.com/u/"
