"""Mails that other systems sent: what is stored of them, whole and once."""

import json
import random
import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from itertools import count
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from polypost import runtime
from polypost.adapters import keys
from polypost.adapters.clients import TransactionConflict
from polypost.adapters.dynamodb import from_item
from polypost.adapters.log_entries import MAX_BODY_BYTES, LogEntries
from polypost.errors import PayloadTooLarge
from polypost.models.access import Space
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.log_entries import LogEntry, LogEntryRecord
from support.dynamodb import DynamodbEngine
from support.parallel import in_parallel
from support.stops import every_stop
from support.stratuscore import ENTRY, entry_body, entry_xml, message_of
from support.template_engine import Engine

from .conftest import CREATED_AT, SECRET, Answer, Api, create_credential
from .dialect_battery import random_text
from .test_promotion_mails import new_customer

PATH = "/api/v1/contact/coffeepage"
NOW = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
SENT = LogEntry(
    email="max@example.net",
    subject="Your order",
    sent_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    sent_by="shop@example.com",
    body="Thank you for your order.",
)

#: Every character that there is, but the halves of surrogate pairs, which are none.
ALL_CHARACTERS = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))


def log(api: Api, **members: Any) -> Answer:
    body = entry_body((api.keyid, SECRET), **members)
    encoded = json.dumps(body, ensure_ascii=False).encode()
    return api.http("POST", PATH, body=encoded, headers={"content-type": "application/json", "authorization": ""})


def logged(api: Api, **members: Any) -> str:
    """Log a mail; the id of its entry."""
    answer = log(api, **members)
    assert answer.status == 200, answer.body
    code, description = message_of(json.dumps(answer.body))
    assert code == "00"
    return description.removeprefix("Saved as ").removesuffix(".")


def stored(entry_id: str) -> tuple[LogEntryRecord, str | None]:
    found = runtime.log_entries().get(entry_id)
    assert found is not None
    return found


def items(engine: DynamodbEngine) -> list[dict[str, Any]]:
    pages = engine.client.get_paginator("scan").paginate(TableName=engine.tables["LogsTable"])
    return [from_item(item) for page in pages for item in page["Items"]]


# --- The endpoint -----------------------------------------------------------------------------------------------------


def test_an_entry_is_read_back(api: Api) -> None:
    before = datetime.now(UTC)
    entry_id = logged(api)
    record, body = stored(entry_id)
    assert 0 <= (record.logged_at - before).total_seconds() + 0.001 <= 60
    assert (replace(record, logged_at=NOW), body) == (
        LogEntryRecord(entry_id, api.space, SENT.email, SENT.subject, SENT.sent_at, SENT.sent_by, logged_at=NOW),
        SENT.body,
    )
    assert runtime.log_entries().get("0" * 32) is None


def test_the_same_entry_again_is_stored_once_in_whatever_format(api: Api) -> None:
    first = stored(logged(api))
    assert stored(logged(api)) == first
    for spelled in ("max@EXAMPLE.net ", "\ufeffMAX@example.net.", "Max <max@example.net>", "mailto:max@example.net"):
        assert stored(logged(api, Email=spelled)) == first
    for spelled in ("2026-01-02T03:04:05Z", "2026-01-02T04:04:05+0100", "/Date(1767323045000)/"):
        assert stored(logged(api, DateSent=spelled)) == first
    answer = api.result(
        "stratuscore_log",
        "POST",
        PATH,
        body=entry_xml((api.keyid, SECRET)).encode(),
        headers={"content-type": "text/xml", "authorization": ""},
    )
    assert message_of(answer["body"]) == ("00", f"Saved as {first[0].id}.")
    assert stored(first[0].id) == first


