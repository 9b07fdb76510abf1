"""What the dialects of ASP.NET Web API's family share: Json.NET's reading, error bodies.

Source: ASP.NET Web API 2, `HttpError` and `HttpRequestMessageExtensions.CreateErrorResponse`; Json.NET, `JsonReader`.
"""

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, ClassVar

from pydantic import Field, model_validator

from polypost.errors import (
    CompressedBody,
    InvalidFields,
    InvalidRequest,
    MethodNotAllowed,
    RequestError,
    UnknownPath,
    UnsupportedCharset,
    UnsupportedMediaType,
    excerpt,
)
from polypost.web.http import Request, Response
from polypost.wire.codec import Codec, Model
from polypost.wire.models import TWICE, WireModel, members

# --- Bodies -----------------------------------------------------------------------------------------------------------


class AspNetModel(WireModel):
    """A body that is read as Json.NET and the model binder of forms do.

    Names match in any case; an empty text is null where the member is no text. In a form too an empty text stays one: a
    member that is required is not to be blank anyway.
    """

    @model_validator(mode="before")
    @classmethod
    def _as_json_net_reads(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        names = _names(cls)
        values: dict[str, Any] = {}
        for given, value in body.items():
            name = names.get(given.lower())
            if name is None:
                continue
            if name in values:
                value = TWICE
            elif value == "" and not members(cls)[name].is_text:
                value = None
            values[name] = value
        return values


@cache
def _names(model: type[WireModel]) -> Mapping[str, str]:
    return {name.lower(): name for name in members(model)}


def decode(request: Request, model: type[Model], codec: Codec, *, parameter: str) -> Model:
    """The body of a request.

    Parameters: parameter, what the action calls its body, which the names of wrong fields begin with.

    Raises: what `Codec.decode` does.
    """
    try:
        return codec.decode(request, model)
    except InvalidRequest as error:
        problems = {".".join(filter(None, (parameter, field))): words for field, words in error.problems.items()}
        raise InvalidFields(problems) from error


# --- Errors -----------------------------------------------------------------------------------------------------------


def _is_none(value: object) -> bool:
    return value is None


class HttpError(WireModel):
    """ASP.NET's error body: what happened, and for each wrong field its messages."""

    xml_name: ClassVar[str] = "Error"

    Message: str
    ModelState: dict[str, list[str]] | None = Field(default=None, exclude_if=_is_none)


def encode_error(request: Request, error: RequestError, codec: Codec) -> Response:
    """An error as ASP.NET words it, in the format that the request accepts."""
    body = HttpError(Message=_message(request, error))
    if isinstance(error, InvalidRequest):
        body.ModelState = {field: list(messages) for field, messages in error.problems.items()}
    return codec.encode(request, body, error.status)


def _message(request: Request, error: RequestError) -> str:
    match error:
        case InvalidRequest():
            return "The request is invalid."
        case UnknownPath():
            uri = excerpt(f"{request.origin}{request.path_and_query}")
            return f"No HTTP resource was found that matches the request URI '{uri}'.{error.hint}"
        case MethodNotAllowed():
            return f"The requested resource does not support http method '{error.method}'."
        case UnsupportedCharset() | CompressedBody():
            return error.message
        case UnsupportedMediaType() if request.media_type:
            media_type = excerpt(request.media_type)
            return f"The request entity's media type '{media_type}' is not supported for this resource."
        case UnsupportedMediaType():
            return (
                "The request contains an entity body but no Content-Type header. The inferred media type"
                " 'application/octet-stream' is not supported for this resource."
            )
    match error.status:
        case HTTPStatus.UNAUTHORIZED:
            return "Authorization has been denied for this request."
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            return "An error has occurred."
    return error.message
