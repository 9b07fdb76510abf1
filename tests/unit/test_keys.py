"""Keys: no value reaches into another's partition, and text order is time order."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from polypost.adapters import keys
from polypost.models.delivery import EventList

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
