"""What makes a contact unique in its space."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypost.models.access import SpaceSettings
from polypost.models.contacts import Claim, ClaimKind, ExternalId, Profile, claims_of

SETTINGS = SpaceSettings()


def claims(settings: SpaceSettings = SETTINGS, **members: Any) -> list[Claim]:
    return list(claims_of(Profile(**members), settings))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"email": "Ann@Example.com"}, {"email": " ann@example.COM "}),
        ({"email": "ann@bücher.example"}, {"email": "ann@xn--bcher-kva.example"}),
        ({"phone": "12 34-56.78"}, {"phone": "(12) 34 56 78"}),
        ({"phone": "12345678"}, {"phone": "١٢٣٤٥٦٧٨"}),  # the same digits in Arabic
        ({"first_name": "Ann", "last_name": "Lee"}, {"first_name": " ANN ", "last_name": "lee"}),
        ({"first_name": "Zoe\u0301", "last_name": "Lee"}, {"first_name": "Zo\u00e9", "last_name": "Lee"}),
        ({"first_name": "Anna  Maria", "last_name": "Lee"}, {"first_name": "anna maria", "last_name": "LEE"}),
    ],
)
def test_two_spellings_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert claims(**one) == claims(**other) != []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"email": "ann@example.com"}, {"email": "ann+shop@example.com"}),
        ({"phone": "12345678"}, {"phone": "1234567"}),
        ({"first_name": "Ann", "last_name": "Lee"}, {"first_name": "Lee", "last_name": "Ann"}),
        ({"first_name": "Ann Lee", "last_name": "Ray"}, {"first_name": "Ann", "last_name": "Lee Ray"}),
    ],
)
def test_two_values_are_not(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert claims(**one) != claims(**other)


@pytest.mark.parametrize(
    "members",
    [
        {"email": ""},
        {"email": " \t"},
        {"phone": ""},
        {"phone": " - "},
        {"first_name": "Ann"},
        {"last_name": "Lee"},
        {"first_name": "Ann", "last_name": " "},
    ],
)
def test_a_blank_value_claims_nothing(members: dict[str, Any]) -> None:
    assert claims(**members) == []


def test_a_space_can_switch_the_name_rule_off() -> None:
    assert claims(SpaceSettings(unique_names=False), first_name="Ann", last_name="Lee") == []


def test_a_space_can_tell_phones_apart_by_their_country() -> None:
    wide = SpaceSettings(phone_with_country_code=True)
    denmark = claims(wide, phone="12345678", phone_country_code="+45")
    assert denmark == claims(wide, phone="12345678", phone_country_code="0045")
    assert denmark != claims(wide, phone="12345678", phone_country_code="46")
    assert claims(phone="12345678", phone_country_code="45") == claims(phone="12345678", phone_country_code="46")


def test_each_external_id_is_claimed() -> None:
    ids = (ExternalId("shop", "1"), ExternalId("shop", "2"), ExternalId("till", "1"))
    assert [claim.parts for claim in claims(external_ids=ids)] == [("shop", "1"), ("shop", "2"), ("till", "1")]


GUID = "3d6ab237-6e5e-4e4a-b76a-4ebe7d89b9e0"


def test_of_an_external_id_case_matters_unless_it_is_a_guid() -> None:
    def claim(external_id: str) -> list[Claim]:
        return claims(external_ids=(ExternalId("crm", external_id),))

    assert claim(GUID) == claim(GUID.upper())
    assert claim("egkKDgANTq4") != claim("EGKKDGANTQ4")
    assert claim(f"{GUID}-A") != claim(f"{GUID}-a")


@given(st.text(), st.text(), st.text(), st.text())
def test_what_is_normalised_stays_as_it_is(email: str, phone: str, first: str, last: str) -> None:
    once = {claim.kind: claim.parts for claim in claims(email=email, phone=phone, first_name=first, last_name=last)}
    first_again, last_again = once.get(ClaimKind.NAME, ("", ""))
    again = claims(
        email=once.get(ClaimKind.EMAIL, ("",))[0],
        phone=once.get(ClaimKind.PHONE, ("",))[0],
        first_name=first_again,
        last_name=last_again,
    )
    assert {claim.kind: claim.parts for claim in again} == once


@given(st.emails())
def test_case_and_surrounding_space_never_tell_addresses_apart(email: str) -> None:
    assert claims(email=email) == claims(email=f" {email.upper()}\n") == claims(email=email.swapcase())
