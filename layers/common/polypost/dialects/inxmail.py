"""Inxmail Commerce API for SAP: send a mail; read bounces, complaints, verified sender domains.

Source: the document inxmail-commerce-sap; where it is silent, what its server, a Spring application, would do.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from polypost.errors import (
    InvalidDate,
    InvalidRequest,
    RequestError,
    excerpt,
)
from polypost.models.delivery import DeliveryEvent, EventFilter, EventPage
from polypost.models.list_unsubscribe import parse_list_unsubscribe
from polypost.models.mail import MAX_TAG_BYTES, AcceptedMail, Mail, Mailbox, RecipientForecast
from polypost.web.auth import basic_credentials as credentials
from polypost.web.http import Request, Response
from polypost.wire.json import JSON
from polypost.wire.models import Unusable, WireModel
from polypost.wire.text import Line, MailAddress

__all__ = [
    "ANY_CASE",
    "BASE_PATHS",
    "CHALLENGE",
    "ENDPOINTS",
    "INDEX",
    "credentials",
    "decode_bounces_query",
    "decode_complaints_query",
    "decode_send",
    "encode_bounces",
    "encode_complaints",
    "encode_error",
    "encode_forecast",
    "encode_index",
    "encode_send",
    "encode_verified_senders",
]

_BASE_PATH = "/api-service"
BASE_PATHS: tuple[str, ...] = (_BASE_PATH,)

_RESOURCES = {
    "send": (f"{_BASE_PATH}/custom/sap/v1/send", "POST"),
    "bounces": (f"{_BASE_PATH}/custom/sap/v1/bounces", "GET"),
    "complaints": (f"{_BASE_PATH}/custom/sap/v1/complaints", "GET"),
    "verifiedSenders": (f"{_BASE_PATH}/custom/sap/v1/verifiedSenders", "GET"),
}

#: The two spellings of the index, which the default route serves.
INDEX: dict[str, tuple[str, ...]] = {_BASE_PATH: ("GET",), f"{_BASE_PATH}/": ("GET",)}

ENDPOINTS = INDEX | {path: (method,) for path, method in _RESOURCES.values()}

ANY_CASE = False

CHALLENGE = 'Basic realm="Inxmail Commerce API", charset="UTF-8"'

_JSON = "application/json"

#: A line may have 998 characters (RFC 5322); no header that is meant has more.
MAX_HEADER_CHARACTERS = 900

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 2000

# --- The index --------------------------------------------------------------------------------------------------------


def encode_index(request: Request) -> Response:
    """The links to the API's resources."""
    links = {"self": {"href": f"{request.origin}{_BASE_PATH}/"}}
    links |= {rel: {"href": f"{request.origin}{path}"} for rel, (path, _) in _RESOURCES.items()}
    return _response(HTTPStatus.OK, {"_links": links})


# --- Send an email ----------------------------------------------------------------------------------------------------


