"""Read what SES reported again, after the table of bounces has changed."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from polypost.adapters.logs_table import LogsTable
from polypost.adapters.suppressions import Suppressions
from polypost.models.addresses import normalised
from polypost.models.bounces import RULES, UNMATCHED, judge
from polypost.models.delivery import DeliveryEvent, judged
from polypost.models.message_ids import accepted_at
from polypost.models.suppression import AddressStanding, Ground, event_id, ground_in
from polypost.usecases.record_ses_notification import lasting_ground


@dataclass(frozen=True, slots=True)
class Change:
    """An event that the table takes otherwise than when it was recorded."""

    old: DeliveryEvent
    new: DeliveryEvent


@dataclass(frozen=True, slots=True)
class Reclassification:
    """What reading the events of a space again comes to.

    `read` is how many there are, and `without_evidence` how many of them cannot be read again, since their recipient
    was erased. `lifted` and `suppressed` are the addresses that get mail again, or none any more.
    """

    read: int
    without_evidence: int
    changes: tuple[Change, ...]
    lifted: tuple[str, ...]
    suppressed: tuple[str, ...]


def reclassify_events(
    space: str, since: datetime | None, soft_bounce_limit: int, *, logs: LogsTable, suppressions: Suppressions
) -> Reclassification:
    """What the table makes of the recorded events of a space; nothing is changed.

    Parameters: since, the moment of the first event to read; soft_bounce_limit, the space's own.

    Raises: Retryable.
    """
    read = without_evidence = 0
    changes: list[Change] = []
    for event in logs.reported_events(space, since):
        read += 1
        evidence = event.fact.evidence
        if evidence is None:
            without_evidence += 1
        elif event.fact.rule != UNMATCHED.id:
            new = replace(event, fact=judged(event.fact, evidence, judge(evidence)))
            changes += [Change(event, new)] if new != event else []
    lifted, suppressed = _effects(space, changes, soft_bounce_limit, logs, suppressions)
    return Reclassification(read, without_evidence, tuple(changes), lifted, suppressed)


def apply(change: Change, *, logs: LogsTable, suppressions: Suppressions) -> bool:
    """Store an event as the table takes it now, with what that says for or against mail to its recipient.

    False if the event is another one meanwhile: it was changed already, or its recipient was erased.

    Raises: Retryable.
    """
    space, address = change.old.message.space, change.old.fact.recipient
    standing = suppressions.standings(space, [address])[address]
    anonymous = standing.is_erased(accepted_at(change.old.message.message_id))
    grounds = _grounds(standing, change, logs)
    return logs.replace_event(
        change.old,
        change.new,
        suppressions.change(space, address, standing.grounds, grounds, anonymous=anonymous),
    )


def _effects(
    space: str, changes: Collection[Change], limit: int, logs: LogsTable, suppressions: Suppressions
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The addresses that get mail again, and those that get none any more."""
    by_address: dict[str, list[Change]] = {}
    for change in changes:
        by_address.setdefault(normalised(change.old.fact.recipient), []).append(change)
    before = {
        address: replace(standing, soft_bounce_limit=limit)
        for address, standing in suppressions.standings(space, by_address.keys()).items()
    }
    after = {address: _after(before[address], each, logs) for address, each in by_address.items()}

    def is_suppressed(standing: AddressStanding) -> bool:
        return standing.complained or standing.bounced

    changed = [address for address in sorted(before) if is_suppressed(before[address]) != is_suppressed(after[address])]
    lifted = tuple(address for address in changed if is_suppressed(before[address]))
    return lifted, tuple(address for address in changed if address not in lifted)


def _after(standing: AddressStanding, changes: Iterable[Change], logs: LogsTable) -> AddressStanding:
    for change in changes:
        standing = replace(standing, grounds=_grounds(standing, change, logs))
    return standing


def _grounds(standing: AddressStanding, change: Change, logs: LogsTable) -> frozenset[Ground]:
    """The grounds of an address after a change: an event that says something else takes its own away, and no other."""
    new = lasting_ground(change.new, logs)
    without = standing.without_event(event_id(change.old))
    if new is None:
        return without
    # Where what says the same as before is on record no more, an operator or a mail that arrived has taken it away.
    was_lifted = without == standing.grounds and _says_the_same(change)
    return standing.grounds if was_lifted else standing.with_ground(new)


def _says_the_same(change: Change) -> bool:
    """Whether an event only has another rule, perhaps in the place of one that is gone."""
    old, new = change.old.fact, change.new.fact
    return (old.kind, old.type) == (new.kind, new.type) and (old.rule not in RULES or ground_in(change.old) is not None)
