"""Ids of messages: 24 hexadecimal digits, as inxmail-commerce-sap's samples have them.

An id is the second of its acceptance (32 bits), 48 bits that follow from its attempt, and a check of 16 bits: an HMAC
of the rest with the stack's key. So the stack knows an id that it never gave, although a mail that waits in the queue
has no row yet.
"""

import hmac
import re
from datetime import UTC, datetime

from polypost.models.attempts import Attempt

# Two mails of one second share these 48 bits once in 2.8e14 pairs. At a million mails a day that is one pair in 100,000
# years, and at the API's limit of 250 requests a second, day and night, one in 280 years.
_DERIVED_BYTES = 6

_CHECK_BYTES = 2

MESSAGE_ID = re.compile("[0-9a-f]{24}")


def new_message_id(attempt: Attempt, key: bytes) -> str:
    """The id of an attempt's message. It holds the second of its acceptance, so that a queued message needs no row.

    Parameters: key, the stack's.
    """
    told = int(attempt.first_seen.timestamp()).to_bytes(4) + attempt.derive("message", _DERIVED_BYTES)
    return (told + _check(told, key)).hex()


def was_given(message_id: str, key: bytes) -> bool:
    """Whether a stack gave an id. One that it did not give is taken for one of its own in 1 of 65,536 cases.

    Parameters: key, the stack's.
    """
    raw = bytes.fromhex(message_id)
    return hmac.compare_digest(_check(raw[:-_CHECK_BYTES], key), raw[-_CHECK_BYTES:])


def accepted_at(message_id: str) -> datetime:
    """The second, in UTC, that an id holds."""
    return datetime.fromtimestamp(int(message_id[:8], 16), UTC)


def _check(told: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"message id" + told, "sha256")[:_CHECK_BYTES]
