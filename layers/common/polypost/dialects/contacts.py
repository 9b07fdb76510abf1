"""Contacts: create contacts with uniqueness rules, and everything after.

Source: the document contacts-create; where it is silent, what its server, an ASP.NET Web API, would do.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from http import HTTPStatus
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import AfterValidator, Field, RootModel, ValidationError
from pydantic_core import PydanticCustomError

from polypost.errors import InvalidRequest, PayloadTooLarge, RequestError
from polypost.models.contacts import (
    FEED_POSITION,
    MAX_EXTERNAL_IDS,
    ChangePage,
    Contact,
    ContactConflict,
    EmailLookup,
    ExternalId,
    Lookup,
    PermissionChange,
    PhoneLookup,
    Profile,
    Registration,
    SecretLookup,
    Store,
    Tombstone,
    feed_position,
)
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.history import TimelineEntry, TimelinePage, TimelinePosition
from polypost.web.auth import basic_credentials as credentials
from polypost.web.http import Request, Response
from polypost.wire import aspnet
from polypost.wire.aspnet import AspNetModel
from polypost.wire.codec import Codec
from polypost.wire.dotnet import Boolean, ByteArray, Int32, MaxLength, RequiredText
from polypost.wire.form import FORM
from polypost.wire.json import JSON, read_json
from polypost.wire.models import WireModel, invalid_fields

__all__ = [
    "BASE_PATHS",
    "ENDPOINTS",
    "EXPORTED",
    "IMPORTED",
    "ChangesQuery",
    "credentials",
    "decode_cells",
    "decode_create",
    "decode_external_id",
    "decode_id",
    "decode_query",
    "decode_store",
    "decode_timeline_query",
    "decode_update",
    "encode_cells",
    "encode_changes",
    "encode_contact",
    "encode_created",
    "encode_created_store",
    "encode_error",
    "encode_export",
    "encode_members",
    "encode_nothing",
    "encode_store",
    "encode_stores",
    "encode_timeline",
    "export_document",
]

_CONTACTS = "/api/v1/Contacts"
_STORES = "/api/v1/Stores"

BASE_PATHS: tuple[str, ...] = (_CONTACTS, _STORES)

ENDPOINTS = aspnet.in_both_cases(
    {
        _CONTACTS: ("GET", "POST"),
        f"{_CONTACTS}/{{id}}": ("GET", "PUT", "DELETE"),
        f"{_CONTACTS}/{{id}}/timeline": ("GET",),
        f"{_CONTACTS}/{{id}}/export": ("GET",),
        f"{_CONTACTS}/{{id}}/external-ids/{{system}}/{{externalId}}": ("PUT", "DELETE"),
        _STORES: ("GET", "POST"),
        f"{_STORES}/{{id}}": ("GET", "DELETE"),
    }
)

_CODEC = Codec(reads=(JSON, FORM), writes=(JSON,))

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

#: Lambda's response may have 6 MB, as JSON, in which a body of quotation marks is twice as long as it was.
MAX_RESPONSE_BYTES = 2_900_000

# A position in a timeline: keys of the log are short, and begin with a moment as it stands there.
_LONGEST_CURSOR = 1000
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


# --- Members ----------------------------------------------------------------------------------------------------------


def _ipv4(value: str) -> str:
    try:
        return str(IPv4Address(value)) if value else value
    except AddressValueError as error:
        raise PydanticCustomError("ipv4", "must be an IPv4 address such as 127.0.0.1") from error


def _eight_bytes(value: bytes) -> bytes:
    if len(value) != 8:
        raise PydanticCustomError("version", "must be the 8 bytes of the contact that was read")
    return value


_System = Annotated[RequiredText, MaxLength(50)]
_IdInSystem = Annotated[RequiredText, MaxLength(100)]


class ExternalIdDto(AspNetModel):
    """A contact's id in another system."""

    System: _System
    Id: _IdInSystem


class ExternalIdParameters(AspNetModel):
    """A contact's id in another system, as a path names it."""

    system: _System
    externalId: _IdInSystem


def _each_once(value: list[ExternalIdDto] | None) -> list[ExternalIdDto] | None:
    if value is not None and len({(each.System, each.Id) for each in value}) < len(value):
        raise PydanticCustomError("each_once", "must not hold an id twice")
    return value


_ExternalIds = Annotated[list[ExternalIdDto], Field(max_length=MAX_EXTERNAL_IDS), AfterValidator(_each_once)]


