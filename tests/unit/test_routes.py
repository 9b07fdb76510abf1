"""Which dialect a path belongs to, and which routes it has."""

from types import SimpleNamespace
from typing import cast

import pytest

from polypost import dialects
from polypost.dialects import Routed, inxmail, owner_of, routes_of
from polypost.web import pages
from polypost.web.http import Request


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


PUBLISHED = {"/api/v1/Contacts/{customerID}/Mails": ("PUT", "GET", "DELETE"), "/api/x": ("POST",)}


@pytest.mark.parametrize(
    ("any_case", "routes"),
    [
        (False, {"/api/v1/Contacts/{customerID}/Mails": ("PUT", "GET", "HEAD", "DELETE"), "/api/x": ("POST",)}),
        (
            True,
            {
                "/api/v1/Contacts/{customerID}/Mails": ("PUT", "GET", "HEAD", "DELETE"),
                "/api/v1/contacts/{customerID}/mails": ("PUT", "GET", "HEAD", "DELETE"),
                "/api/x": ("POST",),
            },
        ),
    ],
)
def test_head_has_a_route_wherever_get_has_and_so_has_lower_case_where_case_does_not_matter(
    any_case: bool, routes: dict[str, tuple[str, ...]]
) -> None:
    owner = cast(Routed, SimpleNamespace(ENDPOINTS=PUBLISHED, ANY_CASE=any_case))
    assert routes_of(owner) == routes
