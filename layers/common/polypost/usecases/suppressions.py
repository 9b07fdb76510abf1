"""The suppressed addresses of a space: see them, add to them, lift them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from polypost.adapters.suppressions import Suppressions
from polypost.errors import Conflict, NotFound
from polypost.models.suppression import (
    Cause,
    Decision,
    KnownAddress,
    Lifting,
    SuppressionPage,
    SuppressionReason,
)


def what_stays(causes: Iterable[Cause]) -> str:
    """Why some causes were not lifted: a sentence for each."""
    return " ".join(dict.fromkeys(map(_why_it_stays, causes)))


def _why_it_stays(cause: Cause) -> str:
    if cause.is_of_a_contact:
        return f"The contact with the Id {cause.contact_id} has limited its mails, and only a change of it ends that."
    return "The recipient has complained, and a complaint is lifted only where 'complaint' is asked for."


def list_suppressions(space: str, after: str, limit: int, *, suppressions: Suppressions) -> SuppressionPage:
    """A part of the addresses that get no mail now, or not every mail.

    Parameters: after, the id behind which it begins, or "" for the beginning; limit, how many addresses at most.

    Raises: Retryable.
    """
    return suppressions.page(space, after, limit, _now())


def suppressed_address(address: str, space: str, *, suppressions: Suppressions) -> KnownAddress:
    """What keeps mail from an address.

    Raises: NotFound, if nothing does; Retryable.
    """
    known = suppressions.known(space, address, _now())
    if not known.causes:
        raise NotFound("The address is not suppressed.")
    return known


def suppress(address: str, note: str, by: str, space: str, *, suppressions: Suppressions) -> KnownAddress:
    """Keep all mail from an address, by hand. The same once more changes nothing; another note takes the place of one.

    Parameters: note, why; by, who decides: a keyid or an operator.

    Raises: Retryable.
    """
    known = suppressions.known(space, address, _now())
    standing = known.standing.decision(SuppressionReason.MANUAL)
    if standing is not None and standing.note == note:
        return known
    decision = Decision(SuppressionReason.MANUAL, known.at, by, note)
    suppressions.decide(space, address, decision)
    return replace(known, standing=known.standing.with_decision(decision))


def lift(
    address: str, note: str, by: str, space: str, *, complaint: bool, suppressions: Suppressions
) -> tuple[Lifting, KnownAddress]:
    """End what keeps mail from an address, as far as that can be ended; what was lifted, and what stands after it.

    A complaint stays unless it is asked for. The limit of a living contact stays anyway. What SES tells later of the
    time before counts no more.

    Parameters: note, why; by, who lifts it: a keyid or an operator; complaint, whether a complaint is lifted too.

    Raises: NotFound, if nothing keeps mail from it; Conflict, if nothing of that can be lifted; Retryable.
    """
    known = suppressed_address(address, space, suppressions=suppressions)
    reasons = frozenset(
        cause.reason
        for cause in known.causes
        if not cause.is_of_a_contact and (complaint or cause.reason is not SuppressionReason.COMPLAINT)
    )
    if not reasons:
        raise Conflict(what_stays(known.causes))
    lifting = Lifting(reasons, known.at, by, note)
    suppressions.lift(space, address, known.standing, lifting)
    return lifting, replace(known, standing=known.standing.with_lifting(lifting))


def _now() -> datetime:
    """Now, in the precision of the tables, so that what is stored is what is told."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
