"""The lists of bounces and complaints: filters, pages, links."""

import itertools
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from polypost import runtime
from polypost.adapters import keys
from polypost.adapters.dynamodb import from_item, to_item
from polypost.dialects import inxmail
from polypost.models.delivery import BounceType, DeliveryEvent, EventKind, Fact, MessageRef
from polypost.web.http import Request
from support.template_engine import Engine

from .conftest import Answer, Api

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def event_of(
    api: Api,
    occurred_at: datetime,
    source: str | None = "S",
    campaign: str | None = "C",
    kind: EventKind = EventKind.BOUNCE,
) -> DeliveryEvent:
    """An event of a message of its own."""
    message = MessageRef(secrets.token_hex(12), api.space, source, campaign)
    return DeliveryEvent(
        message, Fact(kind, "max@example.net", occurred_at, secrets.token_hex(8), type=BounceType.HARD)
    )


def store(
    api: Api,
    occurred_at: datetime = START,
    source: str | None = "S",
    campaign: str | None = "C",
    kind: EventKind = EventKind.BOUNCE,
) -> str:
    """Store one event; its message's id."""
    event = event_of(api, occurred_at, source, campaign, kind)
    assert runtime.logs().put_event(event)
    return event.message.message_id


def store_many(api: Api, number: int) -> list[str]:
    """Store events, one a second; their messages' ids. In batches, which is a good deal faster."""
    logs = runtime.logs()
    events = [event_of(api, START + timedelta(seconds=second)) for second in range(number)]
    puts: list[Any] = [{"PutRequest": {"Item": to_item(logs._event_item(event))}} for event in events]
    for first in range(0, number, 25):
        answer = logs._client.batch_write_item(RequestItems={logs._table: puts[first : first + 25]})
        assert answer["UnprocessedItems"] == {}
    return [event.message.message_id for event in events]


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [row["messageId"] for row in answer.body["bounces"]]


def test_the_oldest_event_comes_first(api: Api) -> None:
    offsets = [5, 1, 3, 2, 4]
    stored = {offset: store(api, START + timedelta(milliseconds=offset)) for offset in offsets}
    assert ids(api.bounces()) == [stored[offset] for offset in sorted(offsets)]


def test_an_empty_list(api: Api) -> None:
    answer = api.bounces()
    assert answer.body == {"page": 0, "lastPage": True, "bounces": []}
    assert "Link" not in answer.headers
    assert answer.headers["Content-Type"] == "application/json"


def test_bounces_and_complaints_are_two_lists(api: Api) -> None:
    bounce, complaint = store(api), store(api, kind=EventKind.COMPLAINT)
    assert ids(api.bounces()) == [bounce]
    assert [row["messageId"] for row in api.complaints().body["complaints"]] == [complaint]


def test_another_spaces_events_are_not_shown(api: Api) -> None:
    other = MessageRef(secrets.token_hex(12), f"{api.space}-other", "S", "C")
    runtime.logs().put_event(DeliveryEvent(other, Fact(EventKind.BOUNCE, "x@example.net", START, "1")))
    for query in ("", "sourceSystem=S", "campaignId=C", "sourceSystem=S&campaignId=C"):
        assert ids(api.bounces(query)) == []


CRITERIA = {
    "sourceSystem": ["S", "T"],
    "campaignId": ["C", "D"],
    "startTimeUTC": ["20260301120001"],
    "endTimeUTC": ["20260301120002"],
}
ALL_COMBINATIONS = [
    dict(zip(names, values, strict=True))
    for size in range(len(CRITERIA) + 1)
    for names in itertools.combinations(CRITERIA, size)
    for values in itertools.product(*(CRITERIA[name] for name in names))
]


def test_all_combinations_of_filters(api: Api, engine: Engine) -> None:
    rows = [
        (START + timedelta(milliseconds=milliseconds), source, campaign)
        for milliseconds in (0, 999, 1000, 2000, 2999, 3000)
        for source in ("S", "T", None)
        for campaign in ("C", "D", None)
    ]
    stored = [(store(api, *row), *row) for row in rows]
    engine.calls.clear()
    for query in ALL_COMBINATIONS:
        expected = {
            message_id
            for message_id, occurred_at, source, campaign in stored
            if query.get("sourceSystem") in (None, source)
            and query.get("campaignId") in (None, campaign)
            and ("startTimeUTC" not in query or occurred_at >= START + timedelta(seconds=1))
            and ("endTimeUTC" not in query or occurred_at < START + timedelta(seconds=3))
        }
        answer = api.bounces(urlencode(query))
        assert set(ids(answer)) == expected, query
        assert len(ids(answer)) == len(expected)
        assert answer.body["lastPage"] is True
    # Each list is read from a partition that holds the matching rows alone: nothing is read to be thrown away.
    assert "Scan" not in engine.actions("dynamodb")
    assert not any(b"FilterExpression" in call.request for call in engine.calls)