class _ProfileMembers(AspNetModel):
    """What an update replaces, in the order of the document."""

    Email: Annotated[str | None, MaxLength(250)] = None
    PhoneCountryCode: Annotated[str | None, MaxLength(10)] = None
    Phone: Annotated[str | None, MaxLength(20)] = None
    FirstName: Annotated[str | None, MaxLength(50)] = None
    LastName: Annotated[str | None, MaxLength(50)] = None
    LimitMailsPermanently: Boolean | None = None
    LimitMailsTemporarilyUntil: DateTimeOffset | None = None
    PreferredStoreId: Int32 | None = None
    ContactCompanyId: Int32 | None = None
    # The document sets no limit; a DynamoDB item has one.
    LatestPermissionSource: Annotated[str | None, MaxLength(4000)] = None
    ExternalIds: _ExternalIds | None = None

    def profile(self, external_ids: tuple[ExternalId, ...]) -> Profile:
        """The profile, with these ids where the body says nothing of any."""
        return Profile(
            email=self.Email,
            phone_country_code=self.PhoneCountryCode,
            phone=self.Phone,
            first_name=self.FirstName,
            last_name=self.LastName,
            limit_mails_permanently=self.LimitMailsPermanently or False,
            limit_mails_temporarily_until=self.LimitMailsTemporarilyUntil,
            preferred_store_id=self.PreferredStoreId,
            contact_company_id=self.ContactCompanyId,
            latest_permission_source=self.LatestPermissionSource,
            external_ids=external_ids
            if self.ExternalIds is None
            else tuple(ExternalId(each.System, each.Id) for each in self.ExternalIds),
        )


class CreateContactDto(_ProfileMembers):
    """The body of `POST /api/v1/Contacts`."""

    RegistrationDateTime: DateTimeOffset | None = None
    RegistrationSource: Annotated[RequiredText, MaxLength(50)]
    RegistrationIp: Annotated[str | None, MaxLength(16), AfterValidator(_ipv4)] = None
    RegistrationStoreId: Int32 | None = None

    def registration(self, now: DateTimeOffset) -> Registration:
        """Where the contact comes from; the time is now where the body has none."""
        return Registration(
            source=self.RegistrationSource,
            date_time=self.RegistrationDateTime or now,
            ip=self.RegistrationIp or "",
            store_id=self.RegistrationStoreId,
        )


class UpdateContactDto(_ProfileMembers):
    """The body of `PUT /api/v1/Contacts/{id}`; the members of a registration are ignored, since it never changes."""

    Version: Annotated[ByteArray, AfterValidator(_eight_bytes)]


class ReadContactDto(WireModel):
    """A contact, its members in the order of the document."""

    Id: int
    Secret: str
    RegistrationDateTime: DateTimeOffset
    RegistrationSource: str
    RegistrationIp: str
    LastModified: DateTimeOffset
    Version: ByteArray
    RegistrationStoreId: int | None
    Email: str | None
    PhoneCountryCode: str | None
    Phone: str | None
    FirstName: str | None
    LastName: str | None
    LimitMailsPermanently: bool
    LimitMailsTemporarilyUntil: DateTimeOffset | None
    PreferredStoreId: int | None
    ContactCompanyId: int | None
    LatestPermissionSource: str | None
    # Not the document's: a client that knows nothing of external ids never meets them.
    ExternalIds: list[ExternalIdDto] = Field(default=[], exclude_if=lambda ids: not ids)


class LatestContactDto(ReadContactDto):
    """The body of a 409 of an update: the contact as it is, and what stands against its change."""

    Message: str


class TombstoneDto(WireModel):
    """A contact that was deleted."""

    Id: int
    Deleted: DateTimeOffset


class ChangesDto(RootModel[list[ReadContactDto | TombstoneDto]]):
    """A part of the list of changes."""


class CreateStoreDto(AspNetModel):
    """The body of `POST /api/v1/Stores`."""

    Id: Annotated[Int32 | None, Field(ge=1)] = None
    Name: Annotated[str | None, MaxLength(100)] = None


class StoreDto(WireModel):
    """A store."""

    Id: int
    Name: str


class StoresDto(RootModel[list[StoreDto]]):
    """All stores of a space."""


