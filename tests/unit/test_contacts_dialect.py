"""The contacts dialect: what a query asks for, cursors, and the size of a part of the list."""

import json
from base64 import urlsafe_b64encode
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypost.dialects.contacts import lists
from polypost.dialects.contacts.lists import ChangesQuery, decode_cursor, decode_query, encode_changes, encode_cursor
from polypost.errors import InvalidRequest
from polypost.models.contacts import (
    FEED_POSITION,
    MAX_EXTERNAL_IDS,
    ChangePage,
    Contact,
    EmailLookup,
    ExternalId,
    PhoneLookup,
    Profile,
    Registration,
    SecretLookup,
    Tombstone,
    feed_position,
)
from polypost.models.date_time_offset import DateTimeOffset
from polypost.web.http import Request, Response

MOMENT = DateTimeOffset.parse("2024-11-21T06:24:04.0980817+00:00")
QUERY = ChangesQuery("", 1000)

#: What a function may give to API Gateway, in bytes (Lambda developer guide, "Lambda quotas").
LONGEST_RESULT = 6_291_556


def request(query: str = "") -> Request:
    return Request("GET", "/api/v1/Contacts", query, domain_name="acme.example.com")


# --- Queries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("secret=abc", SecretLookup("abc")),
        ("SECRET=abc", SecretLookup("abc")),
        ("secret=", SecretLookup("")),
        ("Email=ann%40example.com", EmailLookup("ann@example.com")),
        ("email=", EmailLookup("")),
        ("email=max+shop@example.com", EmailLookup("max+shop@example.com", otherwise="max shop@example.com")),
        ("EMAIL=max+a%20b%40example.com", EmailLookup("max+a b@example.com", otherwise="max a b@example.com")),
        ("email=max%2Bshop@example.com", EmailLookup("max+shop@example.com")),
        ("email=max%20shop@example.com", EmailLookup("max shop@example.com")),
        ("email=sample+string+3", EmailLookup("sample string 3")),
        ("phone=12%2034", PhoneLookup("12 34")),
        ("phone=12&PhoneCountryCode=%2B45", PhoneLookup("12", "+45")),
        ("externalsystem=shop&externalid=a%2Fb", ExternalId("shop", "a/b")),
        ("", ChangesQuery("", 100)),
        ("limit=&cursor=&modifiedSince=", ChangesQuery("", 100)),
        ("LIMIT=1000&unknown=1&unknown=2", ChangesQuery("", 1000)),
        ("limit=7&cursor=MDAwMDAwMDAwMDAwMDAwMDAwNQ", ChangesQuery("0000000000000000005", 7)),
    ],
)
def test_what_a_query_asks_for(query: str, wanted: object) -> None:
    assert decode_query(request(query)) == wanted


