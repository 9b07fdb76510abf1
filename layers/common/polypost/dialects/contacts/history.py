"""One person's history: the timeline and the export."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from urllib.parse import urlencode

from pydantic import RootModel

from polypost.dialects.contacts.api import CODEC, MAX_RESPONSE_BYTES, decode_limit
from polypost.dialects.contacts.contact import ReadContactDto, members_of
from polypost.errors import InvalidRequest, PayloadTooLarge
from polypost.models.contacts import Contact, PermissionChange
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.history import TimelineEntry, TimelinePage, TimelinePosition
from polypost.web.http import Request, Response
from polypost.wire.models import WireModel

# A position in a timeline: keys of the log are short, and begin with a moment as it stands there.
_LONGEST_CURSOR = 1000
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


class TimelineEntryDto(WireModel):
    """One thing that was recorded of a contact."""

    At: DateTimeOffset
    Kind: str
    Details: dict[str, str]


class TimelineDto(RootModel[list[TimelineEntryDto]]):
    """A part of a contact's timeline."""


class PermissionChangeDto(WireModel):
    """One change of what a contact allows.

    `Unsubscribed` is null unless the recipient of a mail unsubscribed by its link (true), or took that back (false).
    """

    At: DateTimeOffset
    LimitMailsPermanently: bool
    LimitMailsTemporarilyUntil: DateTimeOffset | None
    LatestPermissionSource: str | None
    ChangedBy: str
    Unsubscribed: bool | None


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
    return TimelineQuery(_decode_timeline_cursor(cursor) if cursor else None, decode_limit(given.get("limit", "")))


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
    response = CODEC.encode(request, entries, headers=headers)
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

    response = CODEC.encode(request, export_document(contact, permissions, bounded()))
    if len(response.body.encode()) > MAX_RESPONSE_BYTES:
        raise too_large
    return response


def export_document(
    contact: Contact, permissions: list[PermissionChange], timeline: Iterable[TimelineEntry]
) -> ExportDto:
    """The document of an export."""
    return ExportDto(
        Contact=ReadContactDto(**members_of(contact)),
        PermissionHistory=[
            PermissionChangeDto(
                At=change.changed_at,
                LimitMailsPermanently=change.limit_mails_permanently,
                LimitMailsTemporarilyUntil=change.limit_mails_temporarily_until,
                LatestPermissionSource=change.source,
                ChangedBy=change.changed_by,
                Unsubscribed=change.unsubscribed,
            )
            for change in permissions
        ],
        Timeline=[_timeline_entry(each) for each in timeline],
    )


def _timeline_entry(entry: TimelineEntry) -> TimelineEntryDto:
    return TimelineEntryDto(At=DateTimeOffset.from_datetime(entry.at), Kind=entry.kind, Details=dict(entry.details))
