"""The Access table: spaces, credentials, sender domains, and the stack's key for addresses."""

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cachetools import TTLCache

from polypost.adapters import keys
from polypost.adapters.clients import ConditionFailed, translated_errors
from polypost.adapters.dynamodb import from_item, to_item
from polypost.errors import Permanent
from polypost.models.access import Credential, Space

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: How long a warm function trusts what it read, in seconds: a revoked key works for no longer than this.
CACHE_SECONDS = 60
_CACHED_ITEMS = 1024


class AccessTable:
    """Reads what a request may do, and writes it for the operator.

    Items that were found are remembered for CACHE_SECONDS; an item that was not found is looked up again each time,
    so that a new key works at once.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table = table_name
        self._found: TTLCache[tuple[str, str], dict[str, Any]] = TTLCache(_CACHED_ITEMS, CACHE_SECONDS)

    def _get(self, key: keys.Key) -> dict[str, Any] | None:
        cache_key = (key["PK"], key["SK"])
        item = self._found.get(cache_key)
        if item is None:
            with translated_errors("dynamodb.GetItem"):
                answer = self._client.get_item(TableName=self._table, Key=to_item(key))
            if "Item" in answer:
                item = self._found[cache_key] = from_item(answer["Item"])
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

    def has_space(self, space_id: str) -> bool:
        """Whether a space exists."""
        return self._get(keys.space(space_id)) is not None

    def credential(self, keyid: str) -> Credential | None:
        """A credential by its public half."""
        item = self._get(keys.credential(keyid))
        if item is None:
            return None
        return Credential(
            keyid=item["keyid"],
            space=item["space"],
            secret_sha256=item["secretSha256"],
            scopes=frozenset(item["scopes"]),
            expires_at=datetime.fromisoformat(item["expiresAt"]) if "expiresAt" in item else None,
            label=item["label"],
        )

    def is_verified_sender(self, space_id: str, domain: str) -> bool:
        """Whether a space may send from a domain (lower case, punycode)."""
        item = self._get(keys.sender_domain(space_id, domain))
        return item is not None and item["verified"] is True

    def verified_senders(self, space_id: str) -> list[str]:
        """The domains that a space may send from, in alphabetical order."""
        key = keys.sender_domain(space_id, "")
        domains: list[str] = []
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
            ExpressionAttributeValues=to_item({":pk": key["PK"], ":sk": key["SK"]}),
        )
        with translated_errors("dynamodb.Query"):
            for page in pages:
                domains += [item["domain"] for item in map(from_item, page["Items"]) if item["verified"]]
        return domains

    def address_key(self) -> bytes:
        """The stack's key for the HMACs of addresses.

        Raises: Permanent, if no space was ever created.
        """
        item = self._get(keys.ADDRESS_KEY)
        if item is None:
            raise Permanent("The stack has no key for addresses yet; creating the first space makes it")
        return bytes.fromhex(item["key"])

    def create_space(self, space: Space) -> bool:
        """Create a space, and with the stack's first one the key for addresses; False if the space exists.

        The key lives beside the data that it names, so that a restored table brings its own.
        """
        self._create(keys.ADDRESS_KEY | {"key": secrets.token_hex(32)})
        return self._create(keys.space(space.id) | {"space": space.id, "directory": keys.SPACES})

    def create_credential(self, credential: Credential) -> bool:
        """Store a credential; False if its keyid is taken."""
        return self._create(
            keys.credential(credential.keyid)
            | {
                "directory": keys.credentials_of(credential.space),
                "keyid": credential.keyid,
                "space": credential.space,
                "secretSha256": credential.secret_sha256,
                "scopes": sorted(credential.scopes),
                "expiresAt": credential.expires_at.isoformat() if credential.expires_at else None,
                "label": credential.label,
            }
        )

    def put_sender_domain(self, space_id: str, domain: str, *, verified: bool) -> None:
        """Store a sender domain (lower case, punycode) and whether SES has verified it."""
        item = keys.sender_domain(space_id, domain) | {"domain": domain, "verified": verified}
        with translated_errors("dynamodb.PutItem"):
            self._client.put_item(TableName=self._table, Item=to_item(item))
