"""What keeps mail from an address."""

from dataclasses import dataclass
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

#: The `by` of what the recipient decided.
RECIPIENT = "recipient"


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


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why a mail is not sent, and whether one ever will be: the `type` under which it is listed."""

    reason: SuppressionReason
    type: BounceType


@dataclass(frozen=True, slots=True)
class AddressStanding:
    """What a space knows of an address that matters to the next mail to it.

    `grounds` are the events on record, at most MOST_GROUNDS for each reason; `soft_bounce_limit` is how many soft
    bounces suppress, 0 for none. The limits are those of the contact with the address, or of one that was deleted.
    `decisions` are what people decided, at most one for each reason; `liftings` are how suppressions were ended before,
    at most MOST_LIFTINGS.
    `erased_at` is when a contact with the address was deleted last: what was accepted until then is recorded without
    the address.
    """

    grounds: frozenset[Ground] = frozenset()
    soft_bounce_limit: int = 0
    limited_permanently: bool = False
    limited_until: datetime | None = None
    decisions: frozenset[Decision] = frozenset()
    liftings: frozenset[Lifting] = frozenset()
    erased_at: datetime | None = None

    def of(self, reason: SuppressionReason) -> list[Ground]:
        """The events on record for a reason, oldest first."""
        return sorted((ground for ground in self.grounds if ground.reason is reason), key=_age)

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

    def decision(self, reason: SuppressionReason) -> Decision | None:
        """What a person decided for a reason, if anybody did."""
        return next((each for each in self.decisions if each.reason is reason), None)

    def reasons(self, now: datetime) -> list[SuppressionReason]:
        """All reasons why the address gets no mail now, or not every mail, the weightiest first."""
        return [reason for reason in SuppressionReason if self._stands(reason, now)]

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

    def _stands(self, reason: SuppressionReason, now: datetime) -> bool:
        match reason:
            case SuppressionReason.LIMITED_PERMANENTLY:
                return self.limited_permanently
            case SuppressionReason.LIMITED_TEMPORARILY:
                return self.limited_until is not None and now < self.limited_until
            case SuppressionReason.MANUAL | SuppressionReason.UNSUBSCRIBED:
                return self.decision(reason) is not None
            case _:
                return self.ground(reason) is not None

    def is_erased(self, accepted_at: datetime) -> bool:
        """Whether what is recorded of a message, by the time of its acceptance, has to leave the address out."""
        return self.erased_at is not None and accepted_at <= self.erased_at

    def with_ground(self, new: Ground) -> frozenset[Ground]:
        """The grounds with a new one, in the place of another of the same event.

        A reason keeps MOST_GROUNDS: the first of those that suppress at once, since they say since when; the last of
        soft bounces.
        """
        others = self.without_event(new.event)
        soft = new.reason is SuppressionReason.REPEATED_SOFT_BOUNCES
        alike = sorted({new, *(each for each in others if each.reason is new.reason)}, key=_age, reverse=soft)
        return (others | {new}) - frozenset(alike[MOST_GROUNDS:])

    def without_event(self, event: tuple[str, ...]) -> frozenset[Ground]:
        """The grounds without that of an event."""
        return frozenset(ground for ground in self.grounds if ground.event != event)

    def without_soft_bounces(self, before: datetime) -> frozenset[Ground]:
        """The grounds without the soft bounces before a moment, at which a mail has arrived."""
        return self.grounds - {each for each in self.of(SuppressionReason.REPEATED_SOFT_BOUNCES) if each.at < before}


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
