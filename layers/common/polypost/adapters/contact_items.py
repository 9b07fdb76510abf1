"""A contact as an item of the Contacts table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polypost.adapters import keys
from polypost.models.contacts import Contact, ExternalId, Profile, Registration
from polypost.models.date_time_offset import DateTimeOffset

#: The attributes of contacts and suppressions that say that no mail goes to an address, and until when none does.
PERMANENTLY = "limitMailsPermanently"
UNTIL = "limitMailsTemporarilyUntil"


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A contact as it is stored.

    `guards` are those that it owns, `place` is where its last change stands in the feed and `first_place` where its
    creation stood, and `creation` tells what made it. `former_addresses` are HMACs of the addresses that it had before.
    """

    contact: Contact
    guards: tuple[str, ...]
    place: str
    creation: str
    first_place: str
    former_addresses: tuple[str, ...] = ()


def contact_item(space: str, row: ContactRow) -> dict[str, Any]:
    """The item of a contact."""
    contact, registration, profile = row.contact, row.contact.registration, row.contact.profile
    until = profile.limit_mails_temporarily_until
    return keys.contact(space, contact.id) | {
        "space": space,
        "contactId": contact.id,
        "secret": contact.secret,
        "registrationDateTime": str(registration.date_time),
        "registrationSource": registration.source,
        "registrationIp": registration.ip,
        "registrationStoreId": registration.store_id,
        "lastModified": str(contact.last_modified),
        "version": contact.version,
        "email": profile.email,
        "phoneCountryCode": profile.phone_country_code,
        "phone": profile.phone,
        "firstName": profile.first_name,
        "lastName": profile.last_name,
        "limitMailsPermanently": profile.limit_mails_permanently,
        "limitMailsTemporarilyUntil": str(until) if until else None,
        "preferredStoreId": profile.preferred_store_id,
        "contactCompanyId": profile.contact_company_id,
        "latestPermissionSource": profile.latest_permission_source,
        "externalIds": [{"system": each.system, "id": each.id} for each in profile.external_ids],
        "guards": list(row.guards),
        "place": row.place,
        "creation": row.creation,
        "firstPlace": row.first_place,
        "formerAddresses": list(row.former_addresses),
    }


def contact_row(item: Mapping[str, Any]) -> ContactRow:
    """The contact of an item."""
    contact = Contact(
        id=int(item["contactId"]),
        secret=item["secret"],
        registration=Registration(
            source=item["registrationSource"],
            date_time=DateTimeOffset.parse(item["registrationDateTime"]),
            ip=item["registrationIp"],
            store_id=_number(item, "registrationStoreId"),
        ),
        profile=Profile(
            email=item.get("email"),
            phone_country_code=item.get("phoneCountryCode"),
            phone=item.get("phone"),
            first_name=item.get("firstName"),
            last_name=item.get("lastName"),
            limit_mails_permanently=item["limitMailsPermanently"],
            limit_mails_temporarily_until=moment_of(item, "limitMailsTemporarilyUntil"),
            preferred_store_id=_number(item, "preferredStoreId"),
            contact_company_id=_number(item, "contactCompanyId"),
            latest_permission_source=item.get("latestPermissionSource"),
            external_ids=tuple(ExternalId(each["system"], each["id"]) for each in item["externalIds"]),
        ),
        last_modified=DateTimeOffset.parse(item["lastModified"]),
        version=bytes(item["version"]),
    )
    return ContactRow(
        contact=contact,
        guards=tuple(item["guards"]),
        place=item["place"],
        creation=item["creation"],
        first_place=item["firstPlace"],
        former_addresses=tuple(item["formerAddresses"]),
    )


def _number(item: Mapping[str, Any], name: str) -> int | None:
    return int(item[name]) if name in item else None


def moment_of(item: Mapping[str, Any], name: str) -> DateTimeOffset | None:
    """A moment with its offset, if the item has one by that name."""
    return DateTimeOffset.parse(item[name]) if name in item else None


def limits_of(profile: Profile) -> dict[str, Any]:
    """What keeps mail from a contact, as suppressions hold it; the moment in UTC."""
    limits: dict[str, Any] = {}
    if profile.limit_mails_permanently:
        limits[PERMANENTLY] = True
    if profile.limit_mails_temporarily_until is not None:
        limits[UNTIL] = keys.instant(profile.limit_mails_temporarily_until.to_utc())
    return limits
