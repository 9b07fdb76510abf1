"""StratusCore: log a mail that another system sent.

Source: the document stratuscore-coffeepage; where it is silent, what its server, an ASP.NET Web API, would do.
"""

from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from polypost.errors import InvalidRequest, RequestError, Unauthenticated
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.log_entries import LogEntry
from polypost.web.auth import Credentials
from polypost.web.http import Request, Response
from polypost.wire.aspnet import AspNetModel
from polypost.wire.codec import Codec
from polypost.wire.dotnet import MaxLength
from polypost.wire.json import JSON_NET
from polypost.wire.models import WireModel
from polypost.wire.xml import XML

_CONTACT = "/api/v1/contact"

BASE_PATHS: tuple[str, ...] = (_CONTACT,)

ENDPOINTS: dict[str, tuple[str, ...]] = {f"{_CONTACT}/coffeepage": ("POST",)}

ANY_CASE = True

# The key is in the body, which no scheme is. It is not Basic, for which browsers ask a name and a password that nobody
# would read here.
CHALLENGE = 'Authentication realm="StratusCore"'

_CODEC = Codec(reads=(JSON_NET, XML), writes=(JSON_NET, XML))


class ResultCode(StrEnum):
    """The document's "2 digit code reflecting result of request - 00 is good"; docs/stratuscore.md lists them."""

    SAVED = "00"
    BAD_CREDENTIALS = "01"
    INVALID_REQUEST = "02"
    NOT_PERMITTED = "03"
    FAULT = "99"


# --- Members ----------------------------------------------------------------------------------------------------------

_API_MODELS = "http://schemas.datacontract.org/2004/07/ApiModels"
_API_DOT_MODELS = "http://schemas.datacontract.org/2004/07/Api.Models"


def _utc(value: Any) -> datetime | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return DateTimeOffset.parse(value if isinstance(value, str) else "").to_utc()
    except ValueError as error:
        raise PydanticCustomError("date", "must be a date and time in UTC such as 2025-12-04 06:57:36") from error


class AuthenticationModel(AspNetModel):
    """A credential. What is missing is told by the answer to all wrong credentials."""

    xml_namespace: ClassVar[str] = _API_DOT_MODELS

    Id: str | None = None
    Key: str | None = None


class CoffeePageRequestModel(AspNetModel):
    """A mail that was sent. No member is required, and `Email` may be any text, since the mail is out already."""

    xml_namespace: ClassVar[str] = _API_MODELS

    # The longest address has as many (RFC 3696, section 3).
    Email: Annotated[str | None, MaxLength(320)] = None
    SubjectLine: Annotated[str | None, MaxLength(100)] = None
    DateSent: Annotated[datetime | None, BeforeValidator(_utc)] = None
    # The document sets no limit; a DynamoDB item has one.
    SentBy: Annotated[str | None, MaxLength(1000)] = None
    EmailBody: str | None = None


class _SignedModel(AspNetModel):
    xml_name: ClassVar[str] = "CoffeePageBindingModel"
    xml_namespace: ClassVar[str] = _API_MODELS

    Authentication: AuthenticationModel | None = None


class CoffeePageBindingModel(_SignedModel):
    """The body of `POST /api/v1/contact/coffeepage`."""

    Request: CoffeePageRequestModel


class MessageModel(WireModel):
    """What came of a request."""

    xml_namespace: ClassVar[str] = _API_DOT_MODELS

    Code: ResultCode
    Description: str


class ContactsOutgoingModel(WireModel):
    """The body of every answer."""

    xml_namespace: ClassVar[str] = _API_MODELS

    Message: MessageModel


# --- Requests and answers ---------------------------------------------------------------------------------------------


def credentials(request: Request) -> Credentials:
    """The credentials in the body, of which nothing else is looked at yet: who may is asked before what is wanted.

    Raises: UnsupportedMediaType; InvalidRequest, for what is no body; Unauthenticated, if there are none in it.
    """
    signed = _CODEC.decode(request, _SignedModel).Authentication
    if signed is None or signed.Id is None or signed.Key is None:
        raise Unauthenticated
    return Credentials(signed.Id, signed.Key)


def decode_entry(request: Request) -> LogEntry:
    """What a request tells of a mail.

    Raises: UnsupportedMediaType; InvalidRequest, naming every field that is wrong.
    """
    told = _CODEC.decode(request, CoffeePageBindingModel).Request
    return LogEntry(
        email=told.Email,
        subject=told.SubjectLine,
        sent_at=told.DateSent,
        sent_by=told.SentBy,
        body=told.EmailBody,
    )


def encode_saved(request: Request, entry_id: str) -> Response:
    """200: the entry is stored, under an id that an operator finds it by."""
    return _answer(request, HTTPStatus.OK, ResultCode.SAVED, f"Saved as {entry_id}.")


def encode_error(request: Request, error: RequestError) -> Response:
    """An error in the envelope of all answers; that of an invalid request names each field that is wrong."""
    description = error.all_messages if isinstance(error, InvalidRequest) else error.message
    return _answer(request, error.status, _code_of(error.status), description)


def _code_of(status: HTTPStatus) -> ResultCode:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return ResultCode.BAD_CREDENTIALS
        case HTTPStatus.FORBIDDEN:
            return ResultCode.NOT_PERMITTED
    return ResultCode.FAULT if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ResultCode.INVALID_REQUEST


def _answer(request: Request, status: HTTPStatus, code: ResultCode, description: str) -> Response:
    message = MessageModel(Code=code, Description=description)
    return _CODEC.encode(request, ContactsOutgoingModel(Message=message), status)
