"""What was recorded of one person, and its erasure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, order=True, slots=True)
class TimelinePosition:
    """Where an entry stands: by its moment, and where many are of one, by its item's key."""

    moment: str
    partition: str
    item: str


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to a person, by any of the APIs; `details` are what is recorded of it, by name."""

    position: TimelinePosition
    at: datetime
    kind: str
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """A part of a timeline, newest first; `next` is where the following one begins, None at the end."""

    entries: tuple[TimelineEntry, ...]
    next: TimelinePosition | None


class ErasureJob(BaseModel):
    """What is to be taken out of the log for a contact that is being deleted.

    It names nobody: `first_place` tells the contact from a later one of its id, `address_hashes` are HMACs of the
    contact's addresses, `persons` the partitions of the log's index in which it stands. `before`, set when the contact
    was seen to be gone, is the moment up to which the log is its own; what is recorded later is of whoever has the
    address then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: str
    contact_id: int
    first_place: str
    address_hashes: tuple[str, ...]
    persons: tuple[str, ...]
    requested_at: datetime
    before: datetime | None = None
