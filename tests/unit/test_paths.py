"""Paths: which endpoint one leads to, which one it nearly does, and how it is written into a header."""

import time
from itertools import chain
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polypost.dialects import published_endpoints
from polypost.web.http import Request
from polypost.web.paths import canonical_path, closest_endpoint, methods_of

PUBLISHED = {
    "/api/v1/Contacts": ("GET", "POST"),
    "/api/v1/Contacts/{Id}": ("GET", "PUT"),
    "/api/v1/Contacts/export": ("POST", "GET"),
    "/customers/{customerID}/mails": ("POST",),
}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/Contacts", ("GET", "POST")),
        ("/api/v1/Contacts/5", ("GET", "PUT")),
        ("/api/v1/Contacts/a b{c}", ("GET", "PUT")),
        # API Gateway chooses by path and method together, so a path answers to what any of its routes does.
        ("/api/v1/Contacts/export", ("GET", "PUT", "POST")),
        ("/customers/{x}/mails", ("POST",)),
        ("/api/v1/contacts", ()),
        ("/api/v1/Contacts/", ()),
        ("/api/v1/Contacts/5/6", ()),
        ("/customers//mails", ()),
        ("/customers/5", ()),
        ("/", ()),
        ("", ()),
    ],
)
def test_the_methods_of_a_path(path: str, methods: tuple[str, ...]) -> None:
    assert methods_of(path, PUBLISHED) == methods


@pytest.mark.parametrize("any_case", [True, False])
@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/api/v1/Contacts/", "/api/v1/Contacts"),
        ("/api/v1/Contacts///", "/api/v1/Contacts"),
        ("/api/v1/Contacts/Ab C/", "/api/v1/Contacts/Ab C"),
        ("/customers/K-5/mails/", "/customers/K-5/mails"),
        ("/api/v1/Contacts/5/6/", None),
        ("/customers//mails/", None),
        ("//api/v1/Contacts/", None),
        ("//example.org/", None),
        ("/api/v1/", None),
        ("/", None),
        ("", None),
    ],
)
def test_slashes_at_the_end_of_a_path(path: str, canonical: str | None, any_case: bool) -> None:
    assert canonical_path(path, PUBLISHED, any_case=any_case) == canonical


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/API/V1/CONTACTS", "/api/v1/Contacts"),
        ("/api/v1/cONTACTS/", "/api/v1/Contacts"),
        ("/Api/v1/contacts/aBc", "/api/v1/Contacts/aBc"),
        ("/Customers/aBc/MAILS/", "/customers/aBc/mails"),
        # Only letters of one case and the other: the long s is another letter than s, and the dotted I than i.
        ("/api/v1/Contact\u017f", None),
        ("/cu\u017ftomers/5/mails", None),
    ],
)
def test_a_path_in_another_case(path: str, canonical: str | None) -> None:
    assert canonical_path(path, PUBLISHED, any_case=True) == canonical
    assert canonical_path(path, PUBLISHED, any_case=False) is None


@pytest.mark.parametrize(
    ("path", "closest"),
    [
        ("/api/v1/Contact", "/api/v1/Contacts"),
        ("/api/v1/Contact/5", "/api/v1/Contacts/{id}"),
        ("/api/v1/kontakte/5", "/api/v1/Contacts/{id}"),
        ("/api/v2/Contacts", "/api/v1/Contacts"),
        ("/v1/Contacts", "/api/v1/Contacts"),
        ("/Contacts/5", "/api/v1/Contacts/{id}"),
        ("/api/v1//Contacts", "/api/v1/Contacts"),
        ("/api/v1/Contacts/5/timelines", "/api/v1/Contacts/{id}/timeline"),
        ("/api/v1/Contacts/5/history", "/api/v1/Contacts/{id}"),
        ("/api/v1/contacts/5/exports/", "/api/v1/Contacts/{id}/export"),
        ("/api/v1/Contacts/5/external-id/shop/7", "/api/v1/Contacts/{id}/external-ids/{system}/{externalId}"),
        ("/api/v1/Contacts/5/external-ids/shop", "/api/v1/Contacts/{id}/external-ids/{system}/{externalId}"),
        ("/api/v1/Storse", "/api/v1/Stores"),
        ("/api/v1/Store/7", "/api/v1/Stores/{id}"),
        ("/api/v1/contact/coffepage", "/api/v1/contact/coffeepage"),
        ("/api/v1/coffeepage", "/api/v1/contact/coffeepage"),
        ("/api/vspinteractions/create", "/api/vspinteraction/create"),
        ("/api/vspinteraction", "/api/vspinteraction/create"),
        ("/customer/K5/mails", "/customers/{customerID}/mails"),
        ("/customers/K5", "/customers/{customerID}/mails"),
        ("/customers/K5/mail", "/customers/{customerID}/mails"),
        ("/api-service/custom/sap/v1/bounce", "/api-service/custom/sap/v1/bounces"),
        ("/api-service/custom/sap/v1/verifiedsenders", "/api-service/custom/sap/v1/verifiedSenders"),
        # As the document of the API has it itself.
        ("/api-service/v1/bounces", "/api-service/custom/sap/v1/bounces"),
        ("/custom/sap/v1/send", "/api-service/custom/sap/v1/send"),
        ("/api-services", "/api-service"),
    ],
)
def test_the_endpoint_that_a_path_is_close_to(path: str, closest: str) -> None:
    assert closest_endpoint(path, published_endpoints()) == closest


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/api",
        "/api/v1",
        "/api/v1/orders",
        "/api/v1/users/5",
        "/api-service/custom/sap/v1/nothing",
        "/elsewhere",
        "/favicon.ico",
        "/wp-login.php",
        "/.env",
        "/a/b/c",
        "/send",
        "/i/x/y",
        "/api/v1/Contacts/" + "5" * 200,
    ],
)
def test_a_path_that_is_close_to_nothing(path: str) -> None:
    assert closest_endpoint(path, published_endpoints()) is None


@given(st.text(st.sampled_from("/apiv1contactsé{}*"), max_size=200))
@example("/a" * 100)
@example("/" * 200)
@example("/" + "a/" * 9 + "a" * 180)
def test_any_path_is_compared_in_no_time(path: str) -> None:
    begin = time.thread_time()
    closest_endpoint(path, published_endpoints())
    assert time.thread_time() - begin < 0.5


def address(path: str, query: str = "") -> str:
    return Request("GET", "/elsewhere", query, domain_name="acme.example.com").address_of(path)


@given(st.text(min_size=1), st.text())
@example("/i/\\evil.example\r\nSet-Cookie: a=b", "a=b\r\nSet-Cookie: c=d")
@example("/i/%2f%0d?x#y", "redirect=https://evil.example/&a=%0d%0a")
def test_a_path_and_its_query_stand_in_a_header(path: str, query: str) -> None:
    path = f"/{path}"
    found = address(path, query)
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found
    assert found.startswith("https://acme.example.com/")
    read = urlsplit(found)
    assert (read.scheme, read.netloc) == ("https", "acme.example.com")
    assert unquote(read.path, errors="surrogatepass") == path.encode(errors="replace").decode()


@pytest.mark.parametrize(
    "query", ["a=b", "a=%C3%BC+b&c", "email=a%2Bb@example.com", "x={y}|[z]&q=\"'<>\\^`", "a?b/c", "%", ""]
)
def test_a_query_stays_as_it_came(query: str) -> None:
    assert address("/a b", query) == f"https://acme.example.com/a%20b{'?' if query else ''}{query}"


def test_no_path_of_an_endpoint_is_long() -> None:
    assert max(map(len, chain(published_endpoints()))) < 100
