"""The list of changes over its function, as a system that keeps a copy of the contacts follows it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from polypost import runtime
from polypost.adapters.contact_feed import TOMBSTONE_LIFE
from polypost.adapters.dynamodb import from_item
from polypost.dialects.contacts import lists
from polypost.models.date_time_offset import DateTimeOffset
from polypost.usecases.list_changes import FEED_DELAY_SECONDS

from .conftest import Answer, Api
from .test_contacts_api import CONTACTS, MEMBERS, another_space, create, find, update

Later = Callable[..., None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Puts the functions' clock forward, so that the feed's delay goes by, or more."""
    now, passed = DateTimeOffset.now, 0

    def put_forward(seconds: int = FEED_DELAY_SECONDS + 1) -> None:
        nonlocal passed
        passed += seconds
        monkeypatch.setattr(DateTimeOffset, "now", lambda: now().plus_seconds(passed))

    return put_forward


def moment_of(contact: dict[str, Any]) -> DateTimeOffset:
    return DateTimeOffset.parse(contact["LastModified"])


def link(answer: Answer) -> tuple[str, str]:
    """The query that an answer links to, and how it calls it."""
    assert answer.status == 200, answer.body
    url, rel = answer.headers["Link"].removeprefix("<").split(">; rel=")
    assert urlsplit(url).path == CONTACTS
    assert url.startswith("https://abc123.execute-api.eu-central-1.amazonaws.com/")
    return urlsplit(url).query, rel.strip('"')


def follow(api: Api, query: str = "") -> tuple[list[dict[str, Any]], str]:
    """All changes from a query on, and the query to come back with."""
    changes, rel = [], "next"
    while rel == "next":
        answer = api.http("GET", CONTACTS, query)
        query, rel = link(answer)
        changes += answer.body
    assert rel == "monitor"
    return changes, query


def test_the_list_is_in_the_order_of_the_last_change(api: Api, later: Later) -> None:
    one, two, three = (create(api) for _ in range(3))
    one = update(api, one, Email="ann@example.com")
    later()
    answer = find(api)
    assert answer.body == [two, three, one]
    assert [list(each) for each in answer.body] == [MEMBERS] * 3
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert link(answer)[1] == "monitor"


def test_whoever_comes_back_gets_what_changed_and_went_meanwhile(api: Api, later: Later) -> None:
    kept, changed, deleted = (create(api) for _ in range(3))
    later()
    changes, monitor = follow(api)
    assert changes == [kept, changed, deleted]
    assert follow(api, monitor) == ([], monitor)
    changed = update(api, changed, Email="ann@example.com")
    assert api.http("DELETE", f"{CONTACTS}/{deleted['Id']}").status == 204
    created = create(api)
    later()
    changes, monitor = follow(api, monitor)
    (tombstone,) = (each for each in changes if "Deleted" in each)
    assert changes == [changed, tombstone, created]
    assert list(tombstone) == ["Id", "Deleted"]
    assert tombstone["Id"] == deleted["Id"]
    assert moment_of(changed) < DateTimeOffset.parse(tombstone["Deleted"]) < moment_of(created)
    assert follow(api, monitor)[0] == []


def test_pages_join(api: Api, later: Later) -> None:
    created = [create(api) for _ in range(5)]
    later()
    first = find(api, limit="2")
    query, rel = link(first)
    assert (first.body, rel) == (created[:2], "next")
    assert parse_qs(query)["limit"] == ["2"]
    changes, _ = follow(api, query)
    assert changes == created[2:]
    assert follow(api, "limit=5")[0] == created


def test_a_part_that_would_be_too_large_ends_early_and_nothing_is_lost(
    api: Api, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = [create(api, LatestPermissionSource="x" * 1000) for _ in range(7)]
    api.http("DELETE", f"{CONTACTS}/{created.pop(4)['Id']}")
    later()
    monkeypatch.setattr(lists, "MAX_RESPONSE_BYTES", 4000)
    first = find(api)
    assert (len(first.body), link(first)[1]) == (1, "next")
    changes, _ = follow(api)
    assert [each for each in changes if "Deleted" not in each] == created
    assert len(changes) == 7


def test_a_space_without_contacts_has_somewhere_to_come_back_to(api: Api, later: Later) -> None:
    changes, monitor = follow(api)
    assert changes == []
    created = create(api)
    later()
    assert follow(api, monitor)[0] == [created]


def test_a_change_is_listed_ten_seconds_after_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    contact = create(api)
    now = moment_of(contact).plus_seconds(10)
    monkeypatch.setattr(DateTimeOffset, "now", lambda: now)
    answer = find(api)
    assert answer.body == []
    now = DateTimeOffset(now.ticks + 1)
    assert follow(api, link(answer)[0])[0] == [contact]


def test_a_list_may_begin_with_a_moment(api: Api, later: Later) -> None:
    _, two, three = (create(api) for _ in range(3))
    later()
    since = moment_of(two)
    # A plus sign, escaped and not, and the same moment elsewhere.
    for text in (quote(str(since)), str(since), quote(str(DateTimeOffset(since.ticks, 345)))):
        assert api.http("GET", CONTACTS, f"modifiedSince={text}").body == [two, three], text
    assert api.http("GET", CONTACTS, f"MODIFIEDSINCE={quote(str(since))}&Limit=1").body == [two]
    just_after = quote(str(DateTimeOffset(since.ticks + 1)))
    assert api.http("GET", CONTACTS, f"modifiedSince={just_after}").body == [three]


def test_a_list_may_begin_with_a_moment_to_come(api: Api, later: Later) -> None:
    create(api)
    start = DateTimeOffset.now().plus_seconds(3600)
    changes, monitor = follow(api, f"modifiedSince={quote(str(start))}")
    assert changes == []
    later(3601)
    created = create(api)
    later()
    assert follow(api, monitor)[0] == [created]


def test_a_deletion_is_told_for_thirty_days(api: Api) -> None:
    contact = create(api)
    before = DateTimeOffset.now()
    api.http("DELETE", f"{CONTACTS}/{contact['Id']}")
    (entry,) = feed_items(api)
    assert TOMBSTONE_LIFE.days == 30
    expected = before.to_utc().timestamp() + 30 * 24 * 3600
    assert expected - 1 <= entry["expiresAt"] <= expected + 60


def feed_items(api: Api) -> list[dict[str, Any]]:
    table = runtime.contacts()._table
    found = table.client.scan(TableName=table.name)["Items"]
    return [item for item in map(from_item, found) if item["PK"] == f"CHANGES#{api.space}"]


def test_another_spaces_changes_are_not_listed(api: Api, later: Later) -> None:
    create(api)
    other = create(another := another_space(api))
    later()
    assert find(another).body == [other]
