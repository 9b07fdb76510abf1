""".NET's values: dates of 100 nanoseconds, GUIDs, integers, booleans, lengths in UTF-16 units, byte arrays."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from polypost.models.date_time_offset import DateTimeOffset
from polypost.wire.dotnet import Boolean, ByteArray, Guid, Int32, MaxLength, RequiredText, parse_guid, utf16_length

GUID = UUID("6925ebd4-125d-4338-a736-99f4b5bcb3d7")


def read(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


def written(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).dump_python(read(kind, value), mode="json")


def problem(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as raised:
        read(kind, value)
    (error,) = raised.value.errors()
    return error["msg"]


# --- Dates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2024-11-21T06:24:04.0980817+00:00", "2024-11-21T06:24:04.0980817+00:00"),
        ("2024-11-21T06:24:04.0980817Z", "2024-11-21T06:24:04.0980817+00:00"),
        ("2024-11-21t06:24:04.5z", "2024-11-21T06:24:04.5000000+00:00"),
        ("2024-11-21T06:24:04", "2024-11-21T06:24:04.0000000+00:00"),
        ("2024-11-21T06:24", "2024-11-21T06:24:00.0000000+00:00"),
        ("2024-11-21 06:24:04+05:45", "2024-11-21T06:24:04.0000000+05:45"),
        ("2024-11-21T06:24:04.0000001-00:30", "2024-11-21T06:24:04.0000001-00:30"),
        ("2024-11-21T06:24:04-14:00", "2024-11-21T06:24:04.0000000-14:00"),
        ("  2024-02-29\n", "2024-02-29T00:00:00.0000000+00:00"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00.0000000+00:00"),
        ("0001-01-01T14:00:00+14:00", "0001-01-01T14:00:00.0000000+14:00"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999+00:00"),
        # Offsets as Java, SAP, PostgreSQL and SQL Server write them.
        ("2024-11-21T06:24:04.098+0000", "2024-11-21T06:24:04.0980000+00:00"),
        ("2024-11-21T06:24:04+0100", "2024-11-21T06:24:04.0000000+01:00"),
        ("2024-11-21T06:24:04-0930", "2024-11-21T06:24:04.0000000-09:30"),
        ("2024-11-21T06:24+01", "2024-11-21T06:24:00.0000000+01:00"),
        ("2024-11-21 06:24:04.5-11", "2024-11-21T06:24:04.5000000-11:00"),
        ("2024-11-21 06:24:04.0980817 +01:00", "2024-11-21T06:24:04.0980817+01:00"),
        ("2024-11-21T06:24:04 Z", "2024-11-21T06:24:04.0000000+00:00"),
        ("2024-11-21 06:24:04 GMT", "2024-11-21T06:24:04.0000000+00:00"),
        # Digits as Go and Java write them; the eighth rounds the seventh.
        ("2024-11-21T06:24:04.098081749Z", "2024-11-21T06:24:04.0980817+00:00"),
        ("2024-11-21T06:24:04.098081750Z", "2024-11-21T06:24:04.0980818+00:00"),
        ("2024-11-21T06:24:04.00000000", "2024-11-21T06:24:04.0000000+00:00"),
        ("2024-11-21T06:24:04.123456780000000000000000+02:00", "2024-11-21T06:24:04.1234568+02:00"),
        ("2024-12-31T23:59:59.99999995Z", "2025-01-01T00:00:00.0000000+00:00"),
        (f"2024-11-21T06:24:04.{'4' * 10_000}Z", "2024-11-21T06:24:04.4444444+00:00"),
        # Milliseconds since 1970, as JavaScriptSerializer and WCF write them.
        ("/Date(0)/", "1970-01-01T00:00:00.0000000+00:00"),
        ("/Date(1732170244098)/", "2024-11-21T06:24:04.0980000+00:00"),
        ("/Date(-1)/", "1969-12-31T23:59:59.9990000+00:00"),
        ("/Date(1732170244098+0100)/", "2024-11-21T07:24:04.0980000+01:00"),
        ("/Date(1732170244098-0930)/", "2024-11-20T20:54:04.0980000-09:30"),
        ("/Date(-62135596800000+01)/", "0001-01-01T01:00:00.0000000+01:00"),
        ("/Date(253402300799999)/", "9999-12-31T23:59:59.9990000+00:00"),
        # RFC 1123 and RFC 5322.
        ("Thu, 21 Nov 2024 06:24:04 GMT", "2024-11-21T06:24:04.0000000+00:00"),
        ("thu, 21 nov 2024 06:24:04 gmt", "2024-11-21T06:24:04.0000000+00:00"),
        ("Thu, 21 Nov 2024 01:24:04 +0500", "2024-11-21T01:24:04.0000000+05:00"),
        ("1 Jan 2024 06:24 -01:00", "2024-01-01T06:24:00.0000000-01:00"),
        ("Mon, 01 Jan 0001 00:00:00 GMT", "0001-01-01T00:00:00.0000000+00:00"),
        ("Thu, 29 Feb 2024 23:59:59 Z", "2024-02-29T23:59:59.0000000+00:00"),
    ],
)
def test_a_date(text: str, canonical: str) -> None:
    assert str(DateTimeOffset.parse(text)) == canonical
    assert written(DateTimeOffset, text) == canonical


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must be a date and time"),
        ("today", "must be a date and time"),
        ("2024-11-21T", "must be a date and time"),
        ("2024-11-21Z", "must be a date and time"),
        ("2024-11-21T06", "must be a date and time"),
        ("2024-11-21T06:24:04.Z", "must be a date and time"),
        ("2024-11-21T06:24:04  +00:00", "must be a date and time"),
        ("2024-11-21T06:24:04 01:00", "must be a date and time"),
        ("2024-11-21T06:24:04+1", "must be a date and time"),
        ("2024-11-21T06:24:04+001", "must be a date and time"),
        ("2024-11-21T06:24:04+00000", "must be a date and time"),
        ("2024-11-21T06:24:04+", "must be a date and time"),
        ("2024-11-21T06:24:04 CET", "must be a date and time"),
        ("2024-11-21T06:24:04,098Z", "must be a date and time"),
        ("11/21/2024 06:24:04", "must be a date and time"),
        ("21.11.2024", "must be a date and time"),
        ("20241121", "must be a date and time"),
        ("1732170244098", "must be a date and time"),
        ("/Date()/", "must be a date and time"),
        ("/Date(1.5)/", "must be a date and time"),
        ("/Date(+1)/", "must be a date and time"),
        ("/Date(1732170244098+1)/", "must be a date and time"),
        ("/date(1732170244098)/", "must be a date and time"),
        ("Date(1732170244098)", "must be a date and time"),
        (f"/Date({'9' * 10_000})/", "must be a date and time"),
        ("Thu, 21 Nov 2024 06:24:04", "must be a date and time"),
        ("Thu 21 Nov 2024 06:24:04 GMT", "must be a date and time"),
        ("Thu, 21 Nov 24 06:24:04 GMT", "must be a date and time"),
        ("Thu, 21 November 2024 06:24:04 GMT", "must be a date and time"),
        ("Thu, 21 \u017fep 2024 06:24:04 GMT", "must be a date and time"),
        ("Fri, 21 Nov 2024 06:24:04 GMT", "weekday"),
        ("31 Nov 2024 06:24:04 GMT", "that exist"),
        ("24-11-21", "must be a date and time"),
        ("٢٠٢٤-11-21", "must be a date and time"),
        ("2024-11-21T24:00:00", "that exist"),
        ("2024-11-21T06:60:00", "that exist"),
        ("2016-12-31T23:59:60Z", "that exist"),
        ("2023-02-29", "that exist"),
        ("2024-13-01", "that exist"),
        ("0000-01-01", "that exist"),
        ("2024-11-21T06:24:04+14:01", "offset of at most 14:00"),
        ("2024-11-21T06:24:04-15:00", "offset of at most 14:00"),
        ("2024-11-21T06:24:04+01:60", "offset of at most 14:00"),
        ("0001-01-01T00:00:00+00:01", "from year 1 to year 9999"),
        ("9999-12-31T23:59:59-00:01", "from year 1 to year 9999"),
        ("9999-12-31T23:59:59.99999995Z", "from year 1 to year 9999"),
        ("/Date(253402300800000)/", "from year 1 to year 9999"),
        ("/Date(253402300799999+0001)/", "from year 1 to year 9999"),
        ("/Date(-62135596800000-0001)/", "from year 1 to year 9999"),
        ("/Date(0+1500)/", "offset of at most 14:00"),
        ("2024-11-21T06:24:04+1401", "offset of at most 14:00"),
        ("2024-11-21T06:24:04-15", "offset of at most 14:00"),
    ],
)
def test_a_text_that_is_no_date(text: str, why: str) -> None:
    assert why in problem(DateTimeOffset, text)


@pytest.mark.parametrize("value", [None, 5, True, ["2024-11-21"], datetime(2024, 1, 1, tzinfo=UTC)])
def test_a_date_is_a_text(value: object) -> None:
    assert "must be a date and time" in problem(DateTimeOffset, value)


MAX_TICKS = DateTimeOffset.parse("9999-12-31T23:59:59.9999999Z").ticks
OFFSETS = st.integers(-14 * 60, 14 * 60)
MARGIN = 14 * 60 * 60 * 10_000_000
DATES = st.builds(DateTimeOffset, st.integers(MARGIN, MAX_TICKS - MARGIN), OFFSETS)


@given(DATES)
def test_no_digit_and_no_offset_is_lost(date: DateTimeOffset) -> None:
    again = DateTimeOffset.parse(str(date))
    assert (again.ticks, again.offset_minutes) == (date.ticks, date.offset_minutes)
    assert read(DateTimeOffset, date) is date


@given(DATES, DATES)
def test_dates_are_ordered_as_their_instants(one: DateTimeOffset, other: DateTimeOffset) -> None:
    assert (one < other) == (one.ticks < other.ticks)
    same_instant = DateTimeOffset(one.ticks, other.offset_minutes)
    assert same_instant == one
    assert hash(same_instant) == hash(one)
    assert not one < same_instant


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - the time zone is the next argument
    OFFSETS.map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_a_date_agrees_with_datetime(local: datetime, zone: timezone) -> None:
    moment = local.replace(tzinfo=zone)
    assert DateTimeOffset.parse(moment.isoformat()).to_utc() == moment
    assert DateTimeOffset.from_datetime(moment).to_utc() == moment
    assert DateTimeOffset.from_datetime(moment).offset_minutes == 0


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - the time zone is the next argument
    OFFSETS.map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_a_date_is_the_same_however_it_is_spelled(local: datetime, zone: timezone) -> None:
    moment = local.replace(microsecond=local.microsecond // 1000 * 1000, tzinfo=zone)
    offset = moment.strftime("%z")
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    written = str(DateTimeOffset.parse(moment.isoformat()))
    iso = moment.replace(tzinfo=None).isoformat()
    assert str(DateTimeOffset.parse(f"{iso}{offset}")) == written
    assert str(DateTimeOffset.parse(f"{iso} {offset}")) == written
    assert str(DateTimeOffset.parse(f"/Date({milliseconds}{offset})/")) == written
    seconds = moment.replace(microsecond=0)
    assert DateTimeOffset.parse(format_datetime(seconds)).to_utc() == seconds
    # Python writes "GMT" in the place of an offset of none.
    assert DateTimeOffset.parse(format_datetime(seconds.astimezone(UTC), usegmt=True)).to_utc() == seconds


def test_a_datetime_is_cut_to_microseconds() -> None:
    assert DateTimeOffset.parse("2024-11-21T06:24:04.0980819Z").to_utc() == datetime(
        2024, 11, 21, 6, 24, 4, 98081, tzinfo=UTC
    )


def test_now_lies_between_two_readings_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    before = datetime.now(UTC)
    now = DateTimeOffset.now()
    assert before <= now.to_utc() <= datetime.now(UTC)
    monkeypatch.setattr("polypost.models.date_time_offset.time.time_ns", lambda: 1_732_170_244_098_081_799)
    assert str(DateTimeOffset.now()) == "2024-11-21T06:24:04.0980817+00:00"


# --- GUIDs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "6925ebd4125d4338a73699f4b5bcb3d7",
        "6925ebd4-125d-4338-a736-99f4b5bcb3d7",
        "{6925EBD4-125D-4338-A736-99F4B5BCB3D7}",
        "(6925ebd4-125d-4338-a736-99f4b5bcb3d7)",
        "{0x6925ebd4,0x125d,0x4338,{0xa7,0x36,0x99,0xf4,0xb5,0xbc,0xb3,0xd7}}",
        "{0X6925EBD4, 0X125D, 0X4338, {0XA7, 0X36, 0X99, 0XF4, 0XB5, 0XBC, 0XB3, 0XD7}}",
        "\n 6925ebd4-125d-4338-a736-99f4b5bcb3d7 ",
    ],
)
def test_a_guid_in_each_format(text: str) -> None:
    assert parse_guid(text) == GUID
    assert written(Guid, text) == "6925ebd4-125d-4338-a736-99f4b5bcb3d7"


def test_a_guid_with_short_parts() -> None:
    assert parse_guid("{0x1,0x2,0x3,{0x4,0x5,0x6,0x7,0x8,0x9,0xa,0xb}}") == UUID("00000001-0002-0003-0405-060708090a0b")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "6925ebd4-125d-4338-a736-99f4b5bcb3d",
        "6925ebd4125d-4338-a736-99f4b5bcb3d7",
        "{6925ebd4125d4338a73699f4b5bcb3d7}",
        "{6925ebd4-125d-4338-a736-99f4b5bcb3d7",
        "(6925ebd4-125d-4338-a736-99f4b5bcb3d7}",
        "urn:uuid:6925ebd4-125d-4338-a736-99f4b5bcb3d7",
        "6925ebd4-125d-4338-a736-99f4b5bcb3dg",
        "٦925ebd4-125d-4338-a736-99f4b5bcb3d7",
        "{0x6925ebd4,0x125d,0x4338,{0xa7,0x36,0x99,0xf4,0xb5,0xbc,0xb3}}",
        5,
        None,
        b"6925ebd4125d4338a73699f4b5bcb3d7",
        ["a"],
    ],
)
def test_what_is_no_guid(value: object) -> None:
    assert problem(Guid, value) == "is not valid"


@given(st.uuids())
def test_every_guid_in_every_format(guid: UUID) -> None:
    spelled = str(guid)
    for text in (spelled, spelled.upper(), guid.hex, f"{{{spelled}}}", f"({spelled})"):
        assert parse_guid(text) == guid


# --- Integers and booleans --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        ("5", 5),
        (" +5 ", 5),
        ("-0", 0),
        ("007", 7),
        ("2147483647", 2147483647),
        ("-2147483648", -2147483648),
    ],
)
def test_an_integer(value: object, number: int) -> None:
    assert read(Int32, value) == number


@pytest.mark.parametrize("value", ["", "1.0", "1e3", "0x10", "1 0", "1_000", "٥", True, 1.0, None, [1], "9" * 5000])
def test_what_is_no_integer(value: object) -> None:
    assert problem(Int32, value) == "is not valid"


@pytest.mark.parametrize("value", ["2147483648", -2147483649, "99999999999999999999"])
def test_an_integer_that_32_bits_do_not_hold(value: object) -> None:
    assert "less than or equal" in problem(Int32, value) or "greater than or equal" in problem(Int32, value)


@pytest.mark.parametrize(
    ("value", "truth"),
    [(True, True), (False, False), ("true", True), ("FALSE", False), (" True ", True), ("1", True), ("0", False)],
)
def test_a_boolean(value: object, truth: bool) -> None:
    assert read(Boolean, value) is truth


@pytest.mark.parametrize("value", ["", "yes", "on", "2", 1, None, [], "tru"])
def test_what_is_no_boolean(value: object) -> None:
    assert problem(Boolean, value) == "is not valid"


def test_the_values_have_json_schemas() -> None:
    for kind, schema in [
        (Int32, {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}),
        (Boolean, {"type": "boolean"}),
        (Guid, {"type": "string", "format": "uuid"}),
        (DateTimeOffset, {"type": "string", "format": "date-time"}),
    ]:
        assert TypeAdapter[Any](kind).json_schema() == schema


# --- Text and bytes ---------------------------------------------------------------------------------------------------


@given(st.text())
def test_a_length_in_utf_16_units(text: str) -> None:
    assert utf16_length(text) == sum(2 if ord(character) > 0xFFFF else 1 for character in text)


def test_a_text_may_be_as_long_as_its_limit() -> None:
    short = Annotated[str, MaxLength(4)]
    assert read(short, "") == ""
    assert read(short, "äöüß") == "äöüß"
    assert read(short, "😀😀") == "😀😀"
    assert problem(short, "😀😀a") == "must be a string with a maximum length of 4"
    assert read(Annotated[str | None, MaxLength(4)], None) is None
    assert read(short | None, None) is None
    assert TypeAdapter(short).json_schema() == {"type": "string", "maxLength": 4}


@pytest.mark.parametrize("value", ["", " ", "\t\n\u3000"])
def test_a_required_text_is_not_blank(value: str) -> None:
    assert problem(RequiredText, value) == "is required"
    assert read(RequiredText, "0") == "0"


def test_bytes_are_base64() -> None:
    assert read(ByteArray, "QEA=") == b"@@"
    assert read(ByteArray, b"QEA=") == b"QEA="
    assert written(ByteArray, b"\xfb\xff") == "+/8="
    for value in ("QEA", "Q E A =", "-_8=", "ü", None, 5, [64, 64]):
        assert problem(ByteArray, value) == "must be base64"
