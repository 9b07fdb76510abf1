"""The tool for a process that ends at any AWS call finds what it is made to find."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from support.dynamodb import DynamodbEngine
from support.stops import Stop, Stopped, every_stop

FIRST, SECOND = "first", "second"


class TwoWrites:
    """Code that is not safe to stop: two items, one after the other."""

    def __init__(self, engine: DynamodbEngine) -> None:
        self._client = engine.client
        self._table = engine.tables["AccessTable"]

    def __call__(self) -> None:
        self.put(FIRST)
        self.put(SECOND)

    def put(self, name: str) -> None:
        self._client.put_item(TableName=self._table, Item={"PK": {"S": name}, "SK": {"S": name}})

    def take_all(self) -> list[str]:
        items = self._client.scan(TableName=self._table, ConsistentRead=True)["Items"]
        for item in items:
            self._client.delete_item(TableName=self._table, Key=item)
        return sorted(item["PK"]["S"] for item in items)


@pytest.fixture
def two_writes(dynamodb_engine: DynamodbEngine) -> TwoWrites:
    return TwoWrites(dynamodb_engine)


@pytest.fixture
def stops(dynamodb_engine: DynamodbEngine) -> Iterator[Stop]:
    return every_stop(dynamodb_engine.client)


def test_every_state_that_a_stop_leaves_is_seen(two_writes: TwoWrites, stops: Iterator[Stop]) -> None:
    states = []
    for stop in stops:
        with stop:
            two_writes()
        states.append((stop.died, two_writes.take_all()))
    assert states == [
        (True, []),
        (True, [FIRST]),
        (True, [FIRST]),
        (True, [FIRST, SECOND]),
        (False, [FIRST, SECOND]),
    ]


def test_a_process_that_has_ended_sends_nothing_more(two_writes: TwoWrites, stops: Iterator[Stop]) -> None:
    with next(stops):
        try:
            two_writes.put(FIRST)
        finally:
            two_writes.put(SECOND)
    assert two_writes.take_all() == []


def test_a_block_without_a_request_fails(stops: Iterator[Stop]) -> None:
    with pytest.raises(AssertionError, match="no request"), next(stops):
        pass


def test_a_stop_that_is_no_block_fails(stops: Iterator[Stop]) -> None:
    next(stops)
    with pytest.raises(AssertionError, match="a stop is"):
        next(stops)


def test_code_that_survives_its_end_fails(two_writes: TwoWrites, stops: Iterator[Stop]) -> None:
    with pytest.raises(AssertionError, match="went on"), next(stops), suppress(Stopped):
        two_writes()


def test_blocks_that_make_fewer_and_fewer_requests_fail(two_writes: TwoWrites, stops: Iterator[Stop]) -> None:
    remembered = set()

    def run(stop: Stop) -> None:
        with stop:
            if FIRST not in remembered:
                two_writes.put(FIRST)
            remembered.add(FIRST)
            two_writes.put(SECOND)

    with pytest.raises(AssertionError, match="a moment ago"):
        list(map(run, stops))


def test_an_error_of_the_code_itself_is_seen(stops: Iterator[Stop]) -> None:
    with pytest.raises(KeyError), next(stops):
        raise KeyError
