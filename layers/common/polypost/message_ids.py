"""Ids of messages: 24 hexadecimal digits, as inxmail-commerce-sap's samples have them."""

import secrets
from datetime import UTC, datetime

RANDOM_BYTES = 8


def new_message_id(accepted_at: datetime) -> str:
    """A new id that holds the second of its acceptance, so that a queued message needs no row to be dated."""
    return int(accepted_at.timestamp()).to_bytes(4).hex() + secrets.token_hex(RANDOM_BYTES)


def accepted_at(message_id: str) -> datetime:
    """The second, in UTC, that an id holds."""
    return datetime.fromtimestamp(int(message_id[:8], 16), UTC)