def _text_or_absent(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _short(value: str) -> str:
    if len(value) > MAX_HEADER_CHARACTERS:
        raise PydanticCustomError(
            "too_long", "must not be longer than {max} characters", {"max": MAX_HEADER_CHARACTERS}
        )
    return value


def _list_unsubscribe(value: str) -> str:
    try:
        return parse_list_unsubscribe(value)
    except ValueError as error:
        raise PydanticCustomError("list_unsubscribe", "{why}", {"why": str(error)}) from error


def _taggable(value: str) -> str:
    if len(value.encode()) > MAX_TAG_BYTES:
        raise PydanticCustomError("taggable", "must not be longer than {max} bytes", {"max": MAX_TAG_BYTES})
    return value


_Line = Annotated[Line, AfterValidator(_short)]
_ListUnsubscribe = Annotated[Line, AfterValidator(_list_unsubscribe)]
_Address = Annotated[_Line, MailAddress]
_Label = Annotated[str, AfterValidator(_taggable)]
_AbsentIfBlank = BeforeValidator(_text_or_absent)


class SendRequest(WireModel):
    """The body of `POST /custom/sap/v1/send`, its members in the document's order; unknown ones are ignored."""

    type: Literal["email"]
    sourceSystem: Annotated[_Label | None, _AbsentIfBlank] = None
    campaignId: Annotated[_Label | None, _AbsentIfBlank] = None
    sender: Annotated[_Address, _AbsentIfBlank]
    senderName: Annotated[_Line | None, _AbsentIfBlank] = None
    replyTo: Annotated[_Address | None, _AbsentIfBlank] = None
    replyToName: Annotated[_Line | None, _AbsentIfBlank] = None
    recipient: Annotated[_Address, _AbsentIfBlank]
    recipientName: Annotated[_Line | None, _AbsentIfBlank] = None
    bccRecipient: Annotated[_Address | None, _AbsentIfBlank] = None
    listUnsubscribe: Annotated[_ListUnsubscribe | None, _AbsentIfBlank] = None
    subjectContentPlainText: Annotated[_Line, _AbsentIfBlank]
    bodyContentHTML: str | None = None
    bodyContentPlainText: str | None = None

    @model_validator(mode="after")
    def _has_a_body(self) -> "SendRequest":
        if not self.bodyContentHTML and not self.bodyContentPlainText:
            raise PydanticCustomError("body", "bodyContentHTML or bodyContentPlainText is required")
        if self.replyToName is not None and self.replyTo is None:
            raise PydanticCustomError("reply_to", "replyToName needs replyTo")
        return self


def decode_send(request: Request) -> Mail:
    """The mail that a request asks for.

    Where a text is expected, any scalar of JSON is read as text, as it is spelled.

    Raises: UnsupportedMediaType; InvalidRequest, naming the first field that is wrong.

    Source: Jackson's `StringDeserializer`, which Spring uses.
    """
    try:
        wire = SendRequest.model_validate(JSON.read(request, SendRequest))
    except ValidationError as error:
        raise _invalid_body(error) from error
    return Mail(
        sender=Mailbox(address=wire.sender, name=wire.senderName or ""),
        reply_to=Mailbox(address=wire.replyTo, name=wire.replyToName or "") if wire.replyTo else None,
        recipient=Mailbox(address=wire.recipient, name=wire.recipientName or ""),
        bcc=wire.bccRecipient,
        list_unsubscribe=wire.listUnsubscribe,
        subject=wire.subjectContentPlainText,
        html=wire.bodyContentHTML or None,
        text=wire.bodyContentPlainText or None,
        source_system=wire.sourceSystem,
        campaign_id=wire.campaignId,
    )


def _invalid_body(error: ValidationError) -> InvalidRequest:
    problem = error.errors(include_url=False, include_context=False)[0]
    if problem["type"] == "model_type":
        return InvalidRequest("", "The request body is not a JSON object")
    if not problem["loc"]:
        return InvalidRequest("", problem["msg"])
    field = str(problem["loc"][0])
    if isinstance(problem["input"], Unusable):
        return InvalidRequest(field, f"{field} {problem['input'].reason}")
    kind = "missing" if problem["input"] is None else problem["type"]
    words = {"missing": "is required", "string_type": "must be a string", "literal_error": "must be 'email'"}
    return InvalidRequest(field, f"{field} {words.get(kind, problem['msg'])}")


def encode_send(accepted: AcceptedMail) -> Response:
    """200: the transaction id of the request, and when it was taken."""
    return _response(HTTPStatus.OK, {"messageId": accepted.message_id, "date": _timestamp(accepted.accepted_at)})


def encode_forecast(forecasts: Sequence[RecipientForecast]) -> Response:
    """200: whether the mail would be sent to each of its recipients; no id, since there is no mail.

    `reason` and `type` are those of the bounce that would be listed.
    """
    recipients = []
    for forecast in forecasts:
        row = {"recipient": forecast.recipient, "wouldSend": forecast.reason is None}
        why = {"reason": forecast.reason, "type": forecast.type}
        recipients.append(row | {name: value for name, value in why.items() if value is not None})
    would_send = any(row["wouldSend"] for row in recipients)
    return _response(HTTPStatus.OK, {"dryRun": True, "wouldSend": would_send, "recipients": recipients})


# --- Bounces and complaints -------------------------------------------------------------------------------------------


_LIST_PARAMETERS = ("sourceSystem", "campaignId", "startTimeUTC", "endTimeUTC", "page", "pageSize")


class EventsQuery(BaseModel):
    """The filters and the page that a list is asked for."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    criteria: EventFilter
    page: int
    page_size: int


def decode_bounces_query(request: Request) -> EventsQuery:
    """The filters of `GET /custom/sap/v1/bounces`.

    Raises: InvalidRequest, naming the parameter; InvalidDate.
    """
    query = request.query(*_LIST_PARAMETERS)
    start = _second(query, "startTimeUTC")
    end = _second(query, "endTimeUTC")
    if start is not None and start > request.received_at:
        raise InvalidDate("startTimeUTC", f"Start date {_timestamp(start)} is in future")
    if start is not None and end is not None and start > end:
        raise InvalidDate("startTimeUTC", f"Start date {_timestamp(start)} is after end date {_timestamp(end)}")
    criteria = EventFilter(_label(query, "sourceSystem"), _label(query, "campaignId"), start, end)
    page = _number(query, "page", default=0, least=0)
    page_size = _number(query, "pageSize", default=DEFAULT_PAGE_SIZE, least=1, most=MAX_PAGE_SIZE)
    return EventsQuery(criteria=criteria, page=page, page_size=page_size)


def decode_complaints_query(request: Request) -> EventsQuery:
    """The filters of `GET /custom/sap/v1/complaints`, of which one of sourceSystem and campaignId may be used.

    Raises: InvalidRequest, naming the parameter; InvalidDate.
    """
    query = decode_bounces_query(request)
    if query.criteria.source_system is not None and query.criteria.campaign_id is not None:
        raise InvalidRequest("campaignId", "Only one of sourceSystem or campaignId may be used")
    return query


def _label(query: Mapping[str, str], name: str) -> str | None:
    value = query.get(name) or None
    if value is not None and len(value.encode()) > MAX_TAG_BYTES:
        raise InvalidRequest(name, f"{name} must not be longer than {MAX_TAG_BYTES} bytes")
    return value


def _second(query: Mapping[str, str], name: str) -> datetime | None:
    value = query.get(name)
    if not value:
        return None
    try:
        # strptime also takes shorter numbers, and digits of other scripts.
        if not re.fullmatch(r"[0-9]{13,14}", value):
            raise ValueError(value)
        # The document's own example has thirteen digits, the second being one of them.
        seconds = f"{value[:12]}0{value[12:]}" if len(value) == 13 else value
        return datetime.strptime(seconds, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidDate(name, f"{name} '{excerpt(value)}' is not a date of the form yyyyMMddHHmmss") from error


def _number(query: Mapping[str, str], name: str, *, default: int, least: int, most: int | None = None) -> int:
    value = query.get(name)
    if not value:
        return default
    # Ten digits hold every page that can exist; Python refuses to read numbers of thousands of digits.
    number = int(value) if re.fullmatch(r"-?[0-9]{1,10}", value) else None
    if number is None or number < least or (most is not None and number > most):
        bounds = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise InvalidRequest(name, f"{name} '{excerpt(value)}' is not a number {bounds}")
    return number


def encode_bounces(request: Request, query: EventsQuery, page: EventPage) -> Response:
    """200: one page of bounces, with the links to its neighbours."""
    return _page(request, query, page, "bounces")


def encode_complaints(request: Request, query: EventsQuery, page: EventPage) -> Response:
    """200: one page of complaints, with the links to its neighbours."""
    return _page(request, query, page, "complaints")


#: An answer of Lambda has at most 6,291,556 bytes, as JSON that holds the page as a text: each of 2000 rows has this
#: many of them, with what stands around the rows.
_MAX_ROW_BYTES = 3100

# What is cut in a row that is too long, first the one and then the other.
_CUT_FIRST = ("errorText", "campaignId", "sourceSystem", "recipient", "type", "errorCode")


def _row(event: DeliveryEvent) -> dict[str, str]:
    # A complaint has no error, and so its rows have no such members.
    members = {
        "sourceSystem": event.message.source_system,
        "campaignId": event.message.campaign_id,
        "messageId": event.message.message_id,
        "recipient": event.fact.recipient,
        "errorCode": event.fact.error_code,
        "errorText": event.fact.error_text,
        "type": event.fact.type,
        "timestamp": f"{event.fact.occurred_at:%Y%m%d%H%M%S}",
    }
    row = {name: value for name, value in members.items() if value is not None}
    for name in _CUT_FIRST:
        if name in row and (excess := _size(row) - _MAX_ROW_BYTES) > 0:
            row[name] = _beginning(row[name], _size(row[name]) - excess)
    return row


def _size(value: Any) -> int:
    """The bytes of a value in Lambda's answer at the most: some runtimes of Python write other scripts as escapes."""
    return len(json.dumps(json.dumps(value, ensure_ascii=False)))


def _beginning(text: str, size: int) -> str:
    """As much of a text as has a size, with the sign that it is not all."""
    length = bisect_right(range(min(len(text), size)), size, key=lambda length: _size(f"{text[:length]}…"))
    return f"{text[: max(0, length - 1)]}…"


def _page(request: Request, query: EventsQuery, page: EventPage, member: str) -> Response:
    def link(number: int, rel: str) -> str:
        parameters = request.query(*_LIST_PARAMETERS) | {"page": str(number), "pageSize": str(query.page_size)}
        return f'<{request.origin}{request.path}?{urlencode(parameters)}>; rel="{rel}"'

    links = [] if page.is_last else [link(page.number + 1, "next")]
    links += [link(page.number - 1, "previous")] if page.number > 0 else []
    return _response(
        HTTPStatus.OK,
        {"page": page.number, "lastPage": page.is_last, member: [_row(event) for event in page.events]},
        {"Link": ", ".join(links)} if links else {},
    )


# --- Senderdomains ----------------------------------------------------------------------------------------------------


def encode_verified_senders(domains: list[str]) -> Response:
    """200: the domains that the space may send from."""
    return _response(HTTPStatus.OK, {"senderDomains": domains})


# --- Error states -----------------------------------------------------------------------------------------------------


def encode_error(request: Request, error: RequestError) -> Response:
    """An error in the body of Spring's default error attributes, members in the order of the document's samples."""
    path = request.path_and_query
    path = (path.removeprefix(_BASE_PATH) or "/") if request.is_under(_BASE_PATH) else path
    body: dict[str, str | int] = {
        "timestamp": _timestamp(request.received_at),
        "status": int(error.status),
        "error": error.status.phrase,
        "message": error.message,
        "path": excerpt(path),
    }
    if error.status is HTTPStatus.BAD_REQUEST:
        name = "InvalidDateParameter" if isinstance(error, InvalidDate) else "InvalidParameter"
        body["exception"] = f"com.inxmail.xcom.api.rest.{name}"
        body = dict(sorted(body.items()))
    return _response(error.status, body)


def _timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def _response(status: HTTPStatus, body: Mapping[str, Any], headers: Mapping[str, str] = {}) -> Response:
    return Response(status, json.dumps(body, ensure_ascii=False), {"Content-Type": _JSON, **headers})