def test_both_bounds_include_their_whole_second(api: Api) -> None:
    inside = [store(api, START + timedelta(milliseconds=ms)) for ms in (0, 500, 999)]
    for ms in (-1, 1000):
        store(api, START + timedelta(milliseconds=ms))
    assert ids(api.bounces("startTimeUTC=20260301120000&endTimeUTC=20260301120000")) == inside


def test_thirteen_digits_mean_a_second_of_one_digit(api: Api) -> None:
    store(api, START + timedelta(seconds=4))
    wanted = store(api, START + timedelta(seconds=5))
    assert ids(api.bounces("startTimeUTC=2026030112005")) == [wanted]


def test_filter_values_cannot_reach_into_other_partitions(api: Api) -> None:
    store(api, source="a", campaign="b")
    wanted = store(api, source="a#b", campaign=None)
    assert ids(api.bounces(urlencode({"sourceSystem": "a#b"}))) == [wanted]
    assert ids(api.bounces(urlencode({"sourceSystem": "a%23b"}))) == []


def follow(api: Api, answer: Answer, rel: str) -> str | None:
    """The query of a Link header's target."""
    for target, name in re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers.get("Link", "")):
        if name == rel:
            url = urlsplit(str(target))
            assert f"{url.scheme}://{url.netloc}" == "https://abc123.execute-api.eu-central-1.amazonaws.com"
            assert url.path == "/api-service/custom/sap/v1/bounces"
            return url.query
    return None


@pytest.mark.parametrize(
    ("rows", "page_size", "pages"), [(1, 1, 1), (2, 1, 2), (4, 2, 2), (5, 2, 3), (6, 3, 2), (3, 5, 1)]
)
def test_last_page_is_exact_also_when_it_is_full(api: Api, rows: int, page_size: int, pages: int) -> None:
    stored = [store(api, START + timedelta(seconds=number)) for number in range(rows)]
    seen: list[str] = []
    query: str | None = f"pageSize={page_size}"
    answers = []
    while query is not None:
        answer = api.bounces(query)
        answers.append(answer)
        seen += ids(answer)
        query = follow(api, answer, "next")
    assert seen == stored
    assert [answer.body["page"] for answer in answers] == list(range(pages))
    assert [answer.body["lastPage"] for answer in answers] == [False] * (pages - 1) + [True]


def test_links_keep_the_filters(api: Api) -> None:
    for number in range(3):
        store(api, START + timedelta(seconds=number), "Prod & ü", "C/1")
    filters = {"sourceSystem": "Prod & ü", "campaignId": "C/1", "startTimeUTC": "20260301120000"}
    answer = api.bounces(urlencode(filters | {"page": "1", "pageSize": "1"}))
    for rel, page in (("next", "2"), ("previous", "0")):
        query = follow(api, answer, rel)
        assert query is not None
        expected = filters | {"page": page, "pageSize": "1"}
        assert parse_qs(query) == {name: [value] for name, value in expected.items()}
    assert follow(api, api.bounces(follow(api, answer, "previous") or ""), "previous") is None


def test_a_page_behind_the_last_one_is_empty(api: Api) -> None:
    store(api)
    for page in ("1", "7", "9999999999"):
        answer = api.bounces(f"page={page}&pageSize=2000")
        assert ids(answer) == []
        assert answer.body["lastPage"] is True
        assert follow(api, answer, "previous") is not None


def test_the_default_page_has_100_rows(api: Api) -> None:
    store_many(api, 101)
    answer = api.bounces()
    assert len(ids(answer)) == 100
    assert answer.body["lastPage"] is False
    assert len(ids(api.bounces("page=1"))) == 1


def test_a_page_far_into_a_long_list(api: Api) -> None:
    stored = store_many(api, 1203)
    answer = api.bounces("page=600&pageSize=2")
    assert ids(answer) == stored[1200:1202]
    assert answer.body["lastPage"] is False
    assert ids(api.bounces("page=0&pageSize=2000")) == stored


INVALID_DATE = "com.inxmail.xcom.api.rest.InvalidDateParameter"
INVALID = "com.inxmail.xcom.api.rest.InvalidParameter"


