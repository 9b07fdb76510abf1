"""What keeps mail from an address."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from polypost.models.addresses import domain_of
from polypost.models.delivery import BounceType, EventKind, Fact


class SuppressionReason(StrEnum):
    """Why an address gets no mail, the weightiest first."""

    COMPLAINT = "complaint"
    BOUNCE = "bounce"
    LIMITED_PERMANENTLY = "limited permanently"
    LIMITED_TEMPORARILY = "limited temporarily"


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why a mail is not sent, and whether one ever will be: the `type` under which it is listed."""

    reason: SuppressionReason
    type: BounceType


@dataclass(frozen=True, slots=True)
class AddressStanding:
    """What a space knows of an address that matters to the next mail to it.

    The limits are those of the contact with the address, or of one that was deleted. `erased_at` is when a contact with
    the address was deleted last: what was accepted until then is recorded without the address.
    """

    complained: bool = False
    bounced: bool = False
    limited_permanently: bool = False
    limited_until: datetime | None = None
    erased_at: datetime | None = None

    def suppression(self, now: datetime) -> Suppression | None:
        """What keeps a mail that would be sent now from the address."""
        if self.complained:
            return Suppression(SuppressionReason.COMPLAINT, BounceType.HARD)
        if self.bounced:
            return Suppression(SuppressionReason.BOUNCE, BounceType.HARD)
        if self.limited_permanently:
            return Suppression(SuppressionReason.LIMITED_PERMANENTLY, BounceType.HARD)
        if self.limited_until is not None and now < self.limited_until:
            return Suppression(SuppressionReason.LIMITED_TEMPORARILY, BounceType.SOFT)
        return None

    def is_erased(self, accepted_at: datetime) -> bool:
        """Whether what is recorded of a message, by the time of its acceptance, has to leave the address out."""
        return self.erased_at is not None and accepted_at <= self.erased_at


#: Bounces that say nothing of the address in this space: SES's own lists hold what any of its customers, or any space,
#: has met (SES developer guide, "Bounce types").
_LISTED_BY_SES = ("/Suppressed", "/OnAccountSuppressionList")

# SES suppresses none of its mailbox simulator's addresses either (SES developer guide, "Using the mailbox simulator"):
# each of them shall do what it stands for again and again.
_SIMULATOR = "simulator.amazonses.com"


def reason_in(fact: Fact) -> SuppressionReason | None:
    """The reason that a fact gives to send no more mail to its recipient.

    A bounce does where it is hard and SES does not take it for transient: a full mailbox may answer 5.2.2.
    """
    if domain_of(fact.recipient) == _SIMULATOR:
        return None
    match fact.kind:
        case EventKind.COMPLAINT:
            return SuppressionReason.COMPLAINT
        case EventKind.BOUNCE if fact.type == BounceType.HARD:
            ses_type = fact.ses_type or ""
            says_nothing = ses_type.startswith("Transient/") or ses_type.endswith(_LISTED_BY_SES)
            return None if says_nothing else SuppressionReason.BOUNCE
    return None