@pytest.mark.parametrize(
    ("since", "moment"),
    [
        ("2024-11-21", "2024-11-21T00:00:00Z"),
        ("2024-11-21T06:24:04.0980817Z", "2024-11-21T06:24:04.0980817Z"),
        ("2024-11-21T06:24:04.0980817%2B02:00", "2024-11-21T04:24:04.0980817Z"),
        ("2024-11-21T06:24:04.0980817+02:00", "2024-11-21T04:24:04.0980817Z"),
        ("2024-11-21T06:24+02:00", "2024-11-21T04:24:00Z"),
        ("2024-11-21T06:24:04.5+0200", "2024-11-21T04:24:04.5Z"),
        ("2024-11-21T06:24:04+02", "2024-11-21T04:24:04Z"),
        ("2024-11-21T06:24:04%2B0200", "2024-11-21T04:24:04Z"),
        ("2024-11-21+06:24:04", "2024-11-21T06:24:04Z"),
        ("Thu,+21+Nov+2024+06:24:04+GMT", "2024-11-21T06:24:04Z"),
        ("/Date(1732170244098)/", "2024-11-21T06:24:04.098Z"),
        ("2024-11-21T06:24:04-02:00", "2024-11-21T08:24:04Z"),
        # With a blank in the place of the T, and no offset.
        ("2024-11-21+06:24", "2024-11-21T06:24:00Z"),
        ("2024-11-21%2006:24:04", "2024-11-21T06:24:04Z"),
    ],
)
def test_a_moment_may_have_a_plus_sign_that_was_not_escaped(since: str, moment: str) -> None:
    position = feed_position(DateTimeOffset.parse(moment))
    assert decode_query(request(f"modifiedSince={since}")) == ChangesQuery(position, 100)


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("secret=a&email=b", "email", "secret, email cannot be asked for together"),
        ("email=b&limit=5", "email", "email, limit cannot be asked for together"),
        ("phone=1&externalId=2", "externalId", "phone, externalId cannot be asked for together"),
        ("phoneCountryCode=45", "phone", "phone is required beside phoneCountryCode"),
        ("externalSystem=shop", "externalId", "externalId is required beside externalSystem"),
        ("externalId=1", "externalSystem", "externalSystem is required beside externalId"),
        ("secret=a&Secret=b", "secret", "more than once"),
        ("limit=0", "limit", "a number from 1 to 1000"),
        ("limit=1001", "limit", "a number from 1 to 1000"),
        ("limit=-1", "limit", "a number from 1 to 1000"),
        ("limit=1e2", "limit", "a number from 1 to 1000"),
        ("limit=%D9%A1", "limit", "a number from 1 to 1000"),
        ("modifiedSince=today", "modifiedSince", "modifiedSince must be a date and time"),
        ("modifiedSince=2024-02-30", "modifiedSince", "modifiedSince must name a day"),
        ("cursor=abc", "cursor", "one that an earlier answer gave"),
        ("cursor=MDAwMDAwMDAwMDAwMDAwMDAwNQ&modifiedSince=2024-11-21", "cursor", "cannot be asked for together"),
        ("email=%FF", "", "not UTF-8"),
    ],
)
def test_what_a_query_cannot_ask_for(query: str, field: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as error:
        decode_query(request(query))
    assert error.value.field == field


# --- Cursors ----------------------------------------------------------------------------------------------------------


@given(st.from_regex(FEED_POSITION, fullmatch=True))
def test_a_cursor_leads_back_to_its_position(position: str) -> None:
    cursor = encode_cursor(position)
    assert decode_cursor(cursor) == position
    # Nothing in it needs escaping in a URL.
    assert parse_qs(f"cursor={cursor}") == {"cursor": [cursor]}


def is_refused(cursor: str) -> bool:
    """Whether a text is no cursor; any other error of it is one of the test too."""
    try:
        decode_cursor(cursor)
    except InvalidRequest as error:
        return error.field == "cursor"
    return False


@given(st.text())
def test_any_other_text_is_no_cursor(text: str) -> None:
    assert is_refused(text)


@given(st.binary())
def test_other_bytes_are_no_position(data: bytes) -> None:
    assert is_refused(urlsafe_b64encode(data).decode().rstrip("="))


@given(st.from_regex(FEED_POSITION, fullmatch=True), st.sampled_from("=\n -_AB!é"), st.integers(0, 60))
def test_a_cursor_has_one_spelling(position: str, character: str, index: int) -> None:
    cursor = encode_cursor(position)
    spelled = cursor[:index] + character + cursor[index:]
    assert is_refused(spelled) or encode_cursor(decode_cursor(spelled)) == spelled


# --- The list ---------------------------------------------------------------------------------------------------------


def a_contact(number: int, fill: str) -> Contact:
    """A contact whose every text is as long as may be."""
    profile = Profile(
        email=fill * 250,
        phone_country_code=fill * 10,
        phone=fill * 20,
        first_name=fill * 50,
        last_name=fill * 50,
        limit_mails_temporarily_until=MOMENT,
        preferred_store_id=-(2**31),
        contact_company_id=-(2**31),
        latest_permission_source=fill * 4000,
        external_ids=tuple(ExternalId(fill * 50, fill * 100) for _ in range(MAX_EXTERNAL_IDS)),
    )
    moment = DateTimeOffset(MOMENT.ticks + number)
    registration = Registration(fill * 50, MOMENT, "255.255.255.255", -(2**31))
    return Contact(number, "s" * 27, registration, profile, moment, moment.ticks.to_bytes(8))


def position_after(response: Response) -> tuple[str, str]:
    """Where a response says that the list goes on, and how that is called."""
    url, rel = response.headers["Link"].removeprefix("<").split(">; rel=")
    parameters = parse_qs(urlsplit(url).query, keep_blank_values=True)
    assert parameters["limit"] == ["1000"]
    (cursor,) = parameters["cursor"]
    return decode_cursor(cursor) if cursor else "", rel.strip('"')


def result_of(response: Response) -> bytes:
    return json.dumps(response.to_event(), ensure_ascii=False).encode()


@pytest.mark.parametrize("fill", ["a", '"', "\\", "\x01", "€"])
def test_a_part_fits_into_a_response_whatever_is_in_it(fill: str) -> None:
    every = tuple(a_contact(number, fill) for number in range(1000))
    response = encode_changes(request(), QUERY, ChangePage(every, feed_position(MOMENT), has_more=False))
    listed = json.loads(response.body)
    assert 50 <= len(listed) < 1000
    assert len(result_of(response)) < LONGEST_RESULT
    assert position_after(response) == (feed_position(every[len(listed)].last_modified), "next")


def test_a_part_that_ends_early_ends_before_a_deletion_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_RESPONSE_BYTES", 100)
    changes = tuple(Tombstone(number, DateTimeOffset(MOMENT.ticks + number)) for number in range(4))
    response = encode_changes(request(), QUERY, ChangePage(changes, feed_position(MOMENT), has_more=False))
    assert [each["Id"] for each in json.loads(response.body)] == [0]
    assert position_after(response) == (feed_position(changes[1].deleted), "next")


@pytest.mark.parametrize(
    ("page", "rel"),
    [
        (ChangePage((), "", has_more=False), "monitor"),
        (ChangePage((), feed_position(MOMENT), has_more=False), "monitor"),
        (ChangePage((Tombstone(1, MOMENT),), feed_position(MOMENT), has_more=True), "next"),
    ],
)
def test_there_is_always_somewhere_to_go_on(page: ChangePage, rel: str) -> None:
    response = encode_changes(request(), QUERY, page)
    assert position_after(response) == (page.position, rel)
    link = urlsplit(response.headers["Link"][1:].partition(">")[0])
    assert (link.scheme, link.netloc, link.path) == ("https", "acme.example.com", "/api/v1/Contacts")
    assert decode_query(request(link.query)) == ChangesQuery(page.position, 1000)
