"""Lookups of one contact, and the list of changes."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from pydantic import RootModel

from polypost.dialects.contacts.api import CODEC, MAX_RESPONSE_BYTES, decode_limit
from polypost.dialects.contacts.contact import ReadContactDto, members_of
from polypost.errors import InvalidRequest
from polypost.models.contacts import (
    FEED_POSITION,
    ChangePage,
    Contact,
    EmailLookup,
    ExternalId,
    Lookup,
    PhoneLookup,
    SecretLookup,
    Tombstone,
    feed_position,
)
from polypost.models.date_time_offset import DateTimeOffset
from polypost.web.http import Request, Response
from polypost.wire.models import WireModel


@dataclass(frozen=True, slots=True)
class ChangesQuery:
    """A part of the list of changes: where it begins, and how many there are to be at most."""

    position: str
    limit: int


def decode_query(request: Request) -> Lookup | ChangesQuery:
    """What `GET /api/v1/Contacts` asks for: the one contact that has something, or a part of the list.

    Raises: InvalidRequest, naming the parameter.
    """
    given = request.query(*_LOOKUPS, *_LIST, any_case=True)
    groups = {_LOOKUPS.get(name, "list") for name in given}
    if len(groups) > 1:
        raise InvalidRequest(min(given), f"{', '.join(given)} cannot be asked for together.")
    match groups.pop() if groups else "list":
        case "secret":
            return SecretLookup(given["secret"])
        case "email":
            return _email_lookup(request, given["email"])
        case "phone":
            return PhoneLookup(_required(given, "phone"), given.get("phoneCountryCode", ""))
        case "external id":
            return ExternalId(_required(given, "externalSystem"), _required(given, "externalId"))
    return ChangesQuery(_position(given), decode_limit(given.get("limit", "")))


# Each parameter with what it is part of; no two such things can be asked for together.
_LOOKUPS = {
    "secret": "secret",
    "email": "email",
    "phone": "phone",
    "phoneCountryCode": "phone",
    "externalSystem": "external id",
    "externalId": "external id",
}
_LIST = ("modifiedSince", "cursor", "limit")


def _email_lookup(request: Request, email: str) -> EmailLookup:
    """The lookup of an address. No address holds a blank, so a `+` in the query is first read as a plus sign."""
    as_spelled = replace(request, raw_query=request.raw_query.replace("+", "%2B"))
    plus = as_spelled.query("email", any_case=True)["email"]
    return EmailLookup(plus, otherwise=email) if plus != email and "@" in plus else EmailLookup(email)


def _required(given: Mapping[str, str], name: str) -> str:
    if name not in given:
        raise InvalidRequest(name, f"{name} is required beside {', '.join(given)}.")
    return given[name]


def _position(given: Mapping[str, str]) -> str:
    since, cursor = given.get("modifiedSince", ""), given.get("cursor", "")
    if since and cursor:
        raise InvalidRequest("cursor", "cursor and modifiedSince cannot be asked for together.")
    if cursor:
        return decode_cursor(cursor)
    if not since:
        return ""
    try:
        # The plus sign of an offset that was not escaped arrives as a blank behind the time.
        return feed_position(DateTimeOffset.parse(re.sub(r"(:[0-9.]+) ([0-9]{2}(:?[0-9]{2})?)$", r"\1+\2", since)))
    except ValueError as error:
        raise InvalidRequest("modifiedSince", f"modifiedSince {error}.") from error


def encode_cursor(position: str) -> str:
    """A position as clients keep it."""
    return urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """The position that a cursor stands for.

    Raises: InvalidRequest.
    """
    try:
        position = urlsafe_b64decode(f"{cursor}{'=' * (-len(cursor) % 4)}").decode()
    except ValueError:
        position = ""
    if not FEED_POSITION.fullmatch(position) or encode_cursor(position) != cursor:
        raise InvalidRequest("cursor", "cursor must be one that an earlier answer gave.")
    return position


class TombstoneDto(WireModel):
    """A contact that was deleted."""

    Id: int
    Deleted: DateTimeOffset


class ChangesDto(RootModel[list[ReadContactDto | TombstoneDto]]):
    """A part of the list of changes."""


def encode_changes(request: Request, query: ChangesQuery, page: ChangePage) -> Response:
    """200: a part of the list, with the link to what follows.

    While there is more to be read at once the link is `next`. At the end of the list it is `monitor` (RFC 5989): where
    to ask again later for what has changed since. A part that would be too large ends earlier.
    """
    parameters = urlencode({"cursor": encode_cursor(page.position), "limit": query.limit})
    link = f'<{request.origin}{request.path}?{parameters}>; rel="{"next" if page.has_more else "monitor"}"'
    changes = ChangesDto([_change(each) for each in page.changes])
    response = CODEC.encode(request, changes, headers={"Link": link})
    if len(response.body.encode()) > MAX_RESPONSE_BYTES:
        return encode_changes(request, query, page.beginning(len(page.changes) // 2))
    return response


def _change(change: Contact | Tombstone) -> ReadContactDto | TombstoneDto:
    if isinstance(change, Tombstone):
        return TombstoneDto(Id=change.id, Deleted=change.deleted)
    return ReadContactDto(**members_of(change))
