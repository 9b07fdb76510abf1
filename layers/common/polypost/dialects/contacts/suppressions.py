"""Suppressed addresses, which get no mail or not every mail."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from pydantic import RootModel, ValidationError

from polypost.dialects.contacts.api import CODEC, MAX_RESPONSE_BYTES, decode_limit
from polypost.errors import InvalidRequest
from polypost.models.addresses import InvalidAddress, parse_address
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.suppression import (
    LONGEST_NOTE,
    Cause,
    KnownAddress,
    Lifting,
    SuppressionPage,
    SuppressionReason,
)
from polypost.web.http import Request, Response
from polypost.wire import aspnet
from polypost.wire.aspnet import AspNetModel
from polypost.wire.dotnet import Boolean, MaxLength, RequiredText
from polypost.wire.models import WireModel, invalid_fields

_Note = Annotated[RequiredText, MaxLength(LONGEST_NOTE)]

# Where a part of the list begins: behind the address of this id, 16 bytes in base64url.
_ID = re.compile("[A-Za-z0-9_-]{22}")


class SuppressDto(AspNetModel):
    """The body of `PUT /api/v1/Suppressions/{address}`."""

    Reason: _Note


class LiftParameters(AspNetModel):
    """The query of `DELETE /api/v1/Suppressions/{address}`."""

    reason: _Note
    complaint: Boolean | None = None


class CauseDto(WireModel):
    """One thing that keeps mail from an address, with what it rests on."""

    Kind: str
    Since: DateTimeOffset
    Until: DateTimeOffset | None
    MessageId: str | None
    Rule: str | None
    By: str | None
    Reason: str | None
    ContactId: int | None


class LiftingDto(WireModel):
    """How a suppression was ended."""

    At: DateTimeOffset
    Kinds: list[str]
    By: str
    Reason: str


class SuppressionDto(WireModel):
    """A suppressed address; Address is null once the person was erased."""

    Id: str
    Address: str | None
    Causes: list[CauseDto]
    Liftings: list[LiftingDto]


class SuppressionsDto(RootModel[list[SuppressionDto]]):
    """A part of the list of suppressed addresses."""


@dataclass(frozen=True, slots=True)
class SuppressionsQuery:
    """A part of the list: the id behind which it begins, or "", and how many there are to be at most."""

    after: str
    limit: int


def decode_suppressions_query(request: Request) -> SuppressionsQuery:
    """What `GET /api/v1/Suppressions` asks for.

    Raises: InvalidRequest, naming the parameter.
    """
    given = request.query("cursor", "limit", any_case=True)
    cursor = given.get("cursor", "")
    if cursor and not _ID.fullmatch(cursor):
        raise InvalidRequest("cursor", "cursor must be one that an earlier answer gave.")
    return SuppressionsQuery(cursor, decode_limit(given.get("limit", "")))


def decode_address(request: Request) -> str:
    """The address in the path, as it is spelled."""
    return request.path_parameters["address"]


def decode_suppress(request: Request) -> tuple[str, str]:
    """The address that is to get no more mail, and why.

    Raises: UnsupportedMediaType; InvalidRequest, naming what is wrong.
    """
    body = aspnet.decode(request, SuppressDto, CODEC, parameter="suppression")
    try:
        return parse_address(decode_address(request)), body.Reason
    except InvalidAddress as error:
        raise InvalidRequest("address", f"address is no e-mail address: {error}") from error


def decode_lift(request: Request) -> tuple[str, str, bool]:
    """The address that is to get mail again, why, and whether a complaint is lifted too.

    Raises: InvalidRequest, naming the parameter.
    """
    try:
        parameters = LiftParameters.model_validate(request.query(*LiftParameters.model_fields, any_case=True))
    except ValidationError as error:
        raise invalid_fields(error) from error
    return decode_address(request), parameters.reason, parameters.complaint or False


def encode_suppression(request: Request, known: KnownAddress) -> Response:
    """200: what keeps mail from an address."""
    return CODEC.encode(request, _suppression(known))


def encode_lifted(request: Request, known: KnownAddress) -> Response:
    """204 where nothing keeps mail from an address any more, or else 200: what still does."""
    return encode_suppression(request, known) if known.causes else Response(HTTPStatus.NO_CONTENT)


def encode_suppressions(request: Request, query: SuppressionsQuery, page: SuppressionPage) -> Response:
    """200: a part of the list, with the link to what follows. A part that would be too large ends earlier."""
    headers = {}
    if page.next is not None:
        parameters = urlencode({"cursor": page.next, "limit": query.limit})
        headers["Link"] = f'<{request.origin}{request.path}?{parameters}>; rel="next"'
    response = CODEC.encode(request, SuppressionsDto([*map(_suppression, page.entries)]), headers=headers)
    if len(response.body.encode()) > MAX_RESPONSE_BYTES:
        half = page.entries[: len(page.entries) // 2]
        return encode_suppressions(request, query, SuppressionPage(half, half[-1].id))
    return response


def _suppression(known: KnownAddress) -> SuppressionDto:
    return SuppressionDto(
        Id=known.id,
        Address=known.address,
        Causes=[_cause(each) for each in known.causes],
        Liftings=[_lifting(each) for each in known.liftings],
    )


def _cause(cause: Cause) -> CauseDto:
    return CauseDto(
        Kind=_kind(cause.reason),
        Since=DateTimeOffset.from_datetime(cause.since),
        Until=DateTimeOffset.from_datetime(cause.until) if cause.until else None,
        MessageId=cause.message_id,
        Rule=cause.rule,
        By=cause.by,
        Reason=cause.note,
        ContactId=cause.contact_id,
    )


def _lifting(lifting: Lifting) -> LiftingDto:
    kinds = [_kind(reason) for reason in SuppressionReason if reason in lifting.reasons]
    return LiftingDto(At=DateTimeOffset.from_datetime(lifting.at), Kinds=kinds, By=lifting.by, Reason=lifting.note)


def _kind(reason: SuppressionReason) -> str:
    return "".join(word.capitalize() for word in reason.name.split("_"))
