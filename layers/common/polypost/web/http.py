"""HTTP requests and responses, as API Gateway's payload format 2.0 carries them."""

import base64
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from polypost.errors import CompressedBody, InvalidRequest, UnsupportedCharset, UnsupportedMediaType, excerpt
from polypost.models.attempts import Attempt

# What stands in a path as it is (RFC 3986, section 3.3), beside letters, digits, hyphens, dots, underscores and tildes.
_PATH_CHARACTERS: Final = "/:@!$&'()*+,;="
# What clients leave in a query as it is: more than they may.
_QUERY_CHARACTERS: Final = string.punctuation.replace("#", "")
# The ports that a URL does not name.
_PORTS: Final = {"http": "80", "https": "443"}


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    `headers` have lower-case names; `domain_name` is the host that API Gateway matched, without a port; `source_ip` is
    the client's address, or that of the last proxy before API Gateway; `path` is as API Gateway gives it, which has
    decoded it; `raw_query` is as received; `body_was_text` tells that API Gateway handed the body on as text, which is
    UTF-8 here, whatever the client's own bytes were; `received_at` is API Gateway's time, in UTC; `route_key` is the
    route that matched, such as `POST /items/{id}`, and `path_parameters` what stands in its braces. Whatever the
    request makes takes its ids from `attempt`.
    """

    method: str
    path: str
    raw_query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    domain_name: str = ""
    source_ip: str = ""
    body: bytes = b""
    body_was_text: bool = False
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    route_key: str = ""
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    attempt: Attempt = field(default_factory=lambda: Attempt.fresh(datetime.now(UTC)))

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Request":
        """Read a Lambda event of payload format 2.0.

        AWS lower-cases header names and `sam local` does not; a body may be base64 or text. Both forms are read.

        Source: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs". It does not say which
        bodies are text; measured on AWS they are `text/*`, `application/json`, `application/xml` and
        `application/javascript`.
        """
        context = event["requestContext"]
        body = event.get("body") or ""
        return cls(
            method=context["http"]["method"],
            path=event["rawPath"],
            raw_query=event.get("rawQueryString", ""),
            headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
            domain_name=context.get("domainName", ""),
            source_ip=context["http"].get("sourceIp", ""),
            body=base64.b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass"),
            body_was_text=not event.get("isBase64Encoded"),
            received_at=datetime.fromtimestamp(context["timeEpoch"] / 1000, UTC),
            route_key=event["routeKey"],
            path_parameters=event.get("pathParameters") or {},
        )

    @property
    def origin(self) -> str:
        """Scheme and host (with its port) that the client used, for absolute links.

        All of it is API Gateway's word: links go to other people, and the header Host is whatever the client wrote.
        """
        scheme = "http" if self.headers.get("x-forwarded-proto") == "http" else "https"
        port = self.headers.get("x-forwarded-port", "")
        explicit = re.fullmatch(r"[0-9]{1,5}", port) and port != _PORTS[scheme]
        return f"{scheme}://{self.domain_name}" + (f":{port}" if explicit else "")

    def is_under(self, base_path: str) -> bool:
        """Whether the path is `base_path` or stands below it."""
        return f"{self.path}/".startswith(f"{base_path}/")

    @property
    def path_and_query(self) -> str:
        """The path with the query, for a client to recognise its request by."""
        return f"{self.path}?{self.raw_query}" if self.raw_query else self.path

    def address_of(self, path: str) -> str:
        """Where the client finds another path, with the query of this request.

        API Gateway has decoded the path and not the query, so the one is encoded again and the other stays as it came,
        but for what would end the line of a header.
        """
        query = quote(self.raw_query, safe=_QUERY_CHARACTERS, errors="replace")
        return f"{self.origin}{quote(path, safe=_PATH_CHARACTERS, errors='replace')}{query and f'?{query}'}"

    def query(self, *names: str, any_case: bool = False) -> dict[str, str]:
        """The query's parameters of these names, decoded; others are ignored.

        Parameters: any_case, whether a name may be spelled in any case.

        Raises: InvalidRequest, if a parameter stands twice or is not UTF-8.
        """
        known = {name.lower(): name for name in names} if any_case else {}
        parameters: dict[str, str] = {}
        try:
            pairs = parse_qsl(self.raw_query, keep_blank_values=True, errors="strict")
        except UnicodeDecodeError as error:
            raise InvalidRequest("", "The query string is not UTF-8") from error
        for spelled, value in pairs:
            name = known.get(spelled.lower(), spelled)
            if name in parameters:
                raise InvalidRequest(name, f"{name} is given more than once")
            if name in names:
                parameters[name] = value
        return parameters

    @property
    def media_type(self) -> str:
        """The body's media type in lower case, without its parameters; empty where the request names none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The charset that the body's media type names, in lower case; empty where it names none."""
        named = re.search(r";\s*charset\s*=\s*\"?([^\";\s]*)", self.headers.get("content-type", ""), re.IGNORECASE)
        return named[1].lower() if named else ""

    def refuse_compressed(self) -> None:
        """Refuse a body with a content coding (RFC 9110, section 8.4).

        Raises: CompressedBody.
        """
        codings = self.headers.get("content-encoding", "").lower().split(",")
        if any(coding.strip() not in ("", "identity") for coding in codings):
            raise CompressedBody

    def require_media_type(self, *media_types: str) -> None:
        """Say no to a body of another media type than these. Raises: UnsupportedMediaType."""
        if self.media_type not in media_types:
            content_type = excerpt(self.headers.get("content-type") or "none")
            raise UnsupportedMediaType(
                f"Content type '{content_type}' not supported; expected {' or '.join(media_types)}"
            )

    def text_of(self, *media_types: str) -> str:
        """The body as text, if it comes in one of the media types, and in UTF-8.

        API Gateway hands a JSON body on as text that it has read as UTF-8, so no other charset arrives whole.

        Parameters: media_types, lower-case names such as `application/json`.

        Raises: CompressedBody; UnsupportedMediaType, for another type; UnsupportedCharset; InvalidRequest, for what is
        not UTF-8.
        """
        self.refuse_compressed()
        self.require_media_type(*media_types)
        if self.charset not in ("", "utf-8", "utf8", "us-ascii"):
            raise UnsupportedCharset(f"Charset '{excerpt(self.charset)}' not supported; expected utf-8")
        try:
            # A byte order mark is allowed to be ignored (RFC 8259, section 8.1), and .NET clients write one.
            return self.body.decode().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise InvalidRequest("", "The request body is not UTF-8") from error


@dataclass(frozen=True)
class Response:
    """One HTTP response; `body` is text, in UTF-8 on the wire."""

    status: HTTPStatus = HTTPStatus.OK
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_head(self) -> "Response":
        """The answer to HEAD where this is the one to GET: as long, and without its body (RFC 9110, section 9.3.2)."""
        length = {"Content-Length": str(len(self.body.encode()))} if self.body else {}
        return replace(self, body="", headers={**self.headers, **length})

    def to_event(self) -> dict[str, Any]:
        """The Lambda result of payload format 2.0."""
        return {
            "statusCode": int(self.status),
            "headers": dict(self.headers),
            "body": self.body,
            "isBase64Encoded": False,
        }

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Response":
        """Read what `to_event` made."""
        return cls(HTTPStatus(event["statusCode"]), event["body"], event["headers"])