@pytest.mark.parametrize(
    "other",
    [
        {"Email": "ann@example.net"},
        {"SubjectLine": "Your Order"},
        {"DateSent": "2026-01-02 03:04:06"},
        {"SentBy": "shop@example.org"},
        {"EmailBody": "Thank you for your order!"},
        # The same text, cut elsewhere.
        {"SubjectLine": "Your ", "SentBy": "ordershop@example.com"},
        *({name: None} for name in ENTRY),
        *({name: ""} for name in ENTRY if name != "DateSent"),
    ],
)
def test_any_difference_makes_another_entry(api: Api, other: dict[str, str | None]) -> None:
    assert logged(api) != logged(api, **other)


def test_another_spaces_entry_is_another(api: Api) -> None:
    other_space = f"other-{api.space}"
    assert runtime.access().create_space(Space(id=other_space, created_at=CREATED_AT))
    create_credential(f"key-of-{other_space}", other_space)
    other = replace(api, space=other_space, keyid=f"key-of-{other_space}")
    assert logged(api) != logged(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00\x01\x1f\x7f",
        "line\nfeed\r\nreturn\r",
        "<html>&amp;]]></html>",
        "👨\u200d👩\u200d👧 e\u0301 שלום \u2028\ufeff\ufffe\uffff",
        ALL_CHARACTERS,
    ],
    ids=["empty", "control", "lines", "markup", "emoji", "all"],
)
def test_a_body_of_any_unicode_is_read_back_whole(api: Api, text: str) -> None:
    assert stored(logged(api, EmailBody=text))[1] == text


def test_a_body_of_one_mebibyte_that_does_not_compress_is_read_back_whole(api: Api) -> None:
    alphabet = ALL_CHARACTERS[0x80:]
    text = "".join(random.Random(1).choices(alphabet, k=300_000))  # noqa: S311 - reproducible, not secret
    assert len(text.encode()) > 1_048_576
    assert stored(logged(api, EmailBody=text))[1] == text


@pytest.mark.parametrize("text", ["", "x" * 100, "\N{PARTY POPPER}" * 50])
def test_a_subject_of_at_most_100_characters_may_be_empty(api: Api, text: str) -> None:
    assert stored(logged(api, SubjectLine=text))[0].subject == text


TOLD = {
    "Email": SENT.email,
    "SubjectLine": SENT.subject,
    "DateSent": SENT.sent_at,
    "SentBy": SENT.sent_by,
    "EmailBody": SENT.body,
}


def told(entry_id: str) -> dict[str, Any]:
    """What an entry holds, by the names of the document."""
    record, body = stored(entry_id)
    return dict(zip(TOLD, (record.email, record.subject, record.sent_at, record.sent_by, body), strict=True))


@pytest.mark.parametrize("name", [*ENTRY])
@pytest.mark.parametrize("media_type", ["application/json", "text/xml"])
def test_what_is_null_or_absent_is_logged_as_it_came(api: Api, name: str, media_type: str) -> None:
    if media_type == "text/xml":
        document = entry_xml((api.keyid, SECRET))
        absent = re.sub(f"<{name}>.*</{name}>", "", document)
        null = re.sub(f"<{name}>.*</{name}>", f'<{name} i:nil="true"/>', document)
    else:
        body = entry_body((api.keyid, SECRET), **{name: None})
        null = json.dumps(body)
        del body["Request"][name]
        absent = json.dumps(body)
    ids = set()
    for body_text in (null, absent):
        headers = {"content-type": media_type, "authorization": "", "accept": "application/json"}
        answer = api.http("POST", PATH, body=body_text.encode(), headers=headers)
        assert answer.status == 200, answer.body
        ids.add(message_of(json.dumps(answer.body))[1].removeprefix("Saved as ").removesuffix("."))
    (entry_id,) = ids
    assert told(entry_id) == TOLD | {name: None}


def test_an_entry_may_tell_nothing_at_all(api: Api) -> None:
    body = entry_body((api.keyid, SECRET)) | {"Request": {}}
    answer = api.http("POST", PATH, body=body)
    assert answer.status == 200
    entry_id = answer.body["Message"]["Description"].removeprefix("Saved as ").removesuffix(".")
    assert told(entry_id) == dict.fromkeys(TOLD)


