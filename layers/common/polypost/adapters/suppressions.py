"""What the Contacts table holds of addresses: suppressions, and the limits in the guards of contacts."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from polypost.adapters import keys
from polypost.adapters.clients import TransactionRefused, translated_errors
from polypost.adapters.dynamodb import Table, batch_get, to_item, transact, update_of
from polypost.models.access import SpaceSettings
from polypost.models.contacts import email_claim
from polypost.models.delivery import EventKind
from polypost.models.suppression import (
    MOST_LIFTINGS,
    AddressStanding,
    Decision,
    Ground,
    Lifting,
    SuppressionReason,
)
from polypost.models.unsubscribe_links import Subscription, subscription_of, unsubscribe_token

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

# What the names of attributes begin with that hold one ground, one decision, one lifting. Each has an attribute of its
# own, so that writing it is the same in any order and however often: no attribute is read to be written.
_GROUND = "ground"
_DECISION = "decision"
_LIFTING = "lifting"

_UNTIL = "limitMailsTemporarilyUntil"


class Suppressions:
    """Tells whether an address may be sent to, and writes down why not.

    Parameters: table_name, of the Contacts table; address_key, gives the stack's key for the HMACs of addresses;
    settings, gives those of a space.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table_name: str,
        address_key: Callable[[], bytes],
        settings: Callable[[str], SpaceSettings],
    ) -> None:
        self._client = client
        self._table = table_name
        self._address_key = address_key
        self._settings = settings

    def standings(self, space: str, addresses: Collection[str]) -> dict[str, AddressStanding]:
        """The standing of each address, read consistently and all at once.

        Raises: Retryable, also if a part of it could not be read: a mail then waits.
        """
        wanted = {address: self._keys(space, address) for address in addresses}
        items = batch_get(self._client, self._table, (key for pair in wanted.values() for key in pair))
        found = {item["PK"]: item for item in items}
        return {
            address: self._standing(space, *(found.get(key["PK"], {}) for key in pair))
            for address, pair in wanted.items()
        }

    def decision(self, space: str, address: str, decision: Decision) -> "TransactWriteItemTypeDef":
        """The member of a transaction that writes what a person decided, in the place of what stood for the reason."""
        return self._update(space, address, {_decision_name(decision.reason): _decision_value(decision)})

    def decide(self, space: str, address: str, decision: Decision) -> None:
        """Write what a person decided, in the place of what stood for the reason.

        Raises: Retryable.
        """
        self._write(self.decision(space, address, decision))

    def lift(self, space: str, address: str, standing: AddressStanding, lifting: Lifting) -> None:
        """End the decisions for the reasons of a lifting, and record it.

        Parameters: standing, that of the address.

        Raises: Retryable.
        """
        self._write(self._update(space, address, *_lifted(standing, lifting)))

    def change(
        self, space: str, address: str, old: Collection[Ground], new: Collection[Ground]
    ) -> "TransactWriteItemTypeDef | None":
        """The member of a transaction that changes the grounds of an address; None where they stay.

        It names what is new and what goes, and nothing else, so that it does no harm to what others change.
        """
        added = {_name(ground): _value(ground) for ground in new if ground not in old}
        removed = {_name(ground) for ground in old} - {_name(ground) for ground in new}
        if not added and not removed:
            return None
        return self._update(space, address, added, sorted(removed))

    def _update(
        self, space: str, address: str, set_values: Mapping[str, Any], remove: Collection[str] = ()
    ) -> "TransactWriteItemTypeDef":
        return self._update_of(space, keys.address_hash(self._address_key(), address), set_values, remove)

    def _update_of(
        self, space: str, address_hash: str, set_values: Mapping[str, Any], remove: Collection[str] = ()
    ) -> "TransactWriteItemTypeDef":
        key = to_item(keys.suppression(space, address_hash))
        return {"Update": {"TableName": self._table, "Key": key} | update_of(set_values, remove)}

    def _write(self, member: "TransactWriteItemTypeDef") -> None:
        with translated_errors("dynamodb.UpdateItem"):
            self._client.update_item(**member["Update"])

    # --- by the links of mails ----------------------------------------------------------------------------------------

    def unsubscribe_token(self, space: str, address: str, message_id: str) -> str:
        """The token of the link by which a message's recipient unsubscribes."""
        address_key = self._address_key()
        return unsubscribe_token(Subscription(space, keys.address_hash(address_key, address), message_id), address_key)

    def subscription(self, token: str) -> Subscription | None:
        """The subscription that a token ends; None for one that this stack did not make."""
        return subscription_of(token, self._address_key())

    def standing_of(self, subscription: Subscription) -> AddressStanding:
        """The standing of a subscription's address, but for the limits of the contact that has it.

        Raises: Retryable.
        """
        item = Table(self._client, self._table).get(keys.suppression(subscription.space, subscription.address_hash))
        return self._standing(subscription.space, item or {})

    def ending(self, subscription: Subscription, decision: Decision) -> "TransactWriteItemTypeDef":
        """The member of a transaction that ends a subscription; it is refused where it has ended already."""
        name = _decision_name(decision.reason)
        member = self._update_of(subscription.space, subscription.address_hash, {name: _decision_value(decision)})
        return _only_if("attribute_not_exists", name, member)

    def renewal(
        self, subscription: Subscription, standing: AddressStanding, lifting: Lifting
    ) -> "TransactWriteItemTypeDef":
        """The member of a transaction that takes back that a subscription ended; it is refused where it has not.

        Parameters: standing, that of the address.
        """
        member = self._update_of(subscription.space, subscription.address_hash, *_lifted(standing, lifting))
        return _only_if("attribute_exists", _decision_name(SuppressionReason.UNSUBSCRIBED), member)

    def commit(self, *members: "TransactWriteItemTypeDef") -> bool:
        """Write all of it; False if a condition refused it, so that nothing was written.

        Raises: Retryable.
        """
        try:
            transact(self._client, members)
        except TransactionRefused:
            return False
        return True

    def _standing(self, space: str, suppression: Mapping[str, Any], guard: Mapping[str, Any] = {}) -> AddressStanding:
        grounds = frozenset(_ground(name, value) for name, value in suppression.items() if name.startswith(_GROUND))
        decisions = (_decision(name, value) for name, value in suppression.items() if name.startswith(_DECISION))
        liftings = (_lifting(name, value) for name, value in suppression.items() if name.startswith(_LIFTING))
        until = [_moment(item[_UNTIL]) for item in (suppression, guard) if _UNTIL in item]
        return AddressStanding(
            grounds=grounds,
            # The space is asked of those alone that have bounced before.
            soft_bounce_limit=self._settings(space).soft_bounce_limit if grounds else 0,
            limited_permanently="limitMailsPermanently" in suppression or "limitMailsPermanently" in guard,
            limited_until=max(until, default=None),
            decisions=frozenset(decisions),
            liftings=frozenset(liftings),
            erased_at=_moment(suppression["erasedAt"]) if "erasedAt" in suppression else None,
        )

    def _keys(self, space: str, address: str) -> list[keys.Key]:
        address_key = self._address_key()
        suppression = keys.suppression(space, keys.address_hash(address_key, address))
        claim = email_claim(address)
        return [suppression] if claim is None else [suppression, keys.guard(space, address_key, claim)]


