"""What is known of an address as an item of the Contacts table.

Each event, each decision and each lifting has an attribute of its own, so that writing it is the same in any order and
however often: no attribute is read to be written. With what keeps mail away stands the address itself, for lists to
show, until the person is erased; the item's key is an HMAC of it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from polypost.adapters import keys
from polypost.adapters.contact_items import PERMANENTLY, UNTIL, limits_of
from polypost.models.addresses import normalised
from polypost.models.contacts import Contact
from polypost.models.delivery import EventKind
from polypost.models.message_ids import accepted_at
from polypost.models.suppression import AddressStanding, Decision, Ground, Lifting, Limit, SuppressionReason

#: The limit of the contact with the address.
CONTACT = "contact"

#: When a contact with the address was deleted last.
ERASED_AT = "erasedAt"

#: Since when there is a limit that deleted contacts have left behind, which is PERMANENTLY or UNTIL or both.
LEFT_SINCE = "leftSince"

# What the names of attributes begin with that hold one ground, one decision, one lifting.
_GROUND = "ground#"
_DECISION = "decision#"
_LIFTING = "lifting#"

# The member of an attribute that holds the address.
_ADDRESS = "address"

_NAMES_OF_LIMITS = {
    SuppressionReason.LIMITED_PERMANENTLY: PERMANENTLY,
    SuppressionReason.LIMITED_TEMPORARILY: UNTIL,
}


def standing_of(item: Mapping[str, Any], soft_bounce_limit: int = 0) -> AddressStanding:
    """What an item says of its address.

    Parameters: soft_bounce_limit, that of the space.
    """
    return AddressStanding(
        grounds=frozenset(_ground(name, value) for name, value in _each(item, _GROUND)),
        soft_bounce_limit=soft_bounce_limit,
        limits=frozenset(_limits(item)),
        decisions=frozenset(_decision(name, value) for name, value in _each(item, _DECISION)),
        liftings=frozenset(_lifting(name, value) for name, value in _each(item, _LIFTING)),
        erased_at=_moment(item[ERASED_AT]) if ERASED_AT in item else None,
    )


def address_of(item: Mapping[str, Any]) -> str | None:
    """The address of an item, in its normal form; None where whatever keeps mail away is of an erased person."""
    maps = (value for value in item.values() if isinstance(value, Mapping))
    return next((value[_ADDRESS] for value in maps if _ADDRESS in value), None)


def without_person(item: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of an item that name an erased person, as they are then: without address and words.

    Whatever became known after the deletion is of whoever has the address since.
    """
    if ERASED_AT not in item:
        return {}
    found = {
        name: {**value, "note": ""} if name.startswith((_DECISION, _LIFTING)) else dict(value)
        for prefix in (_GROUND, _DECISION, _LIFTING)
        for name, value in _each(item, prefix)
        if _known_at(name, value) <= _moment(item[ERASED_AT])
    }
    for value in found.values():
        value.pop(_ADDRESS, None)
    return {name: value for name, value in found.items() if value != item[name]}


# --- Grounds ----------------------------------------------------------------------------------------------------------


def ground_name(ground: Ground) -> str:
    """The attribute of a ground."""
    return _GROUND + "#".join(ground.event)


def ground_value(ground: Ground, address: str | None) -> dict[str, Any]:
    """A ground with the address, or without it."""
    return _addressed({"reason": ground.reason, "at": keys.instant(ground.at), "rule": ground.rule}, address)


def _ground(name: str, value: Mapping[str, str]) -> Ground:
    reported_as, message_id, fact_id = name.removeprefix(_GROUND).split("#", 2)
    return Ground(
        reason=SuppressionReason(value["reason"]),
        at=_moment(value["at"]),
        reported_as=EventKind(reported_as),
        message_id=message_id,
        fact_id=fact_id,
        rule=value["rule"],
    )


# --- Decisions and liftings -------------------------------------------------------------------------------------------


def decision_name(reason: SuppressionReason) -> str:
    """The attribute of what a person decided for a reason."""
    return _DECISION + reason


def decision_value(decision: Decision, address: str | None) -> dict[str, Any]:
    """A decision with the address, or without it."""
    value = {"at": keys.instant(decision.at), "by": decision.by, "note": decision.note}
    if decision.message_id is not None:
        value["messageId"] = decision.message_id
    return _addressed(value, address)


def lift_of(standing: AddressStanding, lifting: Lifting) -> tuple[dict[str, Any], list[str]]:
    """What ends all that a lifting covers of a standing, and records it: the attributes to set, and those to remove."""
    after = standing.with_lifting(lifting)
    removed = [ground_name(each) for each in standing.grounds - after.grounds]
    removed += [decision_name(each.reason) for each in standing.decisions - after.decisions]
    removed += [_lifting_name(each) for each in standing.liftings - after.liftings]
    removed += [name for reason, name in _NAMES_OF_LIMITS.items() if lifting.covers(reason)]
    if _has_left_limit(standing) and not _has_left_limit(after):
        removed.append(LEFT_SINCE)
    value = {"reasons": sorted(lifting.reasons), "by": lifting.by, "note": lifting.note}
    return {_lifting_name(lifting): value}, sorted(removed)


def _has_left_limit(standing: AddressStanding) -> bool:
    return any(limit.contact_id is None for limit in standing.limits)


def _decision(name: str, value: Mapping[str, str]) -> Decision:
    return Decision(
        reason=SuppressionReason(name.removeprefix(_DECISION)),
        at=_moment(value["at"]),
        by=value["by"],
        note=value["note"],
        message_id=value.get("messageId"),
    )


def _lifting_name(lifting: Lifting) -> str:
    return _LIFTING + keys.instant(lifting.at)


def _lifting(name: str, value: Mapping[str, Any]) -> Lifting:
    return Lifting(
        reasons=frozenset(map(SuppressionReason, value["reasons"])),
        at=_moment(name.removeprefix(_LIFTING)),
        by=value["by"],
        note=value["note"],
    )


# --- Limits -----------------------------------------------------------------------------------------------------------


def limit_value(contact: Contact) -> dict[str, Any]:
    """The limit of a contact, which it has had since its last change."""
    since = keys.instant(contact.last_modified.to_utc())
    value = {"contactId": contact.id, "since": since} | limits_of(contact.profile)
    return _addressed(value, contact.profile.email)


def _limits(item: Mapping[str, Any]) -> Iterator[Limit]:
    if LEFT_SINCE in item:
        yield _limit(item, item[LEFT_SINCE], None)
    if CONTACT in item:
        yield _limit(item[CONTACT], item[CONTACT]["since"], int(item[CONTACT]["contactId"]))


def _limit(value: Mapping[str, Any], since: str, contact_id: int | None) -> Limit:
    until = _moment(value[UNTIL]) if UNTIL in value else None
    return Limit(_moment(since), PERMANENTLY in value, until, contact_id)


# --- Parts ------------------------------------------------------------------------------------------------------------


def _each(item: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((name, value) for name, value in item.items() if name.startswith(prefix))


def _addressed(value: dict[str, Any], address: str | None) -> dict[str, Any]:
    return value if address is None else value | {_ADDRESS: normalised(address)}


def _known_at(name: str, value: Mapping[str, Any]) -> datetime:
    """When a person became known by an attribute: with the message that it came from, or with what was done."""
    if name.startswith(_GROUND):
        return accepted_at(_ground(name, value).message_id)
    if name.startswith(_LIFTING):
        return _lifting(name, value).at
    decision = _decision(name, value)
    return accepted_at(decision.message_id) if decision.message_id else decision.at


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
