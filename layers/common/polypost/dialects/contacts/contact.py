"""A contact: its members on the wire, and its creation, change and reading."""

import re
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from polypost.dialects.contacts.api import CODEC, CONTACTS
from polypost.errors import InvalidRequest, excerpt
from polypost.models.contacts import MAX_EXTERNAL_IDS, Contact, ExternalId, Profile, Registration
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.suppression import SuppressionReason
from polypost.web.http import Request, Response
from polypost.wire import aspnet
from polypost.wire.aspnet import AspNetModel
from polypost.wire.dotnet import Boolean, ByteArray, Int32, MaxLength, RequiredText
from polypost.wire.models import WireModel, invalid_fields


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
        """The profile, with these ids where the body says nothing of any.

        `false` says that there is no permanent limit, and null that there is no temporary one; a body without the
        member says neither.
        """
        unlimited = {
            SuppressionReason.LIMITED_PERMANENTLY: self.LimitMailsPermanently is False,
            SuppressionReason.LIMITED_TEMPORARILY: self.LimitMailsTemporarilyUntil is None
            and "LimitMailsTemporarilyUntil" in self.model_fields_set,
        }
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
            unlimited=frozenset(reason for reason, expressly in unlimited.items() if expressly),
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


def members_of(contact: Contact) -> dict[str, Any]:
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


def decode_create(request: Request) -> tuple[Registration, Profile]:
    """What a new contact is to be.

    Raises: UnsupportedMediaType; InvalidRequest, naming every field that is wrong.
    """
    body = aspnet.decode(request, CreateContactDto, CODEC, parameter="contact")
    return body.registration(DateTimeOffset.from_datetime(request.attempt.first_seen)), body.profile(())


def decode_update(request: Request) -> tuple[bytes, Callable[[Profile], Profile]]:
    """The version that an update is of, and what makes the new profile of the one that it replaces.

    External ids stay as they are where the body has none, since the document's clients know nothing of them.

    Raises: UnsupportedMediaType; InvalidRequest, naming every field that is wrong.
    """
    body = aspnet.decode(request, UpdateContactDto, CODEC, parameter="contact")
    return body.Version, lambda old: body.profile(old.external_ids)


def decode_id(request: Request) -> int:
    """The id in the path.

    Raises: InvalidRequest.
    """
    text = request.path_parameters["id"]
    if not re.fullmatch(r"-?[0-9]{1,10}", text) or not -(2**31) <= int(text) < 2**31:
        raise InvalidRequest("id", f"The value '{excerpt(text)}' is not valid for Int32.")
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
    return CODEC.encode(request, ReadContactDto(**members_of(contact)))


def encode_created(request: Request, contact: Contact) -> Response:
    """201: the contact, and where it can be read."""
    location = {"Location": f"{request.origin}{CONTACTS}/{contact.id}"}
    return CODEC.encode(request, ReadContactDto(**members_of(contact)), HTTPStatus.CREATED, location)


def encode_nothing() -> Response:
    """204: it is done, and there is nothing to show."""
    return Response(HTTPStatus.NO_CONTENT)
