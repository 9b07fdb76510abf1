"""What all parts of the Contacts API share: its paths, its formats, the bounds of its lists."""

import re

from polypost.errors import InvalidRequest
from polypost.wire.codec import SMALL_BODY_BYTES, Codec
from polypost.wire.form import FORM
from polypost.wire.json import JSON_NET

CONTACTS = "/api/v1/Contacts"
STORES = "/api/v1/Stores"
SUPPRESSIONS = "/api/v1/Suppressions"

CODEC = Codec(reads=(JSON_NET, FORM), writes=(JSON_NET,), max_bytes=SMALL_BODY_BYTES)

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

#: Lambda's response may have 6 MB, as JSON, in which a body of quotation marks is twice as long as it was.
MAX_RESPONSE_BYTES = 2_900_000


def decode_limit(text: str) -> int:
    """How many entries a list is to have at most; text, the parameter `limit`, may be empty.

    Raises: InvalidRequest.
    """
    if not text:
        return DEFAULT_LIMIT
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise InvalidRequest("limit", f"limit must be a number from 1 to {MAX_LIMIT}.")
    return int(text)
