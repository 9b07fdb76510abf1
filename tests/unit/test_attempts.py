"""Attempts: every id of a request, the same at each try."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypost.models.attempts import Attempt

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
ATTEMPT = Attempt(bytes(range(32)), NOW)


def test_a_fresh_attempt_has_a_seed_of_its_own() -> None:
    attempts = [Attempt.fresh(NOW) for _ in range(100)]
    assert {attempt.first_seen for attempt in attempts} == {NOW}
    assert {len(attempt.seed) for attempt in attempts} == {32}
    assert len({attempt.seed for attempt in attempts}) == 100


def test_what_is_derived_is_hmac_sha_256() -> None:
    # From `printf %s message | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1f`.
    digest = "6297b77508a1a30ea4dfadd8f847c31b49aba45de10a79daf721d3f7ec112a24"
    assert ATTEMPT.derive("message", 32).hex() == digest


@given(st.text(), st.text(), st.integers(16, 32))
def test_each_label_has_bytes_of_its_own(one: str, other: str, size: int) -> None:
    assert (ATTEMPT.derive(one, size) == ATTEMPT.derive(other, size)) is (one == other)


@given(st.text(), st.integers(1, 32))
def test_fewer_bytes_are_the_first_ones(label: str, size: int) -> None:
    assert ATTEMPT.derive(label, size) == ATTEMPT.derive(label, 32)[:size]


@pytest.mark.parametrize("size", [-1, 0, 33])
def test_more_than_a_digest_cannot_be_derived(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 32"):
        ATTEMPT.derive("message", size)


def test_a_log_does_not_show_the_seed() -> None:
    assert "seed" not in repr(ATTEMPT)
