"""What keeps mail from an address, and what ends that."""

from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest

from polypost.models.delivery import BounceType, EventKind
from polypost.models.suppression import (
    MOST_LIFTINGS,
    AddressStanding,
    Decision,
    Ground,
    Lifting,
    Limit,
    SuppressionReason,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
R = SuppressionReason


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def ground(reason: SuppressionReason, number: float) -> Ground:
    return Ground(reason, day(number), EventKind.BOUNCE, f"{number:024}", "1", "x")


def lifting(*reasons: SuppressionReason, at: float) -> Lifting:
    return Lifting(frozenset(reasons), day(at), "anna", "")


def everything() -> AddressStanding:
    return AddressStanding(
        grounds=frozenset(ground(reason, 0) for reason in (R.COMPLAINT, R.HARD_BOUNCE, R.REPEATED_SOFT_BOUNCES)),
        soft_bounce_limit=1,
        limits=frozenset({Limit(day(0), True, day(9)), Limit(day(1), True, day(8), contact_id=7)}),
        decisions=frozenset({Decision(R.MANUAL, day(0), "anna"), Decision(R.UNSUBSCRIBED, day(0), "recipient")}),
    )


def test_all_reasons_are_told_the_weightiest_first() -> None:
    assert everything().reasons(day(2)) == list(R)
    causes = everything().causes(day(2))
    assert [(each.reason, each.contact_id, each.until) for each in causes if "limited" in each.reason] == [
        (R.LIMITED_PERMANENTLY, None, None),
        (R.LIMITED_PERMANENTLY, 7, None),
        (R.LIMITED_TEMPORARILY, None, day(9)),
        (R.LIMITED_TEMPORARILY, 7, day(8)),
    ]
    assert R.LIMITED_TEMPORARILY in everything().reasons(day(8.5))
    assert R.LIMITED_TEMPORARILY not in everything().reasons(day(9))


@pytest.mark.parametrize("reason", R)
def test_which_mails_a_reason_keeps_away_and_how_they_are_listed(reason: SuppressionReason) -> None:
    others = frozenset(R) - {reason}
    standing = everything().with_lifting(lifting(*others, at=1))
    # The table may take one bounce for the other, and a living contact speaks for itself.
    standing = AddressStanding(
        standing.grounds,
        1,
        frozenset(each for each in standing.limits if each.contact_id is None),
        standing.decisions,
    )
    if reason in (R.HARD_BOUNCE, R.REPEATED_SOFT_BOUNCES):
        assert standing.reasons(day(2)) == []
        return
    assert standing.reasons(day(2)) == [reason]
    newsletter, invoice = (standing.suppression(day(2), unsubscribable=each) for each in (True, False))
    assert newsletter is not None
    assert newsletter.type is (BounceType.SOFT if reason is R.LIMITED_TEMPORARILY else BounceType.HARD)
    assert invoice == (None if reason is R.UNSUBSCRIBED else newsletter)


def test_a_lifting_of_one_kind_of_bounce_is_one_of_the_other() -> None:
    for one, other in ((R.HARD_BOUNCE, R.REPEATED_SOFT_BOUNCES), (R.REPEATED_SOFT_BOUNCES, R.HARD_BOUNCE)):
        standing = AddressStanding(soft_bounce_limit=1).with_lifting(lifting(one, at=5))
        assert standing.with_ground(ground(other, 5)) == frozenset()
        assert standing.with_ground(ground(other, 5.1)) == {ground(other, 5.1)}
        assert standing.with_ground(ground(R.COMPLAINT, 4)) == {ground(R.COMPLAINT, 4)}


def test_what_a_living_contact_says_is_not_lifted() -> None:
    standing = everything().with_lifting(lifting(*R, at=2))
    assert standing.limits == {Limit(day(1), True, day(8), contact_id=7)}
    assert (standing.grounds, standing.decisions) == (frozenset(), frozenset())


def test_one_of_two_limits_that_were_left_behind_is_lifted() -> None:
    left = AddressStanding(limits=frozenset({Limit(day(0), True, day(9))}))
    assert left.with_lifting(lifting(R.LIMITED_PERMANENTLY, at=1)).limits == {Limit(day(0), False, day(9))}
    assert left.with_lifting(lifting(R.LIMITED_TEMPORARILY, at=1)).limits == {Limit(day(0), True, None)}


def test_the_last_liftings_are_remembered_and_the_last_of_each_kind_of_event() -> None:
    by_time = [lifting(R.COMPLAINT, R.HARD_BOUNCE, at=0), lifting(R.REPEATED_SOFT_BOUNCES, at=1)]
    by_time += [lifting(R.MANUAL, at=number) for number in range(2, MOST_LIFTINGS + 5)]
    standing = reduce(AddressStanding.with_lifting, by_time, AddressStanding(soft_bounce_limit=1))
    assert standing.liftings == {*by_time[:2], *by_time[-MOST_LIFTINGS:]}
    assert standing.with_ground(ground(R.COMPLAINT, 0)) == frozenset()
    assert standing.with_ground(ground(R.HARD_BOUNCE, 1)) == frozenset()
