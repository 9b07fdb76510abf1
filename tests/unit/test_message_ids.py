"""Ids of messages."""

import re
from datetime import UTC, datetime, timedelta

from polypost.models.attempts import Attempt
from polypost.models.message_ids import accepted_at, new_message_id

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def test_an_id_is_24_hexadecimal_digits_and_holds_its_second() -> None:
    message_id = new_message_id(Attempt.fresh(MOMENT))
    assert re.fullmatch(r"[0-9a-f]{24}", message_id)
    assert accepted_at(message_id) == MOMENT.replace(microsecond=0)


def test_ids_of_one_moment_differ() -> None:
    assert len({new_message_id(Attempt.fresh(MOMENT)) for _ in range(1000)}) == 1000


def test_an_attempt_has_one_id() -> None:
    attempt = Attempt(b"s" * 32, MOMENT)
    assert new_message_id(attempt) == new_message_id(Attempt(b"s" * 32, MOMENT))
    assert new_message_id(attempt) != new_message_id(Attempt(b"t" * 32, MOMENT))
    assert new_message_id(attempt) != new_message_id(Attempt(b"s" * 32, MOMENT + timedelta(seconds=1)))
