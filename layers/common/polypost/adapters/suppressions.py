"""What the Contacts table holds of addresses that get no mail."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from polypost.adapters import keys
from polypost.adapters.clients import ConditionFailed, TransactionRefused, translated_errors
from polypost.adapters.dynamodb import Table, batch_get, from_item, to_item, transact, update_of
from polypost.adapters.suppression_items import (
    address_of,
    decision_name,
    decision_value,
    ground_name,
    ground_value,
    lift_of,
    standing_of,
    without_person,
)
from polypost.errors import Retryable
from polypost.models.access import SpaceSettings
from polypost.models.addresses import normalised
from polypost.models.suppression import (
    AddressStanding,
    Decision,
    Ground,
    KnownAddress,
    Lifting,
    SuppressionPage,
    SuppressionReason,
)
from polypost.models.unsubscribe_links import Subscription, subscription_of, unsubscribe_token

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

# Items that one read of a list asks for, and how often a part of the list reads: most items of a space may be of
# addresses that are not suppressed any more.
_LEAST_ITEMS = 100
_READS = 10

# Tries against other writers of the same item.
_TRIES = 5


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

    # --- reading ------------------------------------------------------------------------------------------------------

    def standings(self, space: str, addresses: Collection[str]) -> dict[str, AddressStanding]:
        """The standing of each address, read consistently and all at once.

        Raises: Retryable, also if a part of it could not be read: a mail then waits.
        """
        wanted = {address: self._key(space, address) for address in addresses}
        found = {item["SK"]: item for item in batch_get(self._client, self._table, wanted.values())}
        return {address: self._standing(space, found.get(key["SK"], {})) for address, key in wanted.items()}

    def known(self, space: str, address: str, now: datetime) -> KnownAddress:
        """What is known of an address.

        Raises: Retryable.
        """
        key = self._key(space, address)
        item = Table(self._client, self._table).get(key) or {}
        return KnownAddress(key["SK"], normalised(address), self._standing(space, item), now)

    def page(self, space: str, after: str, limit: int, now: datetime) -> SuppressionPage:
        """A part of the addresses that are suppressed now.

        It may have fewer than `limit` of them, or none, and still be followed by another one.

        Parameters: after, the id behind which the part begins, or "" for the beginning; limit, how many addresses at
        most.

        Raises: Retryable.
        """
        entries: list[KnownAddress] = []
        for _ in range(_READS):
            with translated_errors("dynamodb.Query"):
                answer = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="PK = :pk AND SK > :after",
                    # "!" sorts before all that an HMAC can begin with.
                    ExpressionAttributeValues=to_item(
                        {":pk": keys.suppression(space, "")["PK"], ":after": after or "!"}
                    ),
                    ConsistentRead=True,
                    Limit=max(limit, _LEAST_ITEMS),
                )
            for item in map(from_item, answer["Items"]):
                after = item["SK"]
                entry = KnownAddress(after, address_of(item), self._standing(space, item), now)
                entries += [entry] if entry.causes else []
                if len(entries) == limit:
                    return SuppressionPage(tuple(entries), after)
            if "LastEvaluatedKey" not in answer:
                return SuppressionPage(tuple(entries), None)
        return SuppressionPage(tuple(entries), after)

    # --- writing ------------------------------------------------------------------------------------------------------

    def change(
        self, space: str, address: str, old: Collection[Ground], new: Collection[Ground], *, anonymous: bool
    ) -> "TransactWriteItemTypeDef | None":
        """The member of a transaction that changes the grounds of an address; None where they stay.

        It names what is new and what goes, and nothing else, so that it does no harm to what others change.

        Parameters: anonymous, to store the new ones without the address.
        """
        shown = None if anonymous else address
        added = {ground_name(ground): ground_value(ground, shown) for ground in new if ground not in old}
        removed = set(map(ground_name, old)) - set(map(ground_name, new))
        return self._update(space, address, update_of(added, sorted(removed))) if added or removed else None

    def decision(
        self, space: str, address: str, decision: Decision, *, anonymous: bool = False
    ) -> "TransactWriteItemTypeDef":
        """The member of a transaction that writes what a person decided, in the place of what stood for the reason.

        Parameters: anonymous, to store it without the address: it comes from a mail that was accepted before the person
        was erased.
        """
        value = decision_value(decision, None if anonymous else address)
        return self._update(space, address, update_of({decision_name(decision.reason): value}))

    def decide(self, space: str, address: str, decision: Decision, *, anonymous: bool = False) -> None:
        """Write what a person decided, in the place of what stood for the reason.

        Parameters: those of `decision`.

        Raises: Retryable.
        """
        self._write(self.decision(space, address, decision, anonymous=anonymous))

    def lift(self, space: str, address: str, standing: AddressStanding, lifting: Lifting) -> None:
        """End what a lifting covers, and record it. The limit of a living contact stays.

        Parameters: standing, that of the address.

        Raises: Retryable.
        """
        self._write(self._update(space, address, update_of(*lift_of(standing, lifting))))

    def forget(self, space: str, address_hash: str) -> None:
        """Take an erased person's address, and what was said of the person, from what stands under an HMAC.

        Doing it again is harmless.

        Raises: Retryable.
        """
        table = Table(self._client, self._table)
        key = keys.suppression(space, address_hash)
        for _ in range(_TRIES):
            item = table.get(key) or {}
            changed = without_person(item)
            if not changed:
                return
            try:
                with translated_errors("dynamodb.UpdateItem"):
                    self._client.update_item(**table.key(key), **_if_unchanged(item, changed))
            except ConditionFailed:
                continue
            return
        raise Retryable("dynamodb.UpdateItem: the suppression is being changed by others")

    # --- by the links of mails ----------------------------------------------------------------------------------------

    def unsubscribe_token(self, space: str, address: str, message_id: str) -> str:
        """The token of the link by which a message's recipient unsubscribes."""
        address_key = self._address_key()
        return unsubscribe_token(Subscription(space, keys.address_hash(address_key, address), message_id), address_key)

    def subscription(self, token: str) -> Subscription | None:
        """The subscription that a token ends; None for one that this stack did not make."""
        return subscription_of(token, self._address_key())

    def standing_of(self, subscription: Subscription) -> AddressStanding:
        """The standing of a subscription's address.

        Raises: Retryable.
        """
        item = Table(self._client, self._table).get(keys.suppression(subscription.space, subscription.address_hash))
        return self._standing(subscription.space, item or {})

    def ending(self, subscription: Subscription, decision: Decision, address: str | None) -> "TransactWriteItemTypeDef":
        """The member of a transaction that ends a subscription; it is refused where it has ended already.

        Parameters: address, the subscription's, where it is known.
        """
        name = decision_name(decision.reason)
        member = self._update_of(
            subscription.space, subscription.address_hash, update_of({name: decision_value(decision, address)})
        )
        return _only_if("attribute_not_exists", name, member)

    def renewal(
        self, subscription: Subscription, standing: AddressStanding, lifting: Lifting
    ) -> "TransactWriteItemTypeDef":
        """The member of a transaction that takes back that a subscription ended; it is refused where it has not.

        Parameters: standing, that of the address.
        """
        member = self._update_of(subscription.space, subscription.address_hash, update_of(*lift_of(standing, lifting)))
        return _only_if("attribute_exists", decision_name(SuppressionReason.UNSUBSCRIBED), member)

    def commit(self, *members: "TransactWriteItemTypeDef") -> bool:
        """Write all of it; False if a condition refused it, so that nothing was written.

        Raises: Retryable.
        """
        try:
            transact(self._client, members)
        except TransactionRefused:
            return False
        return True

    # --- parts --------------------------------------------------------------------------------------------------------

    def _standing(self, space: str, item: Mapping[str, Any]) -> AddressStanding:
        # The space is asked of those alone of which something is known.
        return standing_of(item, self._settings(space).soft_bounce_limit if item else 0)

    def _key(self, space: str, address: str) -> keys.Key:
        return keys.suppression(space, keys.address_hash(self._address_key(), address))

    def _update(self, space: str, address: str, update: Any) -> "TransactWriteItemTypeDef":
        return self._update_of(space, keys.address_hash(self._address_key(), address), update)

    def _update_of(self, space: str, address_hash: str, update: Any) -> "TransactWriteItemTypeDef":
        key = to_item(keys.suppression(space, address_hash))
        return {"Update": {"TableName": self._table, "Key": key} | update}

    def _write(self, member: "TransactWriteItemTypeDef") -> None:
        with translated_errors("dynamodb.UpdateItem"):
            self._client.update_item(**member["Update"])


def _only_if(function: str, attribute: str, member: "TransactWriteItemTypeDef") -> "TransactWriteItemTypeDef":
    """An update under a condition on one of the attributes that it changes."""
    update = member["Update"]
    (placeholder,) = (each for each, name in update["ExpressionAttributeNames"].items() if name == attribute)
    return {"Update": {**update, "ConditionExpression": f"{function}({placeholder})"}}


def _if_unchanged(item: Mapping[str, Any], changed: Mapping[str, Any]) -> Any:
    """The parameters of an UpdateItem that sets attributes, each if it still is as the item has it."""
    update = update_of(changed)
    was = {name.replace("#", ":was"): item[attribute] for name, attribute in update["ExpressionAttributeNames"].items()}
    return update | {
        "ExpressionAttributeValues": update["ExpressionAttributeValues"] | to_item(was),
        "ConditionExpression": " AND ".join(
            f"{name} = {name.replace('#', ':was')}" for name in update["ExpressionAttributeNames"]
        ),
    }
