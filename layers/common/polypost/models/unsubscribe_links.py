"""Links by which a recipient unsubscribes, such as `https://acme.mail.example.com/u/{token}` (RFC 8058).

A token holds whose mails it ends: a space, and an address as an HMAC. So it works for people who are no contacts, and
when nothing of its mail is stored any more. It is signed with the stack's key, so nobody can make one up or change one.
It never expires, since people unsubscribe from old mails.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

# Version, message and address, of a fixed length each; then the space, which is a DNS label; then the signature.
_VERSION = b"\x01"
_MESSAGE = slice(1, 13)
_ADDRESS = slice(13, 29)
_SPACE = slice(29, -16)
_SIGNATURE_BYTES = 16

_TOKEN = re.compile(r"[A-Za-z0-9_-]{62,144}")


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a token ends: the mails of a space to one address.

    `address_hash` is the address's HMAC as the tables' keys have it; `message_id` is the mail that the link came with.
    """

    space: str
    address_hash: str
    message_id: str


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """What the owner of an address is told of a subscription.

    `sender` is what the space calls itself in its mails, or ""; `changed` tells whether this request changed it.
    """

    sender: str
    unsubscribed: bool
    changed: bool = False


def unsubscribe_token(subscription: Subscription, key: bytes) -> str:
    """The token of a subscription: at most 144 characters that need no escaping in a URL.

    Parameters: key, the stack's.
    """
    address = urlsafe_b64decode(f"{subscription.address_hash}==")
    told = _VERSION + bytes.fromhex(subscription.message_id) + address + subscription.space.encode()
    # A key of its own: no other HMAC with the stack's key is ever a signature.
    signature = hmac.digest(hmac.digest(key, b"UNSUBSCRIBE LINK", "sha256"), told, "sha256")[:_SIGNATURE_BYTES]
    return urlsafe_b64encode(told + signature).decode().rstrip("=")


def subscription_of(token: str, key: bytes) -> Subscription | None:
    """The subscription that a token ends; None for one that this stack did not make."""
    if not _TOKEN.fullmatch(token):
        return None
    try:
        told = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        address_hash = urlsafe_b64encode(told[_ADDRESS]).decode().rstrip("=")
        subscription = Subscription(told[_SPACE].decode(), address_hash, told[_MESSAGE].hex())
    except ValueError:
        return None
    # Made anew and compared whole: no other spelling and no other version is the same token.
    return subscription if hmac.compare_digest(unsubscribe_token(subscription, key), token) else None
