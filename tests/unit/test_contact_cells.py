"""Contacts as rows of a file, and rows as contacts."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypost.dialects.contacts.files import EXPORTED, IMPORTED, decode_cells, encode_cells
from polypost.errors import InvalidRequest
from polypost.models.contacts import Contact, ExternalId, Profile, Registration
from polypost.models.date_time_offset import DateTimeOffset
from polypost.wire.dotnet import utf16_length


def texts(units: int) -> st.SearchStrategy[str]:
    """Texts that are not blank."""
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    fitting = st.text(characters, min_size=1, max_size=units).filter(lambda text: utf16_length(text) <= units)
    return fitting.filter(str.strip)


moments = st.builds(DateTimeOffset, st.integers(10**13, 3 * 10**18), offset_minutes=st.integers(-14 * 60, 14 * 60))
numbers = st.integers(-(2**31), 2**31 - 1)
contacts = st.builds(
    Contact,
    id=st.integers(1, 2**31 - 1),
    secret=st.just("secret"),
    registration=st.builds(
        Registration, texts(50), moments, ip=st.sampled_from(["", "192.0.2.1"]), store_id=st.none() | numbers
    ),
    profile=st.builds(
        Profile,
        email=st.none() | texts(250),
        phone_country_code=st.none() | texts(10),
        phone=st.none() | texts(20),
        first_name=st.none() | texts(50),
        last_name=st.none() | texts(50),
        limit_mails_permanently=st.booleans(),
        limit_mails_temporarily_until=st.none() | moments,
        preferred_store_id=st.none() | numbers,
        contact_company_id=st.none() | numbers,
        latest_permission_source=st.none() | texts(100),
        external_ids=st.lists(st.builds(ExternalId, texts(50), texts(100)), max_size=3, unique=True).map(tuple),
    ),
    last_modified=moments,
    version=st.binary(min_size=8, max_size=8),
)


@given(contacts)
def test_what_is_exported_can_be_imported(contact: Contact) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(encode_cells(contact))
    text.seek(0)
    (cells,) = csv.reader(text, strict=True)
    row = dict(zip(EXPORTED, cells, strict=True))
    registration, profile = decode_cells({name: row[name] for name in IMPORTED})
    assert profile == contact.profile
    assert registration == contact.registration
    # Moments are equal as instants; the offsets are kept too.
    assert str(registration.date_time) == str(contact.registration.date_time)


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({}, "The RegistrationSource field is required."),
        ({"RegistrationSource": " "}, "The RegistrationSource field is required."),
        ({"RegistrationIp": "1.2.3"}, "The field RegistrationIp must be an IPv4 address such as 127.0.0.1."),
        ({"PreferredStoreId": "1.5"}, "The value '1.5' is not valid for PreferredStoreId."),
        ({"FirstName": "A\0"}, "The field FirstName holds a character that is no text."),
        ({"ExternalIds": "shop:1"}, "The field ExternalIds is not JSON: Expecting value: line 1 column 1 (char 0)."),
        ({"ExternalIds": "[" * 10_000}, "The field ExternalIds is nested too deeply."),
        ({"ExternalIds": "[" * 100_000}, "The field ExternalIds has more than 20000 names and values."),
        ({"ExternalIds": r'[{"System": "a", "Id": "\ud800"}]'}, "The field ExternalIds is not JSON: half a surrogate"),
        ({"ExternalIds": '[{"System": "a"}]'}, "The ExternalIds[0].Id field is required."),
        (
            {"ExternalIds": '[{"System": "a", "Id": "1", "Id": "2"}]'},
            "The field ExternalIds[0].Id is given more than once.",
        ),
    ],
)
def test_a_cell_that_is_no_value_is_named(cells: dict[str, str], problem: str) -> None:
    source = {} if not cells or "RegistrationSource" in cells else {"RegistrationSource": "web"}
    with pytest.raises(InvalidRequest) as refused:
        decode_cells(source | cells)
    assert problem in " ".join(message for messages in refused.value.problems.values() for message in messages)


def test_a_blank_cell_is_no_value() -> None:
    registration, profile = decode_cells(dict.fromkeys(IMPORTED, " ") | {"RegistrationSource": "web"})
    assert (registration.source, registration.ip, registration.store_id) == ("web", "", None)
    assert profile == Profile()
