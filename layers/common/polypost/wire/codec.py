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

        Raises: CompressedBody; PayloadTooLarge; UnsupportedMediaType, for another format, or a body without
        Content-Type; UnsupportedCharset; InvalidRequest, for what the format cannot be; InvalidFields, with what is
        wrong with the members.
        """
        request.refuse_compressed()
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
        """The media type and the format of a response.

        Of what Accept matches, the highest quality wins, then a media type over `text/*` over `*/*`, then the preferred
        format, then what Accept names first. If Accept is missing or matches nothing, it is the request's own media
        type, or else the preferred one, and never a 406.

        Source: ASP.NET Web API's `DefaultContentNegotiator`. Unlike there, `q=0` excludes a media type (RFC 9110,
        section 12.5.1).
        """
        ranges = _media_ranges(request.headers.get("accept", ""))
        offered = [(media_type, each) for each in self.writes for media_type in each.media_types]
        acceptable = [
            (quality, _precision(media_range), media_type, each)
            for each in self.writes
            for media_range, quality in ranges.items()
            for media_type in each.media_types
            if quality and media_range in _ranges_of(media_type) and _quality(media_type, ranges)
        ]
        if acceptable:
            # Of equals, `max` takes the first.
            *_, media_type, body_format = max(acceptable, key=lambda each: each[:2])
            return media_type, body_format
        return next((each for each in offered if each[0] == request.media_type), offered[0])


def _media_ranges(accept: str) -> dict[str, float]:
    """The quality of each media range; parameters but `q` do not matter, and a range with a wrong `q` is left out."""
    ranges = {}
    for element in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in element.split(";"))
        weight = next((each for each in parameters if each.startswith("q=")), "q=1")
        if quality := re.fullmatch(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", weight):
            ranges[media_range] = float(quality[1])
    return ranges


def _ranges_of(media_type: str) -> tuple[str, ...]:
    """The ranges that a media type is in, the most precise first."""
    return media_type, f"{media_type.partition('/')[0]}/*", "*/*"


def _precision(media_range: str) -> int:
    """2 for a media type, 1 for a range of one kind, 0 for the range of all."""
    return 2 - media_range.count("*")


def _quality(media_type: str, ranges: Mapping[str, float]) -> float:
    """What the most precise range says of a media type."""
    return next((ranges[each] for each in _ranges_of(media_type) if each in ranges), 0)
