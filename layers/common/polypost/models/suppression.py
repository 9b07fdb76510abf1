"""What keeps mail from an address."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from polypost.models.addresses import domain_of
from polypost.models.bounces import RULES, Verdict
from polypost.models.delivery import BounceType, DeliveryEvent, EventKind


class SuppressionReason(StrEnum):
    """Why an address gets no mail, the weightiest first."""

    COMPLAINT = "complaint"
    MANUAL = "added by hand"
    HARD_BOUNCE = "hard bounce"
    REPEATED_SOFT_BOUNCES = "repeated soft bounces"
    LIMITED_PERMANENTLY = "limited permanently"
    UNSUBSCRIBED = "unsubscribed"
    LIMITED_TEMPORARILY = "limited temporarily"


#: Soft bounces count that came within so long a time of each other.
SOFT_BOUNCE_WINDOW = timedelta(days=30)

#: Of how many events a reason may be recorded, and so the highest number of soft bounces that a space can set.
MOST_GROUNDS = 20

#: How many liftings of suppressions an address remembers, the last ones.
MOST_LIFTINGS = 20

#: How long may be what a person says of a decision or a lifting, in characters.
LONGEST_NOTE = 200

#: The `by` of what the recipient decided.
RECIPIENT = "recipient"

# What one event is may change with the table of bounces, so a lifting of one of them is one of the other too.
_BOUNCES = frozenset({SuppressionReason.HARD_BOUNCE, SuppressionReason.REPEATED_SOFT_BOUNCES})


@dataclass(frozen=True, slots=True)
class Ground:
    """One event on which a suppression rests, alone or, as a soft bounce, with others.

    The event is the one that SES reported as `reported_as` of the message, under `fact_id`. `rule` is the id of the
    rule of the table of bounces that decided.
    """

    reason: SuppressionReason
    at: datetime
    reported_as: EventKind
    message_id: str
    fact_id: str
    rule: str

    @property
    def event(self) -> tuple[str, ...]:
        """What tells the event from the others of its recipient."""
        return self.reported_as, self.message_id, self.fact_id


def _age(ground: Ground) -> tuple[object, ...]:
    return ground.at, ground.event


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided against mail to an address: MANUAL or UNSUBSCRIBED.

    `by` is a keyid, an operator's name or RECIPIENT; `note` is why, in their words; `message_id` is the mail that the
    decision came from, if it came from one.
    """

    reason: SuppressionReason
    at: datetime
    by: str
    note: str = ""
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Lifting:
    """That a person ended what kept mail from an address, for some reasons; `by` and `note` as those of a Decision."""

    reasons: frozenset[SuppressionReason]
    at: datetime
    by: str
    note: str

    def covers(self, reason: SuppressionReason) -> bool:
        """Whether events until then count no more for a reason."""
        return reason in self.reasons or (reason in _BOUNCES and not _BOUNCES.isdisjoint(self.reasons))


@dataclass(frozen=True, slots=True)
class Limit:
    """What a contact said against mail to its address, and since when it says so.

    `contact_id` is the contact's. It is None for what contacts have left behind that were deleted.
    """

    since: datetime
    permanently: bool = False
    until: datetime | None = None
    contact_id: int | None = None

    def stands(self, reason: SuppressionReason, now: datetime) -> bool:
        """Whether the limit keeps mail away now, for one of the two reasons that a limit can be."""
        if reason is SuppressionReason.LIMITED_PERMANENTLY:
            return self.permanently
        return reason is SuppressionReason.LIMITED_TEMPORARILY and self.until is not None and now < self.until


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why an address gets no mail, with what it rests on, as far as there is any of it.

    `until` is the end of a temporary limit. `message_id` and `rule` are those of a Ground, `by` and `note` those of a
    Decision, `contact_id` that of a Limit.
    """

    reason: SuppressionReason
    since: datetime
    until: datetime | None = None
    message_id: str | None = None
    rule: str | None = None
    by: str | None = None
    note: str | None = None
    contact_id: int | None = None

    @property
    def is_of_a_contact(self) -> bool:
        """Whether the contact with the address says so, and can alone end it."""
        return self.contact_id is not None


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why a mail is not sent, and whether one ever will be: the `type` under which it is listed."""

    reason: SuppressionReason
    type: BounceType


