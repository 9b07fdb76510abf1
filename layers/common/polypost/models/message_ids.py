"""Ids of messages: 24 hexadecimal digits, as inxmail-commerce-sap's samples have them."""

import re
from datetime import UTC, datetime

from polypost.models.attempts import Attempt

_DERIVED_BYTES = 8

MESSAGE_ID = re.compile("[0-9a-f]{24}")


def new_message_id(attempt: Attempt) -> str:
    """The id of an attempt's message. It holds the second of its acceptance, so that a queued message needs no row."""
    return int(attempt.first_seen.timestamp()).to_bytes(4).hex() + attempt.derive("message", _DERIVED_BYTES).hex()


def accepted_at(message_id: str) -> datetime:
    """The second, in UTC, that an id holds."""
    return datetime.fromtimestamp(int(message_id[:8], 16), UTC)
