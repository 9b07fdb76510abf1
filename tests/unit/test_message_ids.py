"""Ids of messages."""

import re
from datetime import UTC, datetime

from polypost.message_ids import accepted_at, new_message_id


def test_an_id_is_24_hexadecimal_digits_and_holds_its_second() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    message_id = new_message_id(moment)
    assert re.fullmatch(r"[0-9a-f]{24}", message_id)
    assert accepted_at(message_id) == moment.replace(microsecond=0)


def test_ids_of_one_moment_differ() -> None:
    moment = datetime.now(UTC)
    assert len({new_message_id(moment) for _ in range(1000)}) == 1000
