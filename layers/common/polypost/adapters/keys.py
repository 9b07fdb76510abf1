"""Every key of every table and index.

Parts that come from outside are percent-encoded, so that no value can reach into another's partition. Addresses are
HMACs with the stack's key: neither a table's keys nor an index's say whose mail it was.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from urllib.parse import quote

from polypost.models.addresses import normalised
from polypost.models.caseless import folded
from polypost.models.contacts import Claim, ClaimKind, ExternalId, external_id_claim, feed_position
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.delivery import EventList

Key = dict[str, str]


def _join(*parts: str) -> str:
    return "#".join(quote(part, safe="") for part in parts)


# --- Access -----------------------------------------------------------------------------------------------------------

ADDRESS_KEY: Key = {"PK": "STACK", "SK": "ADDRESS-KEY"}

#: The partition of the Directory index that lists all spaces.
SPACES = "SPACES"


def space(space_id: str) -> Key:
    """A space's own item."""
    return {"PK": _join("SPACE", space_id), "SK": "SPACE"}


def sender_domain(space_id: str, domain: str) -> Key:
    """A sender domain of a space; the prefix that lists them all is `sender_domain(space, "")`."""
    return {"PK": _join("SPACE", space_id), "SK": _join("DOMAIN", domain)}


def template(space_id: str, name: str) -> Key:
    """A template of a space; the prefix that lists them all is `template(space, "")`."""
    return {"PK": _join("SPACE", space_id), "SK": _join("TEMPLATE", name)}


def credential(keyid: str) -> Key:
    """A credential, found by its public half."""
    return {"PK": _join("KEY", keyid), "SK": "KEY"}


def credentials_of(space_id: str) -> str:
    """The partition of the Directory index that lists a space's credentials."""
    return _join("KEYS", space_id)


def campaign(space_id: str, campaign_key: str) -> Key:
    """A campaign of a space; the prefix that lists them all is `campaign(space, "")`."""
    return {"PK": _join("SPACE", space_id), "SK": _join("CAMPAIGN", campaign_key)}


def campaign_key(address_key: bytes, space_id: str, name: str) -> str:
    """What clients know a campaign by: 22 characters that follow from its name, however that is spelled."""
    return _fingerprint(address_key, _join("CAMPAIGN", space_id, folded(name)))


# --- Contacts ---------------------------------------------------------------------------------------------------------


def contact(space_id: str, contact_id: int) -> Key:
    """A contact's own item; its permission history shares the partition."""
    return {"PK": _join("CONTACT", space_id, str(contact_id)), "SK": "CONTACT"}


def permission_change(space_id: str, contact_id: int, change: str) -> Key:
    """One entry of a contact's permission history; the prefix that finds them all is of the change ""."""
    return {"PK": contact(space_id, contact_id)["PK"], "SK": f"PERMISSION#{change}"}


def guard(space_id: str, address_key: bytes, claim: Claim) -> Key:
    """The item that keeps a claim for one contact. What is claimed is a person's own, so the key has its HMAC."""
    if claim.kind is ClaimKind.EMAIL:
        return email_guard(space_id, address_hash(address_key, *claim.parts))
    digest = _fingerprint(address_key, _join(claim.kind, *claim.parts))
    return guard_of(_join("GUARD", space_id, claim.kind, digest))


def email_guard(space_id: str, recipient_hash: str) -> Key:
    """The guard of an e-mail address, by the address's HMAC."""
    return guard_of(_join("GUARD", space_id, ClaimKind.EMAIL, recipient_hash))


def guard_of(partition: str) -> Key:
    """The guard that is alone in a partition."""
    return {"PK": partition, "SK": "GUARD"}


def suppression(space_id: str, recipient_hash: str) -> Key:
    """What keeps mail from an address; all of a space's share the partition, in the order of the addresses' HMACs."""
    return {"PK": _join("SUPPRESSIONS", space_id), "SK": recipient_hash}


def store(space_id: str, store_id: int) -> Key:
    """A store; all of a space's share the partition, in the order of their ids."""
    return {"PK": _join("STORES", space_id), "SK": f"STORE#{store_id:010}"}


def change(space_id: str, place: str) -> Key:
    """One entry of the feed of changes; all of a space's share the partition, in the order of their places."""
    return {"PK": _join("CHANGES", space_id), "SK": place}


def change_place(moment: DateTimeOffset, contact_id: int, unique: str) -> str:
    """A change's place in the feed: its moment, and what tells apart two changes at once."""
    return f"{feed_position(moment)}#{contact_id}#{unique}"


# --- Logs -------------------------------------------------------------------------------------------------------------


def message(message_id: str) -> Key:
    """A message's own item; its events share the partition."""
    return {"PK": _join("MESSAGE", message_id), "SK": "MESSAGE"}


def copy(message_id: str) -> Key:
    """The item of a message's Bcc: its part of the message, which is found by its address."""
    return {"PK": message(message_id)["PK"], "SK": "BCC"}


def failures(message_id: str) -> Key:
    """How often the worker failed at a message in a way that no rule foresees."""
    return {"PK": message(message_id)["PK"], "SK": "FAILURES"}


#: The times at which the account may send, which all workers share.
SEND_TIMES: Key = {"PK": "STACK", "SK": "SEND-TIMES"}


def event(space_id: str, message_id: str, kind: str, recipient_hash: str, fact_id: str) -> Key:
    """One event: a space, a message, SES's kind, a recipient, and SES's feedback id or else the event's time."""
    return {"PK": _join("MESSAGE", message_id), "SK": _join("EVENT", space_id, kind, recipient_hash, fact_id)}