@pytest.mark.parametrize("function", ["bounces", "complaints"])
@pytest.mark.parametrize(
    ("query", "message", "exception"),
    [
        ("page=-1", "page '-1' is not a number of at least 0", INVALID),
        ("page=x", "page 'x' is not a number of at least 0", INVALID),
        ("page=1.0", "page '1.0' is not a number of at least 0", INVALID),
        (f"page={'9' * 5000}", "page '999", INVALID),
        ("pageSize=0", "pageSize '0' is not a number from 1 to 2000", INVALID),
        ("pageSize=2001", "pageSize '2001' is not a number from 1 to 2000", INVALID),
        ("pageSize=%D9%A1", "pageSize '١' is not a number from 1 to 2000", INVALID),
        ("page=1&page=2", "page is given more than once", INVALID),
        (f"sourceSystem={'x' * 191}", "sourceSystem must not be longer than 190 bytes", INVALID),
        (f"campaignId={'%C3%BC' * 96}", "campaignId must not be longer than 190 bytes", INVALID),
        ("sourceSystem=%ff", "The query string is not UTF-8", INVALID),
        ("startTimeUTC=yesterday", "startTimeUTC 'yesterday' is not a date of the form yyyyMMddHHmmss", INVALID_DATE),
        ("endTimeUTC=20260230000000", "endTimeUTC '20260230000000' is not a date", INVALID_DATE),
        ("endTimeUTC=202603011200", "endTimeUTC '202603011200' is not a date", INVALID_DATE),
        ("startTimeUTC=00000101000000", "startTimeUTC '00000101000000' is not a date", INVALID_DATE),
        (
            "startTimeUTC=20260301120001&endTimeUTC=20260301120000",
            "Start date 2026-03-01T12:00:01.000+0000 is after end date 2026-03-01T12:00:00.000+0000",
            INVALID_DATE,
        ),
        ("startTimeUTC=29991231235959", "Start date 2999-12-31T23:59:59.000+0000 is in future", INVALID_DATE),
    ],
)
def test_invalid_filters(api: Api, function: str, query: str, message: str, exception: str) -> None:
    answer = getattr(api, function)(query)
    assert answer.status == 400
    assert list(answer.body) == ["error", "exception", "message", "path", "status", "timestamp"]
    assert answer.body["message"].startswith(message)
    assert answer.body["exception"] == exception
    path = f"/custom/sap/v1/{function}?{query}"
    assert answer.body["path"] == (path if len(path) <= 200 else f"{path[:199]}…")


def test_an_end_in_the_future_is_fine(api: Api) -> None:
    wanted = store(api)
    assert ids(api.bounces("endTimeUTC=99991231235959")) == [wanted]


def test_empty_parameters_are_not_specified(api: Api) -> None:
    wanted = store(api)
    assert ids(api.bounces("sourceSystem=&campaignId=&startTimeUTC=&endTimeUTC=&page=&pageSize=")) == [wanted]


def test_complaints_take_one_of_source_and_campaign(api: Api) -> None:
    answer = api.complaints("sourceSystem=S&campaignId=C")
    assert answer.status == 400
    assert answer.body["message"] == "Only one of sourceSystem or campaignId may be used"
    assert answer.body["exception"] == INVALID
    assert api.complaints("sourceSystem=S").status == 200
    assert api.complaints("campaignId=C").status == 200


def test_early_years_are_dates_like_others(api: Api) -> None:
    wanted = store(api)
    assert ids(api.bounces("startTimeUTC=09990101000000&endTimeUTC=99991231235959")) == [wanted]
    assert ids(api.bounces("endTimeUTC=05000101000000")) == []


def test_a_start_of_this_very_moment_is_not_in_the_future() -> None:
    now = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
    request = Request("GET", "/", "startTimeUTC=20260301120000", received_at=now)
    assert inxmail.decode_bounces_query(request).criteria.start == now


def test_events_of_one_moment_have_one_order(api: Api) -> None:
    stored = [store(api) for _ in range(7)]
    listed = ids(api.bounces())
    assert sorted(listed) == sorted(stored)
    paged = [message_id for page in range(7) for message_id in ids(api.bounces(f"page={page}&pageSize=1"))]
    assert paged == listed == sorted(listed)


def test_a_page_of_long_texts_fits_into_an_answer(api: Api) -> None:
    message = MessageRef(secrets.token_hex(12), api.space)
    runtime.logs().put_event(
        DeliveryEvent(message, Fact(EventKind.BOUNCE, "x@example.net", START, "1", error_text="x" * 5000))
    )
    (row,) = api.bounces().body["bounces"]
    assert row["errorText"] == "x" * 1000


def test_every_event_is_found_by_its_address(api: Api) -> None:
    stored = [store(api), store(api, kind=EventKind.COMPLAINT)]
    person = keys.person(api.space, keys.address_hash(runtime.access().address_key(), "MAX@example.net"))
    answer = runtime.logs()._client.query(
        TableName=runtime.logs()._table,
        IndexName="ByPerson",
        KeyConditionExpression="person = :person",
        ExpressionAttributeValues=to_item({":person": person}),
    )
    found = {from_item(item)["PK"] for item in answer["Items"]}
    assert found == {keys.message(message_id)["PK"] for message_id in stored}
