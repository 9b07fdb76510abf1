"""Spaces, and who may do what in them."""

import re
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from polypost.models.mail import Mailbox

#: A space is the first label of a host, so its id is a DNS label (RFC 1123).
SPACE_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Scope(StrEnum):
    """What a credential may be allowed to do."""

    MAIL_SEND = "mail:send"
    EVENTS_READ = "events:read"
    DOMAINS_READ = "domains:read"
    CONTACTS_READ = "contacts:read"
    CONTACTS_WRITE = "contacts:write"
    INTERACTIONS_WRITE = "interactions:write"
    LOGS_WRITE = "logs:write"
    SUPPRESSIONS_READ = "suppressions:read"
    SUPPRESSIONS_WRITE = "suppressions:write"


class Shop(BaseModel):
    """Where a shop is on the web, for links in mails.

    `channel` is the sales channel that it serves, or "" for every channel that has no shop of its own; `url` is https
    and ends with a slash.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    channel: str = ""
    url: str


class SpaceSettings(BaseModel):
    """What an operator sets for a space.

    `unique_names`: no two contacts have the same first and last name. `phone_with_country_code`: two contacts may share
    a Phone if their PhoneCountryCodes differ. `visitor_details`: of who follows a link, IP address and browser are
    recorded, and not the time alone. `soft_bounce_limit`: after so many soft bounces an address gets no more mail, 0
    for never. `list_unsubscribe_post`: mails with an https URI in List-Unsubscribe say that a POST to it unsubscribes
    (RFC 8058). `sender`: whom the mails are from that the space itself writes. `shops`: what the links in them lead to,
    at most one for each channel. `unsubscribe_link`: a mail whose caller gave no List-Unsubscribe gets our own, unless
    its source system is one of `transactional`.
    """

    # What a newer release stored is no error to an older one.
    model_config = ConfigDict(frozen=True, extra="ignore")

    unique_names: bool = True
    phone_with_country_code: bool = False
    visitor_details: bool = False
    soft_bounce_limit: int = 5
    list_unsubscribe_post: bool = False
    sender: Mailbox | None = None
    shops: tuple[Shop, ...] = ()
    unsubscribe_link: bool = False
    transactional: tuple[str, ...] = ()

    def shop_url(self, channel: str) -> str | None:
        """The address of a channel's shop, if it has one."""
        urls = {shop.channel: shop.url for shop in self.shops}
        return urls.get(channel) or urls.get("")

    def adds_unsubscribe_link(self, source_system: str | None) -> bool:
        """Whether a mail of a source system gets our own List-Unsubscribe if its caller gave none."""
        return self.unsubscribe_link and source_system not in self.transactional


class Space(BaseModel):
    """A tenant: its contacts, mail and credentials are its own."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(pattern=f"^{SPACE_ID.pattern}$")
    created_at: datetime
    description: str = ""
    settings: SpaceSettings = SpaceSettings()


class SenderDomain(BaseModel):
    """A domain that a space may send from once SES has verified it; `domain` is in lower case and punycode."""

    model_config = ConfigDict(frozen=True)

    domain: str
    verified: bool


class Credential(BaseModel):
    """One key of one space; the secret itself is stored nowhere.

    `secret_sha256` is a hexadecimal digest; `expires_at`, if set, is the first moment at which the key is invalid.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    keyid: str
    space: str
    created_at: datetime
    secret_sha256: str
    scopes: frozenset[str]
    expires_at: datetime | None = None
    label: str = ""