def _members_of(contact: Contact) -> dict[str, Any]:
    registration, profile = contact.registration, contact.profile
    return {
        "Id": contact.id,
        "Secret": contact.secret,
        "RegistrationDateTime": registration.date_time,
        "RegistrationSource": registration.source,
        "RegistrationIp": registration.ip,
        "LastModified": contact.last_modified,
        "Version": contact.version,
        "RegistrationStoreId": registration.store_id,
        "Email": profile.email,
        "PhoneCountryCode": profile.phone_country_code,
        "Phone": profile.phone,
        "FirstName": profile.first_name,
        "LastName": profile.last_name,
        "LimitMailsPermanently": profile.limit_mails_permanently,
        "LimitMailsTemporarilyUntil": profile.limit_mails_temporarily_until,
        "PreferredStoreId": profile.preferred_store_id,
        "ContactCompanyId": profile.contact_company_id,
        "LatestPermissionSource": profile.latest_permission_source,
        "ExternalIds": [ExternalIdDto(System=each.system, Id=each.id) for each in profile.external_ids],
    }


# --- Contacts ---------------------------------------------------------------------------------------------------------


def decode_create(request: Request) -> tuple[Registration, Profile]:
    """What a new contact is to be.

    Raises: UnsupportedMediaType; InvalidRequest, naming every field that is wrong.
    """
    body = aspnet.decode(request, CreateContactDto, _CODEC, parameter="contact")
    return body.registration(DateTimeOffset.from_datetime(request.attempt.first_seen)), body.profile(())


def decode_update(request: Request) -> tuple[bytes, Callable[[Profile], Profile]]:
    """The version that an update is of, and what makes the new profile of the one that it replaces.

    External ids stay as they are where the body has none, since the document's clients know nothing of them.

    Raises: UnsupportedMediaType; InvalidRequest, naming every field that is wrong.
    """
    body = aspnet.decode(request, UpdateContactDto, _CODEC, parameter="contact")
    return body.Version, lambda old: body.profile(old.external_ids)


def decode_id(request: Request) -> int:
    """The id in the path.

    Raises: InvalidRequest.
    """
    text = request.path_parameters["id"]
    if not re.fullmatch(r"-?[0-9]{1,10}", text) or not -(2**31) <= int(text) < 2**31:
        raise InvalidRequest("id", f"The value '{text[:100]}' is not valid for Int32.")
    return int(text)


def decode_external_id(request: Request) -> ExternalId:
    """The external id in the path.

    Raises: InvalidRequest.
    """
    try:
        parameters = ExternalIdParameters.model_validate(dict(request.path_parameters))
    except ValidationError as error:
        raise invalid_fields(error) from error
    return ExternalId(parameters.system, parameters.externalId)


def encode_contact(request: Request, contact: Contact) -> Response:
    """200: a contact."""
    return _CODEC.encode(request, ReadContactDto(**_members_of(contact)))


def encode_created(request: Request, contact: Contact) -> Response:
    """201: the contact, and where it can be read."""
    location = {"Location": f"{request.origin}{_CONTACTS}/{contact.id}"}
    return _CODEC.encode(request, ReadContactDto(**_members_of(contact)), HTTPStatus.CREATED, location)


def encode_nothing() -> Response:
    """204: it is done, and there is nothing to show."""
    return Response(HTTPStatus.NO_CONTENT)


# --- Lookups and the list of changes ----------------------------------------------------------------------------------


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
            return EmailLookup(given["email"])
        case "phone":
            return PhoneLookup(_required(given, "phone"), given.get("phoneCountryCode", ""))
        case "external id":
            return ExternalId(_required(given, "externalSystem"), _required(given, "externalId"))
    return ChangesQuery(_position(given), _limit(given.get("limit", "")))


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


def _required(given: Mapping[str, str], name: str) -> str:
    if name not in given:
        raise InvalidRequest(name, f"{name} is required beside {', '.join(given)}.")
    return given[name]


def _limit(text: str) -> int:
    if not text:
        return DEFAULT_LIMIT
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise InvalidRequest("limit", f"limit must be a number from 1 to {MAX_LIMIT}.")
    return int(text)


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
        return feed_position(DateTimeOffset.parse(re.sub(r"(:[0-9.]+) ([0-9]{2}:[0-9]{2})$", r"\1+\2", since)))
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


