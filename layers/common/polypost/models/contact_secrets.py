"""Secrets of contacts: what stands for a contact in a link, such as `https://shop.example/?s={Secret}`.

A secret is 16 bytes that only its attempt's seed tells, and the contact's id under a mask that only the stack's key
gives: whoever holds one learns nothing of the contact, nobody can make one up, and the contact is found with one
consistent read by its id, with no index to lag behind.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from polypost.models.attempts import Attempt

_NONCE_BYTES = 16
_ID_BYTES = 4


def new_secret(contact_id: int, attempt: Attempt, key: bytes) -> str:
    """The secret of a contact that an attempt makes: 27 characters that need no escaping in a URL.

    Parameters: key, the stack's.
    """
    nonce = attempt.derive("contact secret", _NONCE_BYTES)
    return urlsafe_b64encode(nonce + _masked(contact_id.to_bytes(_ID_BYTES), nonce, key)).decode().rstrip("=")


def contact_id_of(secret: str, key: bytes) -> int | None:
    """The id of the contact that a secret would belong to, or None if the text cannot be a secret.

    It is on the caller to compare the secret with the contact's own.
    """
    try:
        # The decoder skips characters that are not of its alphabet, so what it read is compared.
        decoded = urlsafe_b64decode(f"{secret}=")
        if len(decoded) != _NONCE_BYTES + _ID_BYTES or urlsafe_b64encode(decoded).decode().rstrip("=") != secret:
            return None
    except ValueError:
        return None
    nonce, masked = decoded[:_NONCE_BYTES], decoded[_NONCE_BYTES:]
    return int.from_bytes(_masked(masked, nonce, key))


def _masked(contact_id: bytes, nonce: bytes, key: bytes) -> bytes:
    # The nonce is used once, so a part of its HMAC is a one-time pad.
    pad = hmac.digest(key, b"contact secret" + nonce, "sha256")
    return bytes(byte ^ mask for byte, mask in zip(contact_id, pad, strict=False))
