"""Who is calling, and in which space."""

import hashlib
import hmac
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime

from polypost.adapters.access_table import AccessTable
from polypost.errors import Forbidden, Unauthenticated, UnknownSpace
from polypost.models.access import SPACE_ID, Scope
from polypost.web.http import Request


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client proves itself with: the public and the secret half of a key."""

    keyid: str
    secret: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was let in, and the space that the request acts in."""

    keyid: str
    space: str


# DynamoDB refuses keys of more than 2048 bytes.
_LONGEST_KEYID = 128

# Compared with where there is no such key, so that an unknown key takes as long as a wrong secret.
_NO_DIGEST = hashlib.sha256(b"").hexdigest()


def basic_credentials(request: Request) -> Credentials:
    """The credentials of HTTP Basic authentication (RFC 7617), in UTF-8; the base64 may lack its padding.

    Raises: Unauthenticated, if the header is missing or is not of that form.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise Unauthenticated
    digits = token.strip().rstrip("=")
    try:
        keyid, colon, secret = b64decode(digits + "=" * (-len(digits) % 4), validate=True).decode().partition(":")
    except ValueError as error:
        raise Unauthenticated from error
    if not colon:
        raise Unauthenticated
    return Credentials(keyid, secret)


def secret_digest(secret: str) -> str:
    """What is stored of a secret. It is 32 random bytes, so one SHA-256 is enough to hide it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def space_of_host(domain_name: str, base_domain: str, access: AccessTable) -> str | None:
    """The space that the host names, or None where it names none: `{space}.{BaseDomain}` does, any other host not.

    Raises: UnknownSpace.
    """
    host = domain_name.lower().rstrip(".")
    if not base_domain or not host.endswith(f".{base_domain.lower()}"):
        return None
    space = host.removesuffix(f".{base_domain.lower()}")
    if not SPACE_ID.fullmatch(space) or not access.has_space(space):
        raise UnknownSpace
    return space


def authenticate(
    credentials: Credentials, host_space: str | None, scope: Scope, access: AccessTable, now: datetime
) -> Caller:
    """Let a caller in, or say no.

    Parameters: host_space, the space of the host, in which alone the credential is good, or None where the
    credential names the space.

    Raises: Unauthenticated, in the same way for an unknown key, a wrong secret, an expired key and another space's;
    Forbidden, for a good credential without the scope.
    """
    possible = 0 < len(credentials.keyid) <= _LONGEST_KEYID
    credential = access.credential(credentials.keyid) if possible else None
    digest = credential.secret_sha256 if credential else _NO_DIGEST
    right = hmac.compare_digest(secret_digest(credentials.secret), digest)
    if credential is None or not right:
        raise Unauthenticated
    if credential.expires_at is not None and now >= credential.expires_at:
        raise Unauthenticated
    if host_space is not None and credential.space != host_space:
        raise Unauthenticated
    if not access.has_space(credential.space):
        raise Unauthenticated
    if scope not in credential.scopes:
        raise Forbidden(f"The credential lacks the scope {scope}.")
    return Caller(credential.keyid, credential.space)