@pytest.mark.parametrize("name", ["SubjectLine", "SentBy", "EmailBody", "Email"])
@pytest.mark.parametrize("text", ["", " ", "\u3000"])
def test_a_blank_text_is_logged_as_it_came(api: Api, name: str, text: str) -> None:
    assert told(logged(api, **{name: text})) == TOLD | {name: text}


@pytest.mark.parametrize("date", [None, "", " "])
def test_a_mail_without_a_date_stands_at_the_moment_when_it_was_told_of(api: Api, date: str | None) -> None:
    contact = new_customer(api.space, email="max@example.net")
    record, _ = stored(logged(api, DateSent=date))
    assert record.sent_at is None
    (entry,) = api.http("GET", f"/api/v1/Contacts/{contact.id}/timeline").body
    assert entry["At"] == str(DateTimeOffset.from_datetime(record.logged_at))
    assert entry["Details"]["LogEntryId"] == record.id


@pytest.mark.parametrize(
    "email",
    [
        "nobody",
        "müller@example.com",
        "Max <max@example.net>",
        "a@example.com, b@example.com",
        "=?utf-8?q?max?=@example.net",
        "/O=ORG/OU=EXCHANGE/CN=RECIPIENTS/CN=MAX",
        "\ufeffmax@example.net",
        "max@example.net\0",
        "x" * 320,
        "\N{PARTY POPPER}" * 160,
    ],
)
def test_a_recipient_is_any_text(api: Api, email: str) -> None:
    assert told(logged(api, Email=email)) == TOLD | {"Email": email}


def test_a_recipient_without_an_address_has_a_history(api: Api) -> None:
    contact = new_customer(api.space, email="Sample string 3")
    entry_id = logged(api, Email="sample\u200b STRING 3 ")
    (entry,) = api.http("GET", f"/api/v1/Contacts/{contact.id}/timeline").body
    assert entry["Details"]["LogEntryId"] == entry_id


@pytest.mark.parametrize("email", [None, "", "\u200b"])
def test_mails_without_a_recipient_are_nobodys(api: Api, engine: Engine, email: str | None) -> None:
    logged(api, Email=email)
    (put,) = (call for call in engine.calls if call.action == "TransactWriteItems")
    assert b'"loggedAt"' in put.request
    assert b'"person' not in put.request


