"""The times at which mail may be sent: the limiter in the table and the one in memory keep one contract."""

from datetime import datetime, timedelta
from functools import partial

import pytest

from polypost.adapters.send_limiter import Moved, SendLimiter
from polypost.models.send_rate import SendTimes
from support.dynamodb import DynamodbEngine
from support.parallel import in_parallel
from support.sending import LimiterInMemory
from support.virtual import START

NEVER = START + timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def table_limiter(dynamodb_engine: DynamodbEngine) -> SendLimiter:
    return SendLimiter(dynamodb_engine.client, dynamodb_engine.tables["LogsTable"])


@pytest.fixture(params=["table", "memory"])
def limiter(request: pytest.FixtureRequest, table_limiter: SendLimiter) -> SendLimiter:
    return LimiterInMemory() if request.param == "memory" else table_limiter


def moved(limiter: SendLimiter, known: SendTimes, count: int = 1, latest: datetime = NEVER) -> SendTimes:
    """How the item stands, told by a reservation that it refuses."""
    with pytest.raises(Moved) as refusal:
        limiter.reserve(count, START, latest, known)
    return refusal.value.times


def test_times_follow_one_another(limiter: SendLimiter) -> None:
    known = limiter.learn(10, START)
    first = limiter.reserve(3, START, NEVER, known)
    assert first.free_from == START + 3 * known.interval
    second = limiter.reserve(2, START, NEVER, first)
    assert second.free_from == START + 5 * known.interval
    # Times that nobody took go by.
    later = START + 10 * MINUTE
    assert limiter.reserve(1, later, NEVER, second).free_from == later + known.interval


def test_who_knows_an_older_state_is_told_the_present_one(limiter: SendLimiter) -> None:
    known = limiter.learn(10, START)
    taken = limiter.reserve(1, START, NEVER, known)
    assert moved(limiter, known) == taken
    faster = limiter.learn(20, START)
    assert moved(limiter, taken) == faster
    assert faster.free_from == taken.free_from


def test_no_time_is_after_the_latest(limiter: SendLimiter) -> None:
    known = limiter.reserve(5, START, NEVER, limiter.learn(10, START))
    latest = START + 7 * known.interval
    assert moved(limiter, known, count=4, latest=latest) == known
    assert limiter.reserve(3, START, latest, known).free_from == latest + known.interval


def test_one_worker_is_to_ask_ses(limiter: SendLimiter) -> None:
    asking = limiter.ask(START, START + MINUTE)
    assert (asking.rate, asking.ask_at) == (1, START + MINUTE)
    with pytest.raises(Moved) as refusal:
        limiter.ask(START, START + MINUTE)
    assert refusal.value.times == asking
    learnt = limiter.learn(14, START + 5 * MINUTE)
    assert limiter.ask(START + 5 * MINUTE, START + 6 * MINUTE).rate == learnt.rate == 14


def test_nothing_is_sent_in_a_pause(limiter: SendLimiter) -> None:
    known = limiter.learn(10, NEVER)
    paused = limiter.pause(START, START + MINUTE)
    assert (paused.paused_until, paused.ask_at) == (START + MINUTE, START + MINUTE)
    assert moved(limiter, known) == paused
    with pytest.raises(Moved):
        limiter.pause(START, START + 2 * MINUTE)
    assert limiter.reserve(1, START + MINUTE, NEVER, paused).free_from == START + MINUTE + known.interval
    assert limiter.pause(START + MINUTE, START + 2 * MINUTE).paused_until == START + 2 * MINUTE


def test_rates_are_kept_exactly(table_limiter: SendLimiter) -> None:
    for rate in (0.1, 1.0, 14.0, 33.3, 200.0):
        known = table_limiter.learn(rate, START)
        assert known.rate == rate
        table_limiter.reserve(1, START + timedelta(hours=rate), NEVER + timedelta(days=30), known)


def test_of_many_workers_none_gets_the_time_of_another(table_limiter: SendLimiter) -> None:
    known = table_limiter.reserve(1, START, NEVER, table_limiter.learn(10, START))
    taken = [run.result() for run in in_parallel([partial(table_limiter.reserve, 2, START, NEVER, known)] * 32)]
    assert sorted(times.free_from for times in taken if times.free_from) == [
        START + (1 + 2 * number) * known.interval for number in range(1, 33)
    ]
