"""The interactions in the Logs table, and the visits of their links."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from polypost.adapters import keys
from polypost.adapters.clients import ConditionFailed, translated_errors
from polypost.adapters.dynamodb import from_item, to_item
from polypost.models.interactions import Interaction, NewInteraction, Visit, Visitor, external_id_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# A browser's name is some 150 characters; who sends more has something else in mind.
_LONGEST_USER_AGENT = 500


class Interactions:
    """Reads and writes interactions and visits.

    An interaction's key is the token of its link, and the token follows from what the interaction is known by in its
    account. So one conditional write finds out whether there is one already, and one read finds it by its link.

    Parameters: address_key, gives the stack's key for HMACs.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str, address_key: Callable[[], bytes]) -> None:
        self._client = client
        self._table = table_name
        self._address_key = address_key

    def token(self, space: str, account_id: UUID, identity: str) -> str:
        """The token of the one interaction that an account has of an identity, whether there is one yet or not."""
        return keys.interaction_token(self._address_key(), space, str(account_id), identity)

    def create(self, interaction: Interaction) -> Interaction:
        """Store an interaction, unless there is one of its token; the one that stands then."""
        asked = interaction.asked
        item = keys.interaction(interaction.token) | {
            "interactionId": interaction.id,
            "interactionIdentity": asked.identity,
            "interactionName": asked.name,
            "accountId": str(asked.account_id),
            "contactId": str(asked.contact_id),
            "tenantKey": asked.tenant_key and str(asked.tenant_key),
            "groupKey": asked.group_key and str(asked.group_key),
            "space": interaction.space,
            "campaignKey": interaction.campaign_key,
            "url": interaction.url,
            "createdAt": keys.instant(interaction.created_at),
            "person": self._person(interaction),
            "personOrder": keys.instant(interaction.created_at),
        }
        try:
            with translated_errors("dynamodb.PutItem"):
                self._client.put_item(
                    TableName=self._table,
                    Item=to_item(item),
                    ConditionExpression="attribute_not_exists(PK)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ConditionFailed as refusal:
            return interaction_of(from_item(refusal.item))
        return interaction

    def find(self, token: str) -> Interaction | None:
        """The interaction of a token, as it is now."""
        with translated_errors("dynamodb.GetItem"):
            answer = self._client.get_item(
                TableName=self._table, Key=to_item(keys.interaction(token)), ConsistentRead=True
            )
        return interaction_of(from_item(answer["Item"])) if "Item" in answer else None

    def record_visit(self, interaction: Interaction, visit: Visit, unique: str) -> None:
        """Store a visit of an interaction's link.

        Parameters: unique, what tells apart two visits at once.
        """
        visitor = visit.visitor
        item = keys.visit(interaction.token, visit.visited_at, unique) | {
            "interactionId": visit.interaction_id,
            "interactionName": visit.name,
            "space": interaction.space,
            "visitedAt": keys.instant(visit.visited_at),
            "ip": visitor and visitor.ip,
            "userAgent": visitor and visitor.user_agent[:_LONGEST_USER_AGENT],
            "person": self._person(interaction),
            "personOrder": keys.instant(visit.visited_at),
        }
        with translated_errors("dynamodb.PutItem"):
            self._client.put_item(TableName=self._table, Item=to_item(item))

    def _person(self, interaction: Interaction) -> str:
        contact = external_id_of(interaction.asked.contact_id)
        return keys.person_of_external_id(interaction.space, self._address_key(), contact.system, contact.id)


def interaction_of(item: Mapping[str, Any]) -> Interaction:
    """The interaction that an item holds."""

    def guid(name: str) -> UUID | None:
        return UUID(item[name]) if name in item else None

    return Interaction(
        asked=NewInteraction(
            identity=item["interactionIdentity"],
            name=item["interactionName"],
            account_id=UUID(item["accountId"]),
            contact_id=UUID(item["contactId"]),
            tenant_key=guid("tenantKey"),
            group_key=guid("groupKey"),
        ),
        id=item["interactionId"],
        token=item["PK"].removeprefix(keys.interaction("")["PK"]),
        space=item["space"],
        campaign_key=item["campaignKey"],
        url=item["url"],
        created_at=datetime.fromisoformat(item["createdAt"]),
    )


def visit_of(item: Mapping[str, Any]) -> Visit:
    """The visit that an item holds."""
    return Visit(
        interaction_id=item["interactionId"],
        name=item["interactionName"],
        visited_at=datetime.fromisoformat(item["visitedAt"]),
        visitor=Visitor(item["ip"], item["userAgent"]) if "ip" in item else None,
    )