def encode_changes(request: Request, query: ChangesQuery, page: ChangePage) -> Response:
    """200: a part of the list, with the link to what follows.

    While there is more to be read at once the link is `next`. At the end of the list it is `monitor` (RFC 5989): where
    to ask again later for what has changed since. A part that would be too large ends earlier.
    """
    parameters = urlencode({"cursor": encode_cursor(page.position), "limit": query.limit})
    link = f'<{request.origin}{request.path}?{parameters}>; rel="{"next" if page.has_more else "monitor"}"'
    changes = ChangesDto([_change(each) for each in page.changes])
    response = _CODEC.encode(request, changes, headers={"Link": link})
    if len(response.body.encode()) > MAX_RESPONSE_BYTES:
        return encode_changes(request, query, page.beginning(len(page.changes) // 2))
    return response


def _change(change: Contact | Tombstone) -> ReadContactDto | TombstoneDto:
    if isinstance(change, Tombstone):
        return TombstoneDto(Id=change.id, Deleted=change.deleted)
    return ReadContactDto(**_members_of(change))


# --- One person's history ---------------------------------------------------------------------------------------------


class TimelineEntryDto(WireModel):
    """One thing that was recorded of a contact."""

    At: DateTimeOffset
    Kind: str
    Details: dict[str, str]


class TimelineDto(RootModel[list[TimelineEntryDto]]):
    """A part of a contact's timeline."""


class PermissionChangeDto(WireModel):
    """One change of what a contact allows."""

    At: DateTimeOffset
    LimitMailsPermanently: bool
    LimitMailsTemporarilyUntil: DateTimeOffset | None
    LatestPermissionSource: str | None
    ChangedBy: str


class ExportDto(WireModel):
    """All that is held of one person."""

    Contact: ReadContactDto
    PermissionHistory: list[PermissionChangeDto]
    Timeline: list[TimelineEntryDto]


@dataclass(frozen=True, slots=True)
class TimelineQuery:
    """A part of a timeline: after which entry it begins, and how many there are to be at most."""

    after: TimelinePosition | None
    limit: int


def decode_timeline_query(request: Request) -> TimelineQuery:
    """What `GET /api/v1/Contacts/{id}/timeline` asks for.

    Raises: InvalidRequest, naming the parameter.
    """
    given = request.query("cursor", "limit", any_case=True)
    cursor = given.get("cursor", "")
    return TimelineQuery(_decode_timeline_cursor(cursor) if cursor else None, _limit(given.get("limit", "")))


def _encode_timeline_cursor(position: TimelinePosition) -> str:
    return urlsafe_b64encode("\n".join(astuple(position)).encode()).decode()


def _decode_timeline_cursor(cursor: str) -> TimelinePosition:
    try:
        text = urlsafe_b64decode(cursor).decode() if len(cursor) <= _LONGEST_CURSOR else ""
    except ValueError:
        text = ""
    parts = text.split("\n")
    if (
        len(parts) != 3
        or not _INSTANT.fullmatch(parts[0])
        or _encode_timeline_cursor(TimelinePosition(*parts)) != cursor
    ):
        raise InvalidRequest("cursor", "cursor must be one that an earlier answer gave.")
    return TimelinePosition(*parts)


def encode_timeline(request: Request, query: TimelineQuery, page: TimelinePage) -> Response:
    """200: a part of the timeline, with the link to what is older."""
    headers = {}
    if page.next is not None:
        parameters = urlencode({"cursor": _encode_timeline_cursor(page.next), "limit": query.limit})
        headers["Link"] = f'<{request.origin}{request.path}?{parameters}>; rel="next"'
    entries = TimelineDto([_timeline_entry(each) for each in page.entries])
    response = _CODEC.encode(request, entries, headers=headers)
    if len(response.body.encode()) > MAX_RESPONSE_BYTES:
        half = page.entries[: len(page.entries) // 2]
        return encode_timeline(request, query, TimelinePage(half, half[-1].position))
    return response


def encode_export(
    request: Request, contact: Contact, permissions: list[PermissionChange], timeline: Iterable[TimelineEntry]
) -> Response:
    """200: all that is held of one person.

    Raises: PayloadTooLarge, if no response of Lambda holds it.
    """
    too_large = PayloadTooLarge(
        f"More is held of contact {contact.id} than a response can hold: `polypost contacts show {contact.id} "
        "--export FILE` writes all of it."
    )

    def bounded() -> Iterator[TimelineEntry]:
        # Told before all of it is read, which may take longer than the function has.
        size = 0
        for entry in timeline:
            size += sum(map(len, entry.details.values()))
            if size > MAX_RESPONSE_BYTES:
                raise too_large
            yield entry

    response = _CODEC.encode(request, export_document(contact, permissions, bounded()))
    if len(response.body.encode()) > MAX_RESPONSE_BYTES:
        raise too_large
    return response


def export_document(
    contact: Contact, permissions: list[PermissionChange], timeline: Iterable[TimelineEntry]
) -> ExportDto:
    """The document of an export."""
    return ExportDto(
        Contact=ReadContactDto(**_members_of(contact)),
        PermissionHistory=[
            PermissionChangeDto(
                At=change.changed_at,
                LimitMailsPermanently=change.limit_mails_permanently,
                LimitMailsTemporarilyUntil=change.limit_mails_temporarily_until,
                LatestPermissionSource=change.source,
                ChangedBy=change.changed_by,
            )
            for change in permissions
        ],
        Timeline=[_timeline_entry(each) for each in timeline],
    )


def _timeline_entry(entry: TimelineEntry) -> TimelineEntryDto:
    return TimelineEntryDto(At=DateTimeOffset.from_datetime(entry.at), Kind=entry.kind, Details=dict(entry.details))


# --- Stores -----------------------------------------------------------------------------------------------------------


def decode_store(request: Request) -> tuple[int | None, str]:
    """Id, if the caller chose one, and name of a new store.

    Raises: UnsupportedMediaType; InvalidRequest, naming every field that is wrong.
    """
    body = aspnet.decode(request, CreateStoreDto, _CODEC, parameter="store")
    return body.Id, body.Name or ""


def encode_store(request: Request, store: Store) -> Response:
    """200: a store."""
    return _CODEC.encode(request, StoreDto(Id=store.id, Name=store.name))


def encode_created_store(request: Request, store: Store) -> Response:
    """201: the store, and where it can be read."""
    location = {"Location": f"{request.origin}{_STORES}/{store.id}"}
    return _CODEC.encode(request, StoreDto(Id=store.id, Name=store.name), HTTPStatus.CREATED, location)


def encode_stores(request: Request, stores: list[Store]) -> Response:
    """200: all stores."""
    return _CODEC.encode(request, StoresDto([StoreDto(Id=store.id, Name=store.name) for store in stores]))


# --- Errors -----------------------------------------------------------------------------------------------------------


def encode_error(request: Request, error: RequestError) -> Response:
    """An error as ASP.NET words it; the latest contact where a change of it was refused."""
    if isinstance(error, ContactConflict):
        latest = LatestContactDto(**_members_of(error.latest), Message=error.message)
        return _CODEC.encode(request, latest, error.status)
    return aspnet.encode_error(request, error, _CODEC, challenge='Basic realm="Contacts", charset="UTF-8"')


# --- Files ------------------------------------------------------------------------------------------------------------

#: The columns of a file of contacts that can be read, and of one that is written.
IMPORTED = tuple(CreateContactDto.model_fields)
EXPORTED = tuple(ReadContactDto.model_fields)


def decode_cells(cells: Mapping[str, str]) -> tuple[Registration, Profile]:
    """What the contact of a row is to be.

    Parameters: cells, by the names of IMPORTED; a blank one is no value, and external ids are JSON.

    Raises: InvalidRequest, naming every field that is wrong.
    """
    values: dict[str, Any] = {name: cell for name, cell in cells.items() if cell.strip()}
    for name, cell in values.items():
        # What a program leaves that was cut off while it wrote.
        if "\0" in cell:
            raise InvalidRequest(name, f"The field {name} holds a character that is no text.")
    try:
        if "ExternalIds" in values:
            values["ExternalIds"] = read_json(values["ExternalIds"], "The field ExternalIds")
        body = CreateContactDto.model_validate(values)
    except ValidationError as error:
        raise invalid_fields(error) from error
    except ValueError as error:
        raise InvalidRequest("ExternalIds", str(error)) from error
    return body.registration(DateTimeOffset.now()), body.profile(())


def encode_members(contact: Contact) -> dict[str, Any]:
    """A contact as JSON has it."""
    return ReadContactDto(**_members_of(contact)).model_dump(mode="json")


def encode_cells(contact: Contact) -> list[str]:
    """A contact as a row, in the order of EXPORTED."""
    members = encode_members(contact)
    return [_cell(members.get(name)) for name in EXPORTED]


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return json.dumps(value, ensure_ascii=False)
    return str(value)