def _ground(name: str, value: Mapping[str, str]) -> Ground:
    _, reported_as, message_id, fact_id = name.split("#", 3)
    return Ground(
        reason=SuppressionReason(value["reason"]),
        at=_moment(value["at"]),
        reported_as=EventKind(reported_as),
        message_id=message_id,
        fact_id=fact_id,
        rule=value["rule"],
    )


def _name(ground: Ground) -> str:
    return "#".join((_GROUND, *ground.event))


def _value(ground: Ground) -> dict[str, str]:
    return {"reason": ground.reason, "at": keys.instant(ground.at), "rule": ground.rule}


def _decision_name(reason: SuppressionReason) -> str:
    return f"{_DECISION}#{reason}"


def _decision_value(decision: Decision) -> dict[str, str]:
    value = {"at": keys.instant(decision.at), "by": decision.by, "note": decision.note}
    return value if decision.message_id is None else value | {"messageId": decision.message_id}


def _decision(name: str, value: Mapping[str, str]) -> Decision:
    return Decision(
        reason=SuppressionReason(name.removeprefix(f"{_DECISION}#")),
        at=_moment(value["at"]),
        by=value["by"],
        note=value["note"],
        message_id=value.get("messageId"),
    )


def _lifting_name(lifting: Lifting) -> str:
    return f"{_LIFTING}#{keys.instant(lifting.at)}"


def _lifted(standing: AddressStanding, lifting: Lifting) -> tuple[dict[str, Any], list[str]]:
    """What a lifting sets and what it takes away."""
    removed = [_decision_name(reason) for reason in lifting.reasons]
    removed += sorted(map(_lifting_name, standing.liftings))[: 1 - MOST_LIFTINGS]
    value = {"reasons": sorted(lifting.reasons), "by": lifting.by, "note": lifting.note}
    return {_lifting_name(lifting): value}, removed


def _only_if(function: str, attribute: str, member: "TransactWriteItemTypeDef") -> "TransactWriteItemTypeDef":
    """An update under a condition on one of the attributes that it changes."""
    update = member["Update"]
    (placeholder,) = (each for each, name in update["ExpressionAttributeNames"].items() if name == attribute)
    return {"Update": {**update, "ConditionExpression": f"{function}({placeholder})"}}


def _lifting(name: str, value: Mapping[str, Any]) -> Lifting:
    return Lifting(
        reasons=frozenset(map(SuppressionReason, value["reasons"])),
        at=_moment(name.removeprefix(f"{_LIFTING}#")),
        by=value["by"],
        note=value["note"],
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
