"""The stores that contacts refer to, in the Contacts table."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from polypost.adapters import keys
from polypost.adapters.clients import ConditionFailed, translated_errors
from polypost.adapters.dynamodb import Table, from_item, query_all, to_item
from polypost.errors import Permanent
from polypost.models.contacts import Store

if TYPE_CHECKING:
    pass


class StoreIdTaken(Permanent):
    """Another store has the id."""


class Stores:
    """Reads and writes stores."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, space: str, store_id: int) -> Store | None:
        """A store by its id, as it is now."""
        item = self._table.get(keys.store(space, store_id))
        return None if item is None else _store(item)

    def all(self, space: str) -> list[Store]:
        """A space's stores, in the order of their ids."""
        items = query_all(
            self._table.client,
            self._table.name,
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues=to_item({":pk": keys.store(space, 0)["PK"]}),
            ConsistentRead=True,
        )
        return [_store(item) for item in items]

    def create(self, space: str, store: Store, creation: str) -> None:
        """Store a new store; an earlier try of the same creation is as good.

        Raises: StoreIdTaken; Retryable.
        """
        item = keys.store(space, store.id) | {"storeId": store.id, "name": store.name, "creation": creation}
        try:
            with translated_errors("dynamodb.PutItem"):
                self._table.client.put_item(**self._table.put(item, "attribute_not_exists(PK)")["Put"])
        except ConditionFailed as refusal:
            if from_item(refusal.item)["creation"] != creation:
                raise StoreIdTaken(f"The id {store.id} is taken") from refusal

    def delete(self, space: str, store_id: int) -> bool:
        """Delete a store; whether there was one. Contacts that refer to it keep its id."""
        with translated_errors("dynamodb.DeleteItem"):
            answer = self._table.client.delete_item(
                **self._table.key(keys.store(space, store_id)), ReturnValues="ALL_OLD"
            )
        return "Attributes" in answer


def _store(item: Mapping[str, Any]) -> Store:
    return Store(int(item["storeId"]), item["name"])
