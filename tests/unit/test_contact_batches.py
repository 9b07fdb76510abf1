"""Which rows of an import are worked on at the same time."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypost.models.access import SpaceSettings
from polypost.models.attempts import Attempt
from polypost.models.contacts import Profile, Registration, claims_of
from polypost.models.date_time_offset import DateTimeOffset
from polypost_cli import contact_import
from polypost_cli.contact_import import batches
from polypost_cli.contact_rows import Row

SETTINGS = SpaceSettings()
REGISTRATION = Registration("test", DateTimeOffset(0))


def row(profile: Profile | None) -> Row:
    wanted = (REGISTRATION, profile) if profile else None
    return Row([], Attempt.fresh(datetime.now(UTC)), "", wanted, "")


few = st.none() | st.sampled_from("abcd")
rows = st.lists(st.builds(row, st.none() | st.builds(Profile, email=few, phone=few, first_name=few, last_name=few)))


@given(rows, st.integers(1, 5))
def test_no_two_rows_with_one_claim_are_worked_on_at_once(rows: list[Row], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contact_import, "_BATCH", size)
        found = list(batches(rows, SETTINGS))
    assert [row for batch in found for row in batch] == rows
    for batch in found:
        claims = [claim for row in batch if row.wanted for claim in set(claims_of(row.wanted[1], SETTINGS))]
        assert len(claims) == len(set(claims))
        assert 0 < len(batch) <= size
    # No batch ends without a reason.
    for before, after in pairwise(found):
        first = after[0].wanted
        claimed = {claim for row in before if row.wanted for claim in claims_of(row.wanted[1], SETTINGS)}
        assert len(before) == size or (first and claimed & set(claims_of(first[1], SETTINGS)))