@dataclass(frozen=True, slots=True)
class AddressStanding:
    """What a space knows of an address that matters to the next mail to it.

    `grounds` are the events on record, at most MOST_GROUNDS for each reason; `soft_bounce_limit` is how many soft
    bounces suppress, 0 for none. `limits` are that of the contact with the address, and what deleted ones left behind.
    `decisions` are what people decided, at most one for each reason. `liftings` are how suppressions were ended, the
    last MOST_LIFTINGS of them and the last for each reason.
    `erased_at` is when a contact with the address was deleted last: what was accepted until then is recorded without
    the address.
    """

    grounds: frozenset[Ground] = frozenset()
    soft_bounce_limit: int = 0
    limits: frozenset[Limit] = frozenset()
    decisions: frozenset[Decision] = frozenset()
    liftings: frozenset[Lifting] = frozenset()
    erased_at: datetime | None = None

    def of(self, reason: SuppressionReason) -> list[Ground]:
        """The events on record for a reason, oldest first, without those that were lifted."""
        lifted_at = self._lifted_at(reason)
        found = (ground for ground in self.grounds if ground.reason is reason)
        return sorted((each for each in found if lifted_at is None or each.at > lifted_at), key=_age)

    def ground(self, reason: SuppressionReason) -> Ground | None:
        """The event by which the address came to be suppressed for a reason, if it is.

        Soft bounces are on record only as far as no mail has arrived since, so it is enough that they came within
        SOFT_BOUNCE_WINDOW. The order in which they were told of makes no difference.
        """
        found = self.of(reason)
        if reason is not SuppressionReason.REPEATED_SOFT_BOUNCES:
            return found[0] if found else None
        limit = self.soft_bounce_limit
        runs = zip(found, found[limit - 1 :], strict=False) if limit else ()
        return next((last for first, last in runs if last.at - first.at <= SOFT_BOUNCE_WINDOW), None)

    @property
    def complained(self) -> bool:
        """Whether a complaint suppresses the address."""
        return self.ground(SuppressionReason.COMPLAINT) is not None

    @property
    def bounced(self) -> bool:
        """Whether bounces suppress the address, a hard one or repeated soft ones."""
        reasons = (SuppressionReason.HARD_BOUNCE, SuppressionReason.REPEATED_SOFT_BOUNCES)
        return any(self.ground(reason) is not None for reason in reasons)

    @property
    def limited_permanently(self) -> bool:
        """Whether a contact with the address wants no mail, or one that was deleted did."""
        return any(limit.permanently for limit in self.limits)

    @property
    def limited_until(self) -> datetime | None:
        """Until when such a contact wants no mail, if it said so."""
        return max((limit.until for limit in self.limits if limit.until is not None), default=None)

    def decision(self, reason: SuppressionReason) -> Decision | None:
        """What a person decided for a reason, if anybody did."""
        return next((each for each in self.decisions if each.reason is reason), None)

    def causes(self, now: datetime) -> list[Cause]:
        """All that keeps mail from the address now, or some of it, the weightiest first."""
        return [cause for reason in SuppressionReason for cause in self._causes(reason, now)]

    def reasons(self, now: datetime) -> list[SuppressionReason]:
        """The reasons of what keeps mail from the address now, or some of it, the weightiest first."""
        return list(dict.fromkeys(cause.reason for cause in self.causes(now)))

    def suppression(self, now: datetime, *, unsubscribable: bool) -> Suppression | None:
        """What keeps a mail that would be sent now from the address.

        Parameters: unsubscribable, whether the mail carries List-Unsubscribe. Who unsubscribed gets the others, such
        as invoices.
        """
        for reason in self.reasons(now):
            if reason is not SuppressionReason.UNSUBSCRIBED or unsubscribable:
                temporary = reason is SuppressionReason.LIMITED_TEMPORARILY
                return Suppression(reason, BounceType.SOFT if temporary else BounceType.HARD)
        return None

    def _causes(self, reason: SuppressionReason, now: datetime) -> Iterator[Cause]:
        if ground := self.ground(reason):
            yield Cause(reason, ground.at, message_id=ground.message_id, rule=ground.rule)
        if found := self.decision(reason):
            yield Cause(reason, found.at, message_id=found.message_id, by=found.by, note=found.note)
        for limit in sorted(self.limits, key=lambda each: each.since):
            if limit.stands(reason, now):
                until = limit.until if reason is SuppressionReason.LIMITED_TEMPORARILY else None
                yield Cause(reason, limit.since, until, contact_id=limit.contact_id)

    def with_decision(self, new: Decision) -> "AddressStanding":
        """The standing after a decision, which takes the place of another one for the same reason."""
        others = (each for each in self.decisions if each.reason is not new.reason)
        return replace(self, decisions=frozenset({new, *others}))

    def with_lifting(self, new: Lifting) -> "AddressStanding":
        """The standing after a lifting: without the events, the decisions and the limits left behind that it covers.

        What a living contact says stays.
        """

        def ended(limit: Limit) -> Limit:
            permanently = limit.permanently and not new.covers(SuppressionReason.LIMITED_PERMANENTLY)
            until = None if new.covers(SuppressionReason.LIMITED_TEMPORARILY) else limit.until
            return limit if limit.contact_id is not None else replace(limit, permanently=permanently, until=until)

        return replace(
            self,
            grounds=frozenset(each for each in self.grounds if not new.covers(each.reason)),
            decisions=frozenset(each for each in self.decisions if not new.covers(each.reason)),
            limits=frozenset(each for each in map(ended, self.limits) if each.permanently or each.until),
            liftings=_remembered(self.liftings | {new}),
        )

    def _lifted_at(self, reason: SuppressionReason) -> datetime | None:
        return max((each.at for each in self.liftings if each.covers(reason)), default=None)

    def is_erased(self, accepted_at: datetime) -> bool:
        """Whether what is recorded of a message, by the time of its acceptance, has to leave the address out."""
        return self.erased_at is not None and accepted_at <= self.erased_at

    def with_ground(self, new: Ground) -> frozenset[Ground]:
        """The grounds with a new one, in the place of another of the same event.

        A reason keeps MOST_GROUNDS: the first of those that suppress at once, since they say since when; the last of
        soft bounces. What happened before a lifting that covers it is none.
        """
        others = self.without_event(new.event)
        lifted_at = self._lifted_at(new.reason)
        if lifted_at is not None and new.at <= lifted_at:
            return others
        soft = new.reason is SuppressionReason.REPEATED_SOFT_BOUNCES
        alike = sorted({new, *(each for each in others if each.reason is new.reason)}, key=_age, reverse=soft)
        return (others | {new}) - frozenset(alike[MOST_GROUNDS:])

    def without_event(self, event: tuple[str, ...]) -> frozenset[Ground]:
        """The grounds without that of an event."""
        return frozenset(ground for ground in self.grounds if ground.event != event)

    def without_soft_bounces(self, before: datetime) -> frozenset[Ground]:
        """The grounds without the soft bounces before a moment, at which a mail has arrived."""
        return self.grounds - {each for each in self.of(SuppressionReason.REPEATED_SOFT_BOUNCES) if each.at < before}


