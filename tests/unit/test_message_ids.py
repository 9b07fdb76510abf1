"""Ids of messages."""

import re
from datetime import UTC, datetime, timedelta

from polypost.models.attempts import Attempt
from polypost.models.message_ids import accepted_at, new_message_id, was_given

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
KEY = b"k" * 32


def test_an_id_is_24_hexadecimal_digits_and_holds_its_second() -> None:
    message_id = new_message_id(Attempt.fresh(MOMENT), KEY)
    assert re.fullmatch(r"[0-9a-f]{24}", message_id)
    assert accepted_at(message_id) == MOMENT.replace(microsecond=0)


def test_ids_of_one_moment_differ() -> None:
    ids = {new_message_id(Attempt.fresh(MOMENT), KEY) for _ in range(1000)}
    assert len(ids) == 1000
    # By more than their checks.
    assert len({message_id[:20] for message_id in ids}) == 1000


def test_an_attempt_has_one_id() -> None:
    attempt = Attempt(b"s" * 32, MOMENT)
    assert new_message_id(attempt, KEY) == new_message_id(Attempt(b"s" * 32, MOMENT), KEY)
    assert new_message_id(attempt, KEY) != new_message_id(Attempt(b"t" * 32, MOMENT), KEY)
    assert new_message_id(attempt, KEY) != new_message_id(Attempt(b"s" * 32, MOMENT + timedelta(seconds=1)), KEY)


def test_a_stack_knows_the_ids_that_it_gave() -> None:
    for number in range(100):
        message_id = new_message_id(Attempt.fresh(MOMENT + timedelta(seconds=number)), KEY)
        assert was_given(message_id, KEY)


def test_a_mistyped_id_was_never_given() -> None:
    message_id = new_message_id(Attempt(b"s" * 32, MOMENT), KEY)
    for place, digit in enumerate(message_id):
        for other in set("0123456789abcdef") - {digit}:
            assert not was_given(message_id[:place] + other + message_id[place + 1 :], KEY)
    for place in range(23):
        swapped = message_id[:place] + message_id[place + 1] + message_id[place] + message_id[place + 2 :]
        assert swapped == message_id or not was_given(swapped, KEY)


def test_another_stacks_id_was_never_given_by_this_one() -> None:
    assert not was_given(new_message_id(Attempt(b"s" * 32, MOMENT), b"another" * 5), KEY)
