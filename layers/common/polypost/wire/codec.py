"""Which format a request comes in and which one its answer goes out in."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from polypost.errors import InvalidRequest, PayloadTooLarge
from polypost.web.http import Request, Response
from polypost.wire.models import WireModel, invalid_fields

#: What an endpoint reads where no valid body is long.
SMALL_BODY_BYTES: Final = 64 * 1024

Model = TypeVar("Model", bound=WireModel)


@dataclass(frozen=True)
class Format:
    """A format that bodies are read from.

    Parameters: media_types, the format's, in lower case, the preferred one first; read, gives the data of a request's
    body, for a model to validate, and raises InvalidRequest or UnsupportedCharset.
    """

    media_types: tuple[str, ...]
    read: Callable[[Request, type[WireModel]], Any]


@dataclass(frozen=True)
class WritableFormat(Format):
    """A format that bodies are written in too.

    Parameters: write, gives the text of a body: a WireModel, and in JSON also a list of them.
    """

    write: Callable[[Any], str]


@dataclass(frozen=True)
class Codec:
    """What an endpoint reads and writes.

    Parameters: reads, the formats of requests; writes, those of responses, the preferred one first; max_bytes, the
    length of a request's body that is read at all: given where no body that is valid is long.
    """

    reads: tuple[Format, ...]
    writes: tuple[WritableFormat, ...]
    max_bytes: int | None = None

    def decode(self, request: Request, model: type[Model]) -> Model:
        """The body of a request.

        Raises: PayloadTooLarge; UnsupportedMediaType, for another format, or a body without Content-Type;
        UnsupportedCharset; InvalidRequest, for what the format cannot be; InvalidFields, with what is wrong with the
        members.
        """
        if self.max_bytes is not None and len(request.body) > self.max_bytes:
            raise PayloadTooLarge(f"The request body has more than {self.max_bytes} bytes.")
        if not request.body.strip():
            raise InvalidRequest("", "A non-empty request body is required.")
        formats = {media_type: each for each in self.reads for media_type in each.media_types}
        request.require_media_type(*formats)
        body_format = formats[request.media_type]
        try:
            return model.model_validate(body_format.read(request, model))
        except ValidationError as error:
            raise invalid_fields(error) from error

    def encode(
        self,
        request: Request,
        body: BaseModel,
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] = {},
    ) -> Response:
        """The response to a request, in the format that it accepts."""
        media_type, body_format = self._negotiate(request)
        content_type = {"Content-Type": f"{media_type}; charset=utf-8"}
        return Response(status, body_format.write(body), content_type | dict(headers))

    def _negotiate(self, request: Request) -> tuple[str, WritableFormat]:
        """Media type and format of a response.

        What Accept leaves open is the request's own type, else the preferred one; so it is where Accept names nothing
        that can be written, which ASP.NET does not refuse either.

        Source: RFC 9110, section 12.5.1.
        """
        offered = {media_type: each for each in self.writes for media_type in each.media_types}
        by_preference = sorted(offered, key=lambda media_type: media_type != request.media_type)
        ranges = _media_ranges(request.headers.get("accept") or "*/*")

        def quality(media_type: str) -> float:
            kind = media_type.partition("/")[0]
            return next((ranges[each] for each in (media_type, f"{kind}/*", "*/*") if each in ranges), 0)

        # Of equals, `max` takes the first.
        chosen = max(by_preference, key=quality)
        return chosen, offered[chosen]


def _media_ranges(accept: str) -> dict[str, float]:
    """The quality of each media range; parameters but `q` do not matter, and a range with a wrong `q` is left out."""
    ranges = {}
    for element in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in element.split(";"))
        weight = next((each for each in parameters if each.startswith("q=")), "q=1")
        if quality := re.fullmatch(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", weight):
            ranges[media_range] = float(quality[1])
    return ranges