def _remembered(liftings: Iterable[Lifting]) -> frozenset[Lifting]:
    by_time = sorted(liftings, key=lambda each: each.at)
    # Whatever comes later from before them does not count.
    last_of_each = (
        next((each for each in reversed(by_time) if each.covers(reason)), None) for reason in _REASONS.values()
    )
    return frozenset({*by_time[-MOST_LIFTINGS:], *filter(None, last_of_each)})


@dataclass(frozen=True, slots=True)
class KnownAddress:
    """What a space knows of an address at a moment.

    `id` is an HMAC of it, and `address` its normal form, None in a list once the person was erased.
    """

    id: str
    address: str | None
    standing: AddressStanding
    at: datetime

    @property
    def causes(self) -> list[Cause]:
        """All that keeps mail from the address, or some of it, the weightiest first."""
        return self.standing.causes(self.at)

    @property
    def liftings(self) -> list[Lifting]:
        """How suppressions were ended before, the last one first."""
        return sorted(self.standing.liftings, key=lambda each: each.at, reverse=True)


@dataclass(frozen=True, slots=True)
class SuppressionPage:
    """A part of the suppressed addresses of a space, in the order of their ids.

    `next` is the id behind which the following part begins, None at the end.
    """

    entries: tuple[KnownAddress, ...]
    next: str | None


# SES suppresses none of its mailbox simulator's addresses either (SES developer guide, "Using the mailbox simulator"):
# each of them shall do what it stands for again and again.
_SIMULATOR = "simulator.amazonses.com"

_REASONS = {
    Verdict.COMPLAINT: SuppressionReason.COMPLAINT,
    Verdict.HARD: SuppressionReason.HARD_BOUNCE,
    Verdict.SOFT: SuppressionReason.REPEATED_SOFT_BOUNCES,
}


def event_id(event: DeliveryEvent) -> tuple[str, ...]:
    """What tells an event from the others of its recipient, as `Ground.event` does."""
    return event.fact.reported_as, event.message.message_id, event.fact.fact_id


def ground_in(event: DeliveryEvent) -> Ground | None:
    """What an event tells against sending more mail to its recipient, by the rule that decided what it is."""
    fact = event.fact
    if fact.rule is None or fact.rule not in RULES or domain_of(fact.recipient) == _SIMULATOR:
        return None
    reason = _REASONS.get(RULES[fact.rule].verdict)
    if reason is None:
        return None
    return Ground(reason, fact.occurred_at, fact.reported_as, event.message.message_id, fact.fact_id, fact.rule)