def events_of_kind(space_id: str, message_id: str, kind: str) -> Key:
    """The partition and the sort key prefix of all events of one kind of a message."""
    return {"PK": _join("MESSAGE", message_id), "SK": _join("EVENT", space_id, kind, "")}


def events(space_id: str, message_id: str) -> Key:
    """The partition and the sort key prefix of all events of a message."""
    return {"PK": _join("MESSAGE", message_id), "SK": _join("EVENT", space_id, "")}


def is_event_of(key: Key, recipient_hash: str) -> bool:
    """Whether an event is about a recipient; its key tells so even when the address was erased."""
    return key["SK"].split("#")[3] == recipient_hash


def event_list(
    space_id: str, event_list: EventList, source_system: str | None, campaign_id: str | None
) -> dict[str, str]:
    """The index partitions in which an event of a list stands, by attribute: all, its source, its campaign, both."""
    partitions = {"eventList": _join(space_id, event_list)}
    if source_system is not None:
        partitions["sourceEventList"] = _join(space_id, event_list, source_system)
    if campaign_id is not None:
        partitions["campaignEventList"] = _join(space_id, event_list, campaign_id)
    if source_system is not None and campaign_id is not None:
        partitions["sourceCampaignEventList"] = _join(space_id, event_list, source_system, campaign_id)
    return partitions


#: The index of each partition attribute of `event_list`, the most selective last.
EVENT_INDEXES = {
    "eventList": "EventsByTime",
    "sourceEventList": "EventsBySource",
    "campaignEventList": "EventsByCampaign",
    "sourceCampaignEventList": "EventsBySourceAndCampaign",
}


def instant(moment: datetime) -> str:
    """A moment as the tables hold it: UTC, milliseconds, of a fixed width, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event_order(occurred_at: datetime, message_id: str, recipient_hash: str) -> str:
    """An event's place in its lists: its time, then what makes the order of one millisecond stable."""
    return "#".join((instant(occurred_at), message_id, recipient_hash))


def event_order_bounds(start: datetime | None, end: datetime | None) -> tuple[str, str]:
    """The first and the last place of a list between two seconds, both of them included whole."""
    first = instant(start.replace(microsecond=0)) if start else "0"
    # "~" sorts after every character that a place can hold.
    last = f"{instant(end.replace(microsecond=999_000))}~" if end else "~"
    return first, last


def interaction(token: str) -> Key:
    """An interaction's own item, found by the token of its link; the visits of the link share the partition."""
    return {"PK": _join("INTERACTION", token), "SK": "INTERACTION"}


def interaction_token(address_key: bytes, space_id: str, account_id: str, identity: str) -> str:
    """The token of the one interaction that an account has of an identity: 128 bits, which only the stack can tell."""
    return _fingerprint(address_key, _join("INTERACTION", space_id, account_id, identity))


def visit(token: str, visited_at: datetime, unique: str) -> Key:
    """One visit of an interaction's link: its time, and what tells apart two visits at once."""
    return {"PK": interaction(token)["PK"], "SK": _join("VISIT", instant(visited_at), unique)}


def address_hash(address_key: bytes, address: str) -> str:
    """128 bits of HMAC-SHA-256 over an address's normalised form, base64url."""
    return _fingerprint(address_key, normalised(address))


def _fingerprint(key: bytes, text: str) -> str:
    digest = hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")
    return urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def person(space_id: str, recipient_hash: str) -> str:
    """The index partition of everything that a space recorded of one address."""
    return _join(space_id, "ADDRESS", recipient_hash)


def person_of_external_id(space_id: str, address_key: bytes, system: str, external_id: str) -> str:
    """The index partition of everything that a space recorded of whoever has an id in another system."""
    claim = external_id_claim(ExternalId(system, external_id))
    return _join(space_id, "EXTERNAL-ID", _fingerprint(address_key, _join(claim.kind, *claim.parts)))


def log_entry_id(space_id: str, address_key: bytes, *members: str | None) -> str:
    """What a log entry is known by: 128 bits of HMAC-SHA-256 over its space and all its members, in hexadecimal."""
    # As JSON, so that no two lists of members run together into one.
    content = json.dumps([space_id, *members], ensure_ascii=False)
    return hmac.digest(address_key, content.encode(), "sha256")[:16].hex()


def log_entry(entry_id: str) -> Key:
    """A log entry's own item; its body is in the same partition."""
    return {"PK": _join("LOGENTRY", entry_id), "SK": "ENTRY"}


def log_entry_body(entry_id: str, part: int) -> Key:
    """One part of a log entry's body, counted from 0."""
    return {"PK": _join("LOGENTRY", entry_id), "SK": f"BODY#{part:03}"}


# --- Idempotency ------------------------------------------------------------------------------------------------------

#: What the keys of responses begin with. Powertools adds a SHA-256 of `response`: a client's own key may say anything.
RESPONSES = "RESPONSE"


def response(space_id: str, endpoint: str, client_key: str) -> str:
    """What a stored response is known by: a client's key, at one endpoint of one space."""
    return _join(space_id, endpoint, client_key)


def attempt(space_id: str, endpoint: str, client_key: str, digest: str) -> Key:
    """An attempt at one request. Another body under the same key is another attempt, so that it never has its ids."""
    known_by = _join(space_id, endpoint, client_key, digest)
    return {"PK": _join("ATTEMPT", hashlib.sha256(known_by.encode()).hexdigest())}