@pytest.mark.parametrize(
    ("spelled", "moment"),
    [
        ("2026-01-02 03:04:05", "2026-01-02T03:04:05.000"),
        (" 2026-01-02 03:04:05\n", "2026-01-02T03:04:05.000"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05.000"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000"),
        ("2026-01-02T03:04:05.1239999Z", "2026-01-02T03:04:05.123"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000"),
        ("2026-01-02 03:04:05 -0930", "2026-01-02T12:34:05.000"),
        ("2026-01-02", "2026-01-02T00:00:00.000"),
        ("2026-01-02 03:04", "2026-01-02T03:04:00.000"),
        ("Fri, 02 Jan 2026 03:04:05 GMT", "2026-01-02T03:04:05.000"),
        ("/Date(1767323045000+0100)/", "2026-01-02T03:04:05.000"),
    ],
)
def test_a_date_in_any_form_that_dotnet_writes(api: Api, spelled: str, moment: str) -> None:
    assert told(logged(api, DateSent=spelled))["DateSent"] == datetime.fromisoformat(f"{moment}+00:00")


DATE = "The field DateSent must be a date and time in UTC such as 2025-12-04 06:57:36."


@pytest.mark.parametrize(
    ("members", "description"),
    [
        *[
            ({"DateSent": text}, DATE)
            for text in (
                "2025-12-04 06:57:36 (YYYY-MM-DD HH:MM:SS - UTC format)",
                "2025-12-04 6:57:36",
                "04.12.2025",
                "1733295456",
                "now",
                "2025-02-29 06:57:36",
                "2025-12-04 24:00:00",
                "0000-12-04 06:57:36",
                "２０２５-12-04 06:57:36",
            )
        ],
        ({"DateSent": ["2025-12-04 06:57:36"]}, DATE),
        ({"SubjectLine": "x" * 101}, "The field SubjectLine must be a string with a maximum length of 100."),
        (
            {"SubjectLine": "\N{PARTY POPPER}" * 51},
            "The field SubjectLine must be a string with a maximum length of 100.",
        ),
        ({"SentBy": "x" * 1001}, "The field SentBy must be a string with a maximum length of 1000."),
        ({"EmailBody": {}}, "The field EmailBody must be a string."),
        ({"Email": "x" * 321}, "The field Email must be a string with a maximum length of 320."),
        ({"Email": "\N{PARTY POPPER}" * 161}, "The field Email must be a string with a maximum length of 320."),
        ({"Email": ["max@example.net"]}, "The field Email must be a string."),
        (
            {"Email": {}, "DateSent": "now"},
            f"The field Email must be a string. {DATE}",
        ),
    ],
)
def test_bad_input_names_each_wrong_field_and_stores_nothing(
    api: Api, engine: Engine, members: dict[str, Any], description: str
) -> None:
    answer = log(api, **members)
    assert answer.status == 400
    code, said = message_of(json.dumps(answer.body))
    assert code == "02"
    assert ".." not in said
    # Each field with the path to it.
    assert said.startswith(re.sub(r"The (field )?(\w+) ", r"The \1Request.\2 ", description))
    assert "TransactWriteItems" not in engine.actions("dynamodb")


@pytest.mark.parametrize("request_", [None, [], "text"])
def test_a_request_that_holds_no_entry_names_it(api: Api, request_: Any) -> None:
    body = entry_body((api.keyid, SECRET)) | {"Request": request_}
    answer = api.http("POST", PATH, body=body)
    assert answer.status == 400
    assert "Request" in message_of(json.dumps(answer.body))[1]


@pytest.mark.parametrize("key", ["", None, [], {}, 5, True])
def test_a_key_that_is_none_is_refused(api: Api, key: Any) -> None:
    body = entry_body() | {"Authentication": {"Id": api.keyid, "Key": key}}
    answer = api.http("POST", PATH, body=body)
    expected = (400, "02") if isinstance(key, list | dict) else (401, "01")
    assert (answer.status, message_of(json.dumps(answer.body))[0]) == expected


def test_members_match_in_any_case(api: Api) -> None:
    body = entry_body((api.keyid, SECRET))
    lower = {name.lower(): {key.lower(): value for key, value in members.items()} for name, members in body.items()}
    answer = api.http("POST", PATH, body=lower)
    assert answer.body["Message"]["Description"] == f"Saved as {logged(api)}."


# --- The table --------------------------------------------------------------------------------------------------------


@pytest.fixture
def log_entries(dynamodb_engine: DynamodbEngine) -> LogEntries:
    return LogEntries(dynamodb_engine.client, dynamodb_engine.tables["LogsTable"], lambda: b"key")


def test_no_key_says_whose_mail_it_was_but_the_index_finds_it(
    dynamodb_engine: DynamodbEngine, log_entries: LogEntries
) -> None:
    entry_id = log_entries.put("acme", SENT, NOW)
    found = dynamodb_engine.client.query(
        TableName=dynamodb_engine.tables["LogsTable"],
        IndexName="ByPerson",
        KeyConditionExpression="person = :person",
        ExpressionAttributeValues={":person": {"S": keys.person("acme", keys.address_hash(b"key", "MAX@example.net"))}},
    )
    (row,) = map(from_item, found["Items"])
    assert row["PK"] == f"LOGENTRY#{entry_id}"
    assert row["personOrder"] == "2026-01-02T03:04:05.000Z"
    for value in row.values():
        assert "max" not in value.lower()


def size(item: dict[str, Any]) -> int:
    """An item's bytes (DynamoDB developer guide, "Item sizes and formats")."""
    values = (value.encode() if isinstance(value, str) else bytes(value) for value in item.values())
    return sum(len(name) for name in item) + sum(map(len, values))


@cache
def body_at_the_limit() -> tuple[str, int, int]:
    """A text, how many of its characters are the largest body that is stored, and a few more, which are too many."""
    text = random_text(4_500_000)
    fits, too_long = 1_048_576, len(text)
    # Found by halves, to a few bytes.
    while too_long - fits > 8:
        middle = (fits + too_long) // 2
        if len(zlib.compress(text[:middle].encode())) <= MAX_BODY_BYTES:
            fits = middle
        else:
            too_long = middle
    return text, fits, too_long


def test_the_largest_entry_fits_into_dynamodbs_limits(dynamodb_engine: DynamodbEngine, log_entries: LogEntries) -> None:
    longest = replace(SENT, subject="\N{PARTY POPPER}" * 50, sent_by="\N{EURO SIGN}" * 1000)
    text, fits, too_long = body_at_the_limit()
    entry_id = log_entries.put("acme", replace(longest, body=text[:fits]), NOW)
    found = log_entries.get(entry_id)
    assert found is not None
    assert found[1] == text[:fits]
    sizes = [size(item) for item in items(dynamodb_engine)]
    assert len(sizes) == 9
    assert max(sizes) <= 400_000
    # In base64 too.
    assert 3_900_000 <= sum(sizes) * 4 / 3 <= 4_000_000
    with pytest.raises(PayloadTooLarge, match="EmailBody is too large"):
        log_entries.put("acme", replace(longest, body=text[:too_long]), NOW)
    assert len(items(dynamodb_engine)) == 9


def test_of_many_that_tell_of_the_same_mail_at_once_one_is_stored(
    dynamodb_engine: DynamodbEngine, log_entries: LogEntries
) -> None:
    ids = {run.result() for run in in_parallel([partial(log_entries.put, "acme", SENT, NOW)] * 64)}
    (entry_id,) = ids
    assert len(items(dynamodb_engine)) == 2
    assert log_entries.get(entry_id) is not None


def test_an_entry_is_whole_or_absent_wherever_its_storing_stops(
    dynamodb_engine: DynamodbEngine, log_entries: LogEntries
) -> None:
    numbers = count()
    for stop in every_stop(dynamodb_engine.client):
        entry = replace(SENT, body=f"{next(numbers)} {random_text(1_048_576)}")
        before = len(items(dynamodb_engine))
        with stop:
            log_entries.put("acme", entry, NOW)
        assert len(items(dynamodb_engine)) - before in (0, 4), stop
        # Told of again, later.
        found = log_entries.get(log_entries.put("acme", entry, NOW.replace(year=2027)))
        assert found is not None
        assert found[1] == entry.body, stop
        assert len(items(dynamodb_engine)) - before == 4, stop


def conflicts(log_entries: LogEntries, number: int) -> Stubber:
    """So many times another write of the entry is under way."""
    stubber = Stubber(log_entries._client)
    for _ in range(number):
        stubber.add_client_error(
            "transact_write_items",
            "TransactionCanceledException",
            modeled_fields={"CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}]},
        )
    return stubber


def test_a_write_that_meets_another_of_the_same_entry_is_repeated(
    log_entries: LogEntries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with conflicts(log_entries, 3) as stubber:
        stubber.add_response("transact_write_items", {}, {"TransactItems": ANY})
        log_entries.put("acme", SENT, NOW)
        stubber.assert_no_pending_responses()


def test_a_write_that_goes_on_meeting_others_may_be_tried_later(
    log_entries: LogEntries, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = count()
    monkeypatch.setattr("time.monotonic", lambda: next(moments) * 4.0)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with conflicts(log_entries, 3) as stubber, pytest.raises(TransactionConflict):
        log_entries.put("acme", SENT, NOW)
    stubber.assert_no_pending_responses()
