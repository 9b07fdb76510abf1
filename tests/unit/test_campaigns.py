"""Landing pages: a contact's Secret stands beside whatever the URL has of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypost.adapters import keys
from polypost.models.campaigns import has_secret_parameter, with_secret

SECRET = "AbC-_123"


@pytest.mark.parametrize(
    ("landing_page", "visited"),
    [
        ("https://shop.example/", "https://shop.example/?s=AbC-_123"),
        ("https://shop.example/spring", "https://shop.example/spring?s=AbC-_123"),
        ("https://shop.example/?", "https://shop.example/?s=AbC-_123"),
        ("http://shop.example:8080/a?b=c", "http://shop.example:8080/a?b=c&s=AbC-_123"),
        ("https://shop.example/a?b=c&b=&d#top", "https://shop.example/a?b=c&b=&d&s=AbC-_123#top"),
        # As it is spelled: a server may read `+`, `%20`, `;` and a second `?` in its own way.
        ("https://shop.example/%7Ea;v=1?q=a+b%20c;d/?e", "https://shop.example/%7Ea;v=1?q=a+b%20c;d/?e&s=AbC-_123"),
        ("https://shop.example/#/route?x=1", "https://shop.example/?s=AbC-_123#/route?x=1"),
    ],
)
def test_the_secret_stands_beside_the_query(landing_page: str, visited: str) -> None:
    assert with_secret(landing_page, SECRET) == visited


@pytest.mark.parametrize(
    ("landing_page", "has"),
    [
        ("https://shop.example/?s=1", True),
        ("https://shop.example/?a=1&s=", True),
        ("https://shop.example/?%73=1", True),
        ("https://shop.example/?ss=1&S=2&a=s", False),
        ("https://shop.example/s?a=1#s=1", False),
    ],
)
def test_a_parameter_of_the_same_name_is_seen(landing_page: str, has: bool) -> None:
    assert has_secret_parameter(landing_page) is has


def test_a_campaigns_key_is_one_of_its_name_in_its_space() -> None:
    key = keys.campaign_key(b"key", "acme", "Spring Sale")
    assert key == keys.campaign_key(b"key", "acme", "  spring\tSALE ")
    others = {("key", "acme", "Springsale"), ("key", "other", "Spring Sale"), ("another", "acme", "Spring Sale")}
    assert key not in {keys.campaign_key(stack.encode(), space, name) for stack, space, name in others}


@given(st.text(min_size=1))
def test_every_name_has_a_key_that_dynamodb_takes(name: str) -> None:
    assert len(keys.campaign_key(b"key", "acme", name)) == 22
