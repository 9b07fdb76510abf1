"""Which dialect a path belongs to, and which methods it has."""

from types import SimpleNamespace

import pytest

from polypost import dialects
from polypost.dialects import inxmail, methods_of, owner_of
from polypost.web import pages
from polypost.web.http import Request
from polypost.wire.aspnet import in_both_cases

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


def test_a_path_belongs_to_whom_it_stands_under(monkeypatch: pytest.MonkeyPatch) -> None:
    contacts = SimpleNamespace(BASE_PATHS=("/api/v1/Contacts", "/api/v1/Stores"))
    shop = SimpleNamespace(BASE_PATHS=("/customers",))
    monkeypatch.setattr(dialects, "all_dialects", lambda: (contacts, inxmail, shop))
    for path in ("/api/v1/Contacts", "/api/v1/contacts/5", "/API/V1/STORES/5/x"):
        assert owner_of(Request("GET", path)).BASE_PATHS is contacts.BASE_PATHS
    assert owner_of(Request("GET", "/customers/5/mails")).BASE_PATHS is shop.BASE_PATHS
    for path in ("/i/x", "/i", "/I/x/y"):
        assert owner_of(Request("GET", path)).BASE_PATHS is pages.BASE_PATHS
    for path in ("/api-service", "/api/v1/ContactsOfMine", "/api/v1", "/", "/elsewhere", "/index"):
        assert owner_of(Request("GET", path)).BASE_PATHS is inxmail.BASE_PATHS


def test_endpoints_in_both_cases() -> None:
    assert in_both_cases({"/api/v1/Contacts/{customerID}/Mails": ("GET",), "/api/x": ("POST",)}) == {
        "/api/v1/Contacts/{customerID}/Mails": ("GET",),
        "/api/v1/contacts/{customerID}/mails": ("GET",),
        "/api/x": ("POST",),
    }
