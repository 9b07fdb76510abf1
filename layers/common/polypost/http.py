"""HTTP requests and responses, as API Gateway's payload format 2.0 carries them."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from polypost.errors import InvalidRequest, UnsupportedMediaType


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    `headers` have lower-case names; `domain_name` is the host that API Gateway matched, without a port; `path` and
    `raw_query` are as received; `received_at` is API Gateway's time, in UTC.
    """

    method: str
    path: str
    raw_query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    domain_name: str = ""
    body: bytes = b""
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Request":
        """Read a Lambda event of payload format 2.0.

        AWS lower-cases header names and `sam local` does not; a body may be base64 or text. Both forms are read.

        Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs".
        """
        context = event["requestContext"]
        body = event.get("body") or ""
        return cls(
            method=context["http"]["method"],
            path=event["rawPath"],
            raw_query=event.get("rawQueryString", ""),
            headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
            domain_name=context.get("domainName", ""),
            body=base64.b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass"),
            received_at=datetime.fromtimestamp(context["timeEpoch"] / 1000, UTC),
        )

    @property
    def origin(self) -> str:
        """Scheme and host (with its port) that the client used, for absolute links."""
        return f"{self.headers.get('x-forwarded-proto', 'https')}://{self.headers.get('host', self.domain_name)}"

    @property
    def path_and_query(self) -> str:
        """The path with the query, both as received."""
        return f"{self.path}?{self.raw_query}" if self.raw_query else self.path

    def query(self) -> dict[str, str]:
        """The query's parameters, decoded.

        Raises: InvalidRequest, if a parameter stands twice or is not UTF-8.
        """
        parameters: dict[str, str] = {}
        try:
            pairs = parse_qsl(self.raw_query, keep_blank_values=True, errors="strict")
        except UnicodeDecodeError as error:
            raise InvalidRequest("", "The query string is not UTF-8") from error
        for name, value in pairs:
            if name in parameters:
                raise InvalidRequest(name, f"{name} is given more than once")
            parameters[name] = value
        return parameters

    def text_of(self, *media_types: str) -> str:
        """The body as text, if it comes in one of the media types.

        Parameters: media_types, lower-case names such as `application/json`.

        Raises: UnsupportedMediaType, for another type or an unknown charset; InvalidRequest, for a body that is not
        in its charset (UTF-8 unless the header names another).
        """
        content_type = EmailMessage()
        content_type["content-type"] = self.headers.get("content-type", "")
        charset = content_type.get_param("charset", "utf-8")
        if "content-type" not in self.headers or content_type.get_content_type() not in media_types:
            given = self.headers.get("content-type") or "none"
            raise UnsupportedMediaType(f"Content type '{given}' not supported; expected {' or '.join(media_types)}")
        try:
            text = self.body.decode(str(charset))
        except LookupError as error:
            raise UnsupportedMediaType(f"Charset '{charset}' not supported") from error
        except UnicodeDecodeError as error:
            raise InvalidRequest("", f"The request body is not {charset}") from error
        # A byte order mark is allowed to be ignored (RFC 8259, section 8.1), and .NET clients write one.
        return text.removeprefix("\ufeff")


@dataclass(frozen=True)
class Response:
    """One HTTP response; `body` is text, in UTF-8 on the wire."""

    status: HTTPStatus = HTTPStatus.OK
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_event(self) -> dict[str, Any]:
        """The Lambda result of payload format 2.0."""
        return {
            "statusCode": int(self.status),
            "headers": dict(self.headers),
            "body": self.body,
            "isBase64Encoded": False,
        }
