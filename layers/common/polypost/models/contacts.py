"""Contacts, what makes one unique, and the stores that they refer to."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from polypost.errors import Conflict
from polypost.models.access import SpaceSettings
from polypost.models.addresses import normalised
from polypost.models.caseless import folded
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.suppression import SuppressionReason

#: The external ids that one contact may carry.
MAX_EXTERNAL_IDS = 20


@dataclass(frozen=True, slots=True)
class ExternalId:
    """A contact's id in another system, such as a shop's customer number; unique in the space."""

    system: str
    id: str


@dataclass(frozen=True, slots=True)
class Registration:
    """Where a contact came from; it never changes. `ip` is an IPv4 address or empty."""

    source: str
    date_time: DateTimeOffset
    ip: str = ""
    store_id: int | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """What an update replaces, as the client spelled it.

    `unlimited` are the limits, of the two that there are, that the client expressly does without. It is said with one
    change and stored with none.
    """

    email: str | None = None
    phone_country_code: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    limit_mails_permanently: bool = False
    limit_mails_temporarily_until: DateTimeOffset | None = None
    preferred_store_id: int | None = None
    contact_company_id: int | None = None
    latest_permission_source: str | None = None
    external_ids: tuple[ExternalId, ...] = ()
    unlimited: frozenset[SuppressionReason] = field(default=frozenset(), compare=False)

    @property
    def permission(self) -> tuple[bool, DateTimeOffset | None, str | None]:
        """What the permission history keeps of each change."""
        return self.limit_mails_permanently, self.limit_mails_temporarily_until, self.latest_permission_source


@dataclass(frozen=True, slots=True)
class Contact:
    """One person, as a space knows them.

    `id` is positive and fits 31 bits; `secret` stands for the contact in links; `version` is 8 bytes, big-endian, and
    grows with each change.
    """

    id: int
    secret: str
    registration: Registration
    profile: Profile
    last_modified: DateTimeOffset
    version: bytes


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A contact that was deleted, and when."""

    id: int
    deleted: DateTimeOffset


#: Where a part of the feed of changes begins: behind an entry, or with a moment.
FEED_POSITION = re.compile(r"[0-9]{19}(#[0-9]{1,10}#[0-9a-f]{8})?")


def feed_position(moment: DateTimeOffset) -> str:
    """The position of a moment: 100-nanosecond ticks of a fixed width, so that the order of text is that of time."""
    return f"{moment.ticks:019}"


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A part of the feed of changes: a space's contacts in the order of their last change, and tombstones.

    `position` is where the next part begins, or "" for the beginning; `has_more` tells whether there is more to be
    read at once.
    """

    changes: tuple[Contact | Tombstone, ...]
    position: str
    has_more: bool

    def beginning(self, length: int) -> "ChangePage":
        """The first changes of the page, fewer than it has; the next part begins with the one after them."""
        following = self.changes[length]
        moment = following.deleted if isinstance(following, Tombstone) else following.last_modified
        return ChangePage(self.changes[:length], feed_position(moment), has_more=True)


@dataclass(frozen=True, slots=True)
class SnapshotPage:
    """A part of all contacts of a space.

    `gone` are the ids of those that were deleted; `position` is where the next part begins, and `has_more` tells
    whether there is one.
    """

    contacts: tuple[Contact, ...]
    gone: frozenset[int]
    position: str
    has_more: bool


@dataclass(frozen=True, slots=True)
class SecretLookup:
    """The contact that a secret stands for."""

    secret: str


@dataclass(frozen=True, slots=True)
class EmailLookup:
    """The contact with an e-mail address, in any spelling of it.

    `otherwise` is another reading of what was asked for, or "": it is looked up if nobody has the first one.
    """

    email: str
    otherwise: str = ""


@dataclass(frozen=True, slots=True)
class PhoneLookup:
    """The contact with a phone number; the country code counts where the space's rules say so."""

    phone: str
    country_code: str = ""


#: What one contact alone has in its space, and so is found by.
Lookup = SecretLookup | EmailLookup | PhoneLookup | ExternalId


@dataclass(frozen=True, slots=True)
class PermissionChange:
    """One change of what a contact allows.

    `source` is the contact's LatestPermissionSource after it, or the link that the recipient used; `changed_by` is the
    keyid of who changed it, or "recipient". `unsubscribed` is None unless the recipient unsubscribed, or took that
    back; the limits are as they were then.
    """

    changed_at: DateTimeOffset
    limit_mails_permanently: bool
    limit_mails_temporarily_until: DateTimeOffset | None
    source: str | None
    changed_by: str
    unsubscribed: bool | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """A shop that contacts refer to; `id` is positive and fits 31 bits."""

    id: int
    name: str = ""


class ContactConflict(Conflict):
    """A change that the contact's present state does not allow.

    Parameters: message, which says what stands against it; latest, the contact as it is.
    """

    def __init__(self, message: str, latest: Contact) -> None:
        super().__init__(message)
        self.latest = latest


# --- Uniqueness -------------------------------------------------------------------------------------------------------


class ClaimKind(StrEnum):
    """What no two contacts of a space may share."""

    EMAIL = "email"
    PHONE = "phone"
    NAME = "name"
    EXTERNAL_ID = "external-id"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one contact alone may have in its space; `parts` are in the form in which two spellings are the same."""

    kind: ClaimKind
    parts: tuple[str, ...]


def claims_of(profile: Profile, settings: SpaceSettings) -> Iterator[Claim]:
    """What a contact with this profile has to itself.

    Source: contacts-create: "If contact with same Name or same Phone number exists then HTTP 409 will be returned";
    "Contact Email, must be unique within account".
    """
    if email := email_claim(profile.email or ""):
        yield email
    if phone := phone_claim(profile.phone or "", profile.phone_country_code or "", settings):
        yield phone
    first, last = folded(profile.first_name or ""), folded(profile.last_name or "")
    if settings.unique_names and first and last:
        yield Claim(ClaimKind.NAME, (first, last))
    for external_id in profile.external_ids:
        yield external_id_claim(external_id)


def email_claim(email: str) -> Claim | None:
    """The claim on an e-mail address; None for a text without visible characters, which is no value."""
    claimed = normalised(email)
    return Claim(ClaimKind.EMAIL, (claimed,)) if claimed else None


def phone_claim(phone: str, country_code: str, settings: SpaceSettings) -> Claim | None:
    """The claim on a phone number: its digits, and those of the country code if the space says so; None without any."""
    digits = _digits(phone)
    if not digits:
        return None
    # "+45" and "0045" are one country.
    country = (_digits(country_code).lstrip("0"),) if settings.phone_with_country_code else ()
    return Claim(ClaimKind.PHONE, (*country, digits))


_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def external_id_claim(external_id: ExternalId) -> Claim:
    """The claim on an id in another system; of ids that are GUIDs case says nothing, and each database has its own."""
    system, unique = external_id.system, external_id.id
    return Claim(ClaimKind.EXTERNAL_ID, (system, unique.lower() if _GUID.fullmatch(unique) else unique))


def _digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())
