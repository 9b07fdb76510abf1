"""What is an address, and when two are one."""

import pytest

from polypost.adapters.keys import address_hash
from polypost.models.addresses import InvalidAddress, domain_of, normalised, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("max.mustermann@example.invalid", "max.mustermann@example.invalid"),
        ("Max@Example.COM", "Max@example.com"),
        ("max@bücher.example", "max@xn--bcher-kva.example"),
        ("max@xn--bcher-kva.example", "max@xn--bcher-kva.example"),
        ("bounce+label@simulator.amazonses.com", "bounce+label@simulator.amazonses.com"),
        ("o'neil_x-y=z@host.test", "o'neil_x-y=z@host.test"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "max",
        "@example.com",
        "max@",
        "max@localhost",
        "max@example..com",
        ".max@example.com",
        "max@[127.0.0.1]",
        '"max mustermann"@example.com',
        "müller@example.com",
        "Max <max@example.com>",
        "max@example.com,eva@example.com",
        f"{'x' * 65}@example.com",
        "max@example.com\n",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_address(text)


def test_the_domain_of_an_address() -> None:
    assert domain_of("max@Example.com") == "example.com"


def test_two_spellings_of_one_address() -> None:
    assert normalised(" Max@EXAMPLE.com ") == normalised("max@example.com")
    assert address_hash(b"k", "Max@EXAMPLE.com") == address_hash(b"k", "max@example.com")
    assert address_hash(b"k", "max@example.com") != address_hash(b"other", "max@example.com")
    assert address_hash(b"k", "max@example.com") != address_hash(b"k", "max@example.net")


@pytest.mark.parametrize("address", ["Max@Straße.example", "max@βόλος.example", "Max@BÜCHER.example", "a@Example.COM"])
def test_an_address_is_the_same_as_the_one_that_mail_goes_to(address: str) -> None:
    assert normalised(address) == normalised(parse_address(address))


def test_a_sharp_s_makes_another_domain() -> None:
    assert normalised("max@straße.example") != normalised("max@strasse.example")
