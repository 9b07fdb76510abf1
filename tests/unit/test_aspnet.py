"""Errors as ASP.NET Web API words them, in JSON and in XML."""

import json
from http import HTTPStatus

import pytest

from polypost.errors import (
    Conflict,
    Forbidden,
    InvalidFields,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RequestError,
    Unauthenticated,
    UnknownPath,
    UnknownSpace,
    UnsupportedCharset,
    UnsupportedMediaType,
)
from polypost.web.endpoint import ServerError, Unavailable
from polypost.web.http import Request, Response
from polypost.wire.aspnet import AspNetModel, decode, encode_error
from polypost.wire.codec import Codec
from polypost.wire.dotnet import RequiredText
from polypost.wire.json import JSON
from polypost.wire.xml import XML

CODEC = Codec(reads=(JSON, XML), writes=(JSON, XML))


def answer(error: RequestError, **headers: str) -> Response:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request("PUT", "/api/x", "a=b", headers=headers, domain_name="example.com")
    return encode_error(request, error, CODEC)


class Body(AspNetModel):
    Email: RequiredText
    Phone: RequiredText


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (Unauthenticated(), 401, "Authorization has been denied for this request."),
        (Forbidden("The credential lacks the scope x."), 403, "The credential lacks the scope x."),
        (NotFound("No contact has this Id."), 404, "No contact has this Id."),
        (
            UnknownPath(),
            404,
            "No HTTP resource was found that matches the request URI 'https://example.com/api/x?a=b'.",
        ),
        (UnknownSpace(), 404, "Unknown tenant."),
        (MethodNotAllowed("PUT", ("GET",)), 405, "The requested resource does not support http method 'PUT'."),
        (Conflict("Another contact has this Email."), 409, "Another contact has this Email."),
        (PayloadTooLarge("Too large."), 413, "Too large."),
        (ServerError(), 500, "An error has occurred."),
        (Unavailable(), 503, Unavailable().message),
    ],
)
def test_an_error_is_a_message(error: RequestError, status: int, message: str) -> None:
    response = answer(error)
    assert json.loads(response.body) == {"Message": message}
    assert response.status == status
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer(error, accept="text/xml").body == f"<Error><Message>{message}</Message></Error>"


@pytest.mark.parametrize(
    ("content_type", "error", "message"),
    [
        (
            "Text/Plain; charset=x",
            UnsupportedMediaType("other words"),
            "The request entity's media type 'text/plain' is not supported for this resource.",
        ),
        (
            "",
            UnsupportedMediaType("other words"),
            "The request contains an entity body but no Content-Type header. The inferred media type"
            " 'application/octet-stream' is not supported for this resource.",
        ),
        ("text/json; charset=x", UnsupportedCharset("Charset 'x' not supported"), "Charset 'x' not supported"),
    ],
)
def test_a_media_type_that_is_not_read(content_type: str, error: UnsupportedMediaType, message: str) -> None:
    response = answer(error, content_type=content_type)
    assert json.loads(response.body) == {"Message": message}
    assert response.status is HTTPStatus.UNSUPPORTED_MEDIA_TYPE


PROBLEMS = InvalidFields(
    {
        "contact.Email": ["Too long.", "Taken <b>."],
        "contact.ExternalIds[0].System": ["The System field is required."],
        "contact": ["Other."],
    }
)


def test_model_state_lists_all_that_is_wrong() -> None:
    response = answer(PROBLEMS)
    assert response.status is HTTPStatus.BAD_REQUEST
    assert json.loads(response.body) == {
        "Message": "The request is invalid.",
        "ModelState": {
            "contact.Email": ["Too long.", "Taken <b>."],
            "contact.ExternalIds[0].System": ["The System field is required."],
            "contact": ["Other."],
        },
    }


def test_model_state_in_xml() -> None:
    response = answer(PROBLEMS, content_type="application/xml")
    assert response.headers["Content-Type"] == "application/xml; charset=utf-8"
    assert response.body == (
        "<Error><Message>The request is invalid.</Message><ModelState>"
        "<contact.Email>Too long. Taken &lt;b&gt;.</contact.Email>"
        "<contact.ExternalIds_x005B_0_x005D_.System>The System field is required."
        "</contact.ExternalIds_x005B_0_x005D_.System>"
        "<contact>Other.</contact></ModelState></Error>"
    )


@pytest.mark.parametrize(
    ("body", "wrong"),
    [(b'{"email": " "}', ["contact.Email", "contact.Phone"]), (b"[]", ["contact"]), (b"", ["contact"])],
)
def test_what_is_wrong_with_a_body_is_named_as_the_action_names_it(body: bytes, wrong: list[str]) -> None:
    request = Request("POST", "/", headers={"content-type": "application/json"}, body=body)
    with pytest.raises(InvalidFields) as error:
        decode(request, Body, CODEC, parameter="contact")
    assert sorted(error.value.problems) == wrong


def test_a_parameter_of_the_query_has_its_own_name() -> None:
    body = json.loads(answer(InvalidRequest("limit", "Too many.")).body)
    assert body["ModelState"] == {"limit": ["Too many."]}
