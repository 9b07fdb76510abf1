"""Interactions: what somebody was invited to by a link, and the visits of that link."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from polypost.models.contacts import ExternalId

#: The token of an interaction's link, which alone leads to it.
TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class NewInteraction:
    """What a client asks for.

    `identity` tells the interactions of an account apart; `name` is that of the campaign; `contact_id` is the client's
    own id of a contact, whether there is such a contact or not.
    """

    identity: str
    name: str
    account_id: UUID
    contact_id: UUID
    tenant_key: UUID | None = None
    group_key: UUID | None = None


def external_id_of(contact_id: UUID) -> ExternalId:
    """The id under which a contact would carry a client's own one."""
    return ExternalId("seethepro", str(contact_id))


@dataclass(frozen=True, slots=True)
class Interaction:
    """An interaction as it was first asked for.

    `url` is the link, absolute, as the client that asked first reached this service; `token` is its last segment.
    `created_at` is in UTC.
    """

    asked: NewInteraction
    id: str
    token: str
    space: str
    campaign_key: str
    url: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who follows a link: an IP address, and the browser's own name, which may be anything."""

    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit of an interaction's link.

    `interaction_id` and `name` are the interaction's, so that a visit tells its story by itself; `visited_at` is in
    UTC; `visitor` is None where the space keeps the time alone.
    """

    interaction_id: str
    name: str
    visited_at: datetime
    visitor: Visitor | None = None
