"""Keys: no value reaches into another's partition, and text order is time order."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from polypost.adapters import keys
from polypost.models.delivery import EventList
from polypost.models.interactions import TOKEN

moments = st.datetimes(timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_different_parts_give_different_partitions(one: tuple[str, str], other: tuple[str, str]) -> None:
    def partition(parts: tuple[str, str]) -> str:
        return keys.event_list("demo", EventList.BOUNCES, *parts)["sourceCampaignEventList"]

    assert (partition(one) == partition(other)) is (one == other)


def test_a_separator_in_a_value_is_none_of_ours() -> None:
    assert keys.event_list("s", EventList.BOUNCES, "a#b", "c") != keys.event_list("s", EventList.BOUNCES, "a", "b#c")


@given(moments, moments)
def test_text_order_is_time_order(one: datetime, other: datetime) -> None:
    assert (keys.instant(one) < keys.instant(other)) is (one < other)


def test_an_instant_is_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    assert keys.instant(datetime(2026, 1, 2, 3, 4, 5, 678_900, berlin)) == "2026-01-02T02:04:05.678Z"


def test_a_person_is_found_by_an_external_id_in_any_spelling_of_it() -> None:
    guid = "3d6ab237-6e5e-4e4a-b76a-4ebe7d89b9e0"
    person = keys.person_of_external_id("acme", b"key", "seethepro", guid)
    assert person == keys.person_of_external_id("acme", b"key", "seethepro", guid.upper())
    others = {("other", "seethepro", guid), ("acme", "intershop", guid), ("acme", "seethepro", guid[:-1])}
    assert person not in {keys.person_of_external_id(space, b"key", *rest) for space, *rest in others}
    assert guid not in person


def test_an_interactions_token_tells_nothing_and_is_one_of_its_account() -> None:
    token = keys.interaction_token(b"key", "acme", "account", "identity")
    assert TOKEN.fullmatch(token)
    others = [("acme", "account", "Identity"), ("acme", "accounti", "dentity"), ("other", "account", "identity")]
    assert token not in {keys.interaction_token(b"key", *parts) for parts in others}
    assert token != keys.interaction_token(b"another key", "acme", "account", "identity")


def test_an_event_is_one_of_its_space() -> None:
    known_by = ("0" * 24, "bounce", "hash", "feedback-1")
    assert keys.event("acme", *known_by) != keys.event("other", *known_by)
    # No space's events of one kind begin as another's do.
    prefix = keys.events_of_kind("acme", "0" * 24, "bounce")
    assert keys.event("acme", *known_by)["SK"].startswith(prefix["SK"])
    for space in ("acm", "acme2", "acme#bounce"):
        assert not keys.event(space, *known_by)["SK"].startswith(prefix["SK"])
