"""The Access table: spaces, credentials, sender domains, campaigns, templates, the stack's key for addresses."""

import secrets
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cachetools import TTLCache

from polypost.adapters import keys
from polypost.adapters.clients import ConditionFailed, translated_errors
from polypost.adapters.dynamodb import from_item, query_all, to_item
from polypost.errors import Permanent
from polypost.models.access import Credential, SenderDomain, Space, SpaceSettings
from polypost.models.campaigns import Campaign
from polypost.models.caseless import folded
from polypost.models.promotions import MailTemplate, TemplateName

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: How long a warm function trusts what it read, in seconds: a revoked key works for no longer than this.
CACHE_SECONDS = 60
_CACHED_ITEMS = 1024


class AccessTable:
    """Reads what a request may do, and writes it for the operator.

    Items that were found are remembered for CACHE_SECONDS; an item that was not found is looked up again each time,
    so that a new key works at once. Threads may share it.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table = table_name
        self._found: TTLCache[tuple[str, str], dict[str, Any]] = TTLCache(_CACHED_ITEMS, CACHE_SECONDS)
        # cachetools' caches are not made for threads: to read one takes away what has expired.
        self._lock = threading.Lock()

    def _get(self, key: keys.Key) -> dict[str, Any] | None:
        cache_key = (key["PK"], key["SK"])
        with self._lock:
            item = self._found.get(cache_key)
        if item is None:
            with translated_errors("dynamodb.GetItem"):
                answer = self._client.get_item(TableName=self._table, Key=to_item(key))
            if "Item" in answer:
                item = from_item(answer["Item"])
                with self._lock:
                    self._found[cache_key] = item
        return item

    def _create(self, item: dict[str, Any]) -> bool:
        """Put an item if its key is free; whether it was."""
        try:
            with translated_errors("dynamodb.PutItem"):
                self._client.put_item(
                    TableName=self._table, Item=to_item(item), ConditionExpression="attribute_not_exists(PK)"
                )
        except ConditionFailed:
            return False
        return True

    def _query(self, **request: Any) -> list[dict[str, Any]]:
        return query_all(self._client, self._table, **request)

    def _of_space(self, prefix: keys.Key) -> list[dict[str, Any]]:
        return self._query(
            KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
            ExpressionAttributeValues=to_item({":pk": prefix["PK"], ":sk": prefix["SK"]}),
        )

    def _directory(self, name: str) -> list[dict[str, Any]]:
        return self._query(
            IndexName="Directory",
            KeyConditionExpression="directory = :name",
            ExpressionAttributeValues=to_item({":name": name}),
        )

    # --- what the functions read --------------------------------------------------------------------------------------

    def has_space(self, space_id: str) -> bool:
        """Whether a space exists, and was not deleted."""
        item = self._get(keys.space(space_id))
        return item is not None and "deletedAt" not in item

    def settings(self, space_id: str) -> SpaceSettings:
        """A space's settings; a change of them is seen within CACHE_SECONDS."""
        item = self._get(keys.space(space_id)) or {}
        return SpaceSettings.model_validate(item.get("settings", {}))

    def credential(self, keyid: str) -> Credential | None:
        """A credential by its public half."""
        item = self._get(keys.credential(keyid))
        return None if item is None else _credential(item)

    def is_verified_sender(self, space_id: str, domain: str) -> bool:
        """Whether a space may send from a domain (lower case, punycode)."""
        item = self._get(keys.sender_domain(space_id, domain))
        return item is not None and item["verified"] is True

    def sender_domains(self, space_id: str) -> list[SenderDomain]:
        """A space's sender domains, verified or not yet, in alphabetical order."""
        items = self._of_space(keys.sender_domain(space_id, ""))
        return [SenderDomain(domain=item["domain"], verified=item["verified"]) for item in items]

    def campaign_key(self, space_id: str, name: str) -> str:
        """The key of the campaign of a name, in any spelling of it, whether there is one or not."""
        return keys.campaign_key(self.address_key(), space_id, name)

    def campaign(self, space_id: str, campaign_key: str) -> Campaign | None:
        """A campaign by its key; a change of it is seen within CACHE_SECONDS."""
        item = self._get(keys.campaign(space_id, campaign_key))
        return None if item is None else _campaign(item)

    def create_campaign(self, space_id: str, campaign: Campaign) -> bool:
        """Store a campaign; False if there is one of its key, which stays as it is."""
        return self._create(_campaign_item(space_id, campaign))

    def template(self, space_id: str, name: TemplateName) -> MailTemplate | None:
        """A space's own wording of a mail, if it has one; a change of it is seen within CACHE_SECONDS."""
        item = self._get(keys.template(space_id, name))
        return None if item is None else MailTemplate.model_validate(item)

    def address_key(self) -> bytes:
        """The stack's key for the HMACs of addresses.

        Raises: Permanent, if no space was ever created.
        """
        item = self._get(keys.ADDRESS_KEY)
        if item is None:
            raise Permanent("The stack has no key for addresses yet; creating the first space makes it")
        return bytes.fromhex(item["key"])

    # --- what the operator changes ------------------------------------------------------------------------------------

    def create_space(self, space: Space) -> bool:
        """Create a space, and with the stack's first one the key for addresses; False if the id was ever used.

        The key lives beside the data that it names, so that a restored table brings its own.
        """
        self._create(keys.ADDRESS_KEY | {"key": secrets.token_hex(32)})
        return self._create(
            keys.space(space.id)
            | {
                "directory": keys.SPACES,
                "space": space.id,
                "createdAt": space.created_at.isoformat(),
                "description": space.description,
                "settings": space.settings.model_dump(mode="json"),
            }
        )

    def spaces(self) -> list[Space]:
        """All spaces, in alphabetical order."""
        return [_space(item) for item in self._directory(keys.SPACES)]

    def space(self, space_id: str) -> Space | None:
        """A space, as it is now."""
        with translated_errors("dynamodb.GetItem"):
            answer = self._client.get_item(
                TableName=self._table, Key=to_item(keys.space(space_id)), ConsistentRead=True
            )
        item = from_item(answer.get("Item", {}))
        return _space(item) if item and "deletedAt" not in item else None

    def change_space(self, space: Space) -> None:
        """Store a space's description and settings; warm functions see them within CACHE_SECONDS."""
        with translated_errors("dynamodb.UpdateItem"):
            self._client.update_item(
                TableName=self._table,
                Key=to_item(keys.space(space.id)),
                UpdateExpression="SET description = :description, settings = :settings",
                ConditionExpression="attribute_exists(PK) AND attribute_not_exists(deletedAt)",
                ExpressionAttributeValues=to_item(
                    {":description": space.description, ":settings": space.settings.model_dump(mode="json")}
                ),
            )

    def delete_space(self, space_id: str, deleted_at: datetime) -> None:
        """Delete a space with its credentials, sender domains, campaigns and templates.

        The id stays taken, since the log of the space's mail does: who got the id next would read it. Stopped
        half-way, the space is gone already, and calling again takes the rest away.
        """
        with translated_errors("dynamodb.UpdateItem"):
            self._client.update_item(
                TableName=self._table,
                Key=to_item(keys.space(space_id)),
                UpdateExpression="SET deletedAt = if_not_exists(deletedAt, :now) REMOVE directory, description",
                ConditionExpression="attribute_exists(PK)",
                ExpressionAttributeValues=to_item({":now": deleted_at.isoformat()}),
            )
        for item in self._of_space(keys.template(space_id, "")):
            self._delete({"PK": item["PK"], "SK": item["SK"]})
        for credential in self.credentials(space_id):
            self.delete_credential(credential.keyid)
        for sender_domain in self.sender_domains(space_id):
            self.delete_sender_domain(space_id, sender_domain.domain)
        for campaign in self.campaigns(space_id):
            self.delete_campaign(space_id, campaign.key)

    def create_credential(self, credential: Credential) -> bool:
        """Store a credential; False if its keyid is taken."""
        return self._create(
            keys.credential(credential.keyid)
            | {
                "directory": keys.credentials_of(credential.space),
                "keyid": credential.keyid,
                "space": credential.space,
                "createdAt": credential.created_at.isoformat(),
                "secretSha256": credential.secret_sha256,
                "scopes": sorted(credential.scopes),
                "expiresAt": credential.expires_at.isoformat() if credential.expires_at else None,
                "label": credential.label,
            }
        )

    def credentials(self, space_id: str) -> list[Credential]:
        """A space's credentials, expired ones too."""
        return [_credential(item) for item in self._directory(keys.credentials_of(space_id))]

    def delete_credential(self, keyid: str) -> bool:
        """Delete a credential; whether there was one. Warm functions forget it within CACHE_SECONDS."""
        return self._delete(keys.credential(keyid))

    def put_sender_domain(self, space_id: str, domain: str, *, verified: bool) -> None:
        """Store a sender domain (lower case, punycode) and whether SES has verified it."""
        item = keys.sender_domain(space_id, domain) | {"domain": domain, "verified": verified}
        with translated_errors("dynamodb.PutItem"):
            self._client.put_item(TableName=self._table, Item=to_item(item))

    def delete_sender_domain(self, space_id: str, domain: str) -> bool:
        """Take a domain from a space; whether the space had it."""
        return self._delete(keys.sender_domain(space_id, domain))

    def campaigns(self, space_id: str) -> list[Campaign]:
        """A space's campaigns, in alphabetical order."""
        found = map(_campaign, self._of_space(keys.campaign(space_id, "")))
        return sorted(found, key=lambda campaign: folded(campaign.name))

    def put_campaign(self, space_id: str, campaign: Campaign) -> None:
        """Store a campaign as it is to be; warm functions see it within CACHE_SECONDS."""
        with translated_errors("dynamodb.PutItem"):
            self._client.put_item(TableName=self._table, Item=to_item(_campaign_item(space_id, campaign)))

    def delete_campaign(self, space_id: str, campaign_key: str) -> bool:
        """Delete a campaign; whether there was one. Its links stay, and lead to no landing page."""
        return self._delete(keys.campaign(space_id, campaign_key))

    def put_template(self, space_id: str, name: TemplateName, template: MailTemplate) -> None:
        """Store a space's own wording of a mail."""
        item = keys.template(space_id, name) | template.model_dump()
        with translated_errors("dynamodb.PutItem"):
            self._client.put_item(TableName=self._table, Item=to_item(item))

    def delete_template(self, space_id: str, name: TemplateName) -> bool:
        """Take a space's own wording of a mail away; whether it had one."""
        return self._delete(keys.template(space_id, name))

    def _delete(self, key: keys.Key) -> bool:
        with translated_errors("dynamodb.DeleteItem"):
            answer = self._client.delete_item(TableName=self._table, Key=to_item(key), ReturnValues="ALL_OLD")
        return "Attributes" in answer


def _space(item: dict[str, Any]) -> Space:
    return Space(
        id=item["space"],
        created_at=datetime.fromisoformat(item["createdAt"]),
        description=item["description"],
        settings=SpaceSettings.model_validate(item.get("settings", {})),
    )


def _campaign_item(space_id: str, campaign: Campaign) -> dict[str, Any]:
    return keys.campaign(space_id, campaign.key) | {
        "campaignKey": campaign.key,
        "name": campaign.name,
        "landingPage": campaign.landing_page,
    }


def _campaign(item: dict[str, Any]) -> Campaign:
    return Campaign(key=item["campaignKey"], name=item["name"], landing_page=item.get("landingPage"))


def _credential(item: dict[str, Any]) -> Credential:
    return Credential(
        keyid=item["keyid"],
        space=item["space"],
        created_at=datetime.fromisoformat(item["createdAt"]),
        secret_sha256=item["secretSha256"],
        scopes=frozenset(item["scopes"]),
        expires_at=datetime.fromisoformat(item["expiresAt"]) if "expiresAt" in item else None,
        label=item["label"],
    )
