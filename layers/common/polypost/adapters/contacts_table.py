"""Contacts with the guards of their uniqueness, in the Contacts table."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from polypost.adapters import keys
from polypost.adapters.clients import (
    TransactionRefused,
    translated_errors,
)
from polypost.adapters.contact_feed import END_OF_THE_FEED, Change, ContactFeed
from polypost.adapters.contact_items import UNTIL, ContactRow, contact_item, contact_row, limits_of, moment_of
from polypost.adapters.dynamodb import Table, batch_get, from_item, only_if, query_all, to_item, transact, update_of
from polypost.adapters.stores import Stores
from polypost.adapters.suppression_items import CONTACT, ERASED_AT, LEFT_SINCE, lift_of, limit_value, standing_of
from polypost.errors import Permanent
from polypost.models.contacts import (
    ChangePage,
    Claim,
    Contact,
    PermissionChange,
    Profile,
    SnapshotPage,
    Tombstone,
    email_claim,
    feed_position,
)
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.suppression import RECIPIENT, Lifting

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_Result = TypeVar("_Result")

# A contact remembers no more, so that its item stays small.
_MOST_FORMER_ADDRESSES = 20


class IdTaken(Permanent):
    """Another contact has the id."""


class ClaimHeld(Permanent):
    """Another contact has what this one claims."""

    def __init__(self, claim: Claim) -> None:
        super().__init__(f"Another contact holds the {claim.kind}")
        self.claim = claim


class Changed(Permanent):
    """The contact is no longer as it was read; `latest` is how it is, or None if it is gone."""

    def __init__(self, latest: "ContactRow | None") -> None:
        super().__init__("The contact has changed")
        self.latest = latest


def _never(standing: Mapping[str, Any]) -> Exception:
    return AssertionError("A write without a condition was refused by it")


@dataclass(frozen=True, slots=True)
class _Write:
    """One member of a transaction, and what to raise if its condition fails, by the item that stood there."""

    request: "TransactWriteItemTypeDef"
    refusal: Callable[[Mapping[str, Any]], Exception] = _never


class _CreatedEarlier(Exception):
    """An earlier try of the same creation went through; `row` is what it made."""

    def __init__(self, row: ContactRow) -> None:
        self.row = row


class ContactsTable:
    """Reads and writes contacts.

    A contact and its guards are written in one transaction, so that none stands without the other. A contact lists the
    guards that it owns, and only those move or go with it: a rule that changed strands none.

    By the same transaction each change enters the feed.

    Parameters: address_key, gives the stack's key for HMACs.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str, address_key: Callable[[], bytes]) -> None:
        self._table = Table(client, table_name)
        self._feed = ContactFeed(self._table)
        #: The stores that contacts refer to.
        self.stores = Stores(self._table)
        self._address_key = address_key

    # --- contacts -----------------------------------------------------------------------------------------------------

    def contact(self, space: str, contact_id: int) -> ContactRow | None:
        """A contact by its id, as it is now."""
        item = self._table.get(keys.contact(space, contact_id))
        return None if item is None else contact_row(item)

    def contacts(self, space: str, ids: Collection[int]) -> list[ContactRow]:
        """Those contacts that there are of some ids, as they are now, in no order."""
        items = batch_get(self._table.client, self._table.name, (keys.contact(space, contact_id) for contact_id in ids))
        return list(map(contact_row, items))

    def holder(self, space: str, claim: Claim) -> ContactRow | None:
        """The contact that has a claim, as it is now."""
        return self._owner(space, keys.guard(space, self._address_key(), claim))

    def holder_of_address(self, space: str, address_hash: str) -> ContactRow | None:
        """The contact that has an e-mail address, by the address's HMAC, as it is now."""
        return self._owner(space, keys.email_guard(space, address_hash))

    def _owner(self, space: str, key: keys.Key) -> ContactRow | None:
        guard = self._table.get(key)
        row = None if guard is None else self.contact(space, int(guard["contactId"]))
        # Between the two reads the claim may have gone to another contact.
        return row if row is not None and key["PK"] in row.guards else None

    def address_hashes(self, space: str, row: ContactRow) -> tuple[str, ...]:
        """HMACs of a contact's addresses; a former one that another contact has now is that one's."""
        email = email_claim(row.contact.profile.email or "")
        former = {keys.email_guard(space, each)["PK"]: each for each in row.former_addresses}
        guards = batch_get(self._table.client, self._table.name, map(keys.guard_of, former))
        taken = {guard["PK"] for guard in guards if int(guard["contactId"]) != row.contact.id}
        own = [address_hash for guard, address_hash in former.items() if guard not in taken]
        present = [] if email is None else [self._address_hash(email)]
        return tuple(dict.fromkeys((*present, *own)))

    def persons(self, space: str, row: ContactRow, address_hashes: Collection[str]) -> tuple[str, ...]:
        """The partitions of the log's index ByPerson in which a contact stands: by its addresses and external ids.

        Parameters: address_hashes, those of the contact.
        """
        addresses = (keys.person(space, address_hash) for address_hash in address_hashes)
        address_key = self._address_key()
        external_ids = (
            keys.person_of_external_id(space, address_key, each.system, each.id)
            for each in row.contact.profile.external_ids
        )
        return (*addresses, *external_ids)

    def create(
        self, space: str, contact: Contact, claims: Collection[Claim], *, creation: str, changed_by: str
    ) -> ContactRow:
        """Store a new contact with its guards.

        An earlier try of the same creation, whose answer was lost, is found and returned.

        Parameters: contact, whose `last_modified` and `version` the store sets; creation, what tells this creation
        from every other; changed_by, a keyid.

        Raises: IdTaken; ClaimHeld; Retryable.
        """
        guards = self._guards(space, claims)

        def refusal(standing: Mapping[str, Any]) -> Exception:
            row = contact_row(standing)
            return _CreatedEarlier(row) if row.creation == creation else IdTaken(f"The id {contact.id} is taken")

        def writes(change: Change) -> tuple[ContactRow, list[_Write]]:
            row = ContactRow(_stamped(contact, change), tuple(guards), change.place, creation, change.place)
            members = [_Write(self._table.put(contact_item(space, row), "attribute_not_exists(PK)"), refusal)]
            members += [self._put_guard(row.contact, guard, claim) for guard, claim in guards.items()]
            members += self._limit(space, row.contact, Profile(), changed_by)
            if contact.profile.permission != Profile().permission:
                members.append(self._put_permission_change(space, contact.id, _permission_of(row.contact, changed_by)))
            return row, members

        try:
            return self._commit(space, contact.id, None, writes)
        except _CreatedEarlier as earlier:
            return earlier.row

    def update(
        self, space: str, old: ContactRow, profile: Profile, claims: Collection[Claim], *, changed_by: str
    ) -> ContactRow:
        """Give a contact another profile, if it still is as it was read.

        Raises: Changed; ClaimHeld; Retryable.
        """
        guards = self._guards(space, claims)

        def writes(change: Change) -> tuple[ContactRow, list[_Write]]:
            contact = _stamped(replace(old.contact, profile=profile), change)
            row = ContactRow(
                contact,
                tuple(guards),
                change.place,
                old.creation,
                old.first_place,
                self._former_addresses(old, profile),
            )
            put = self._table.put(contact_item(space, row), "version = :version", {":version": old.contact.version})
            members = [_Write(put, _changed)]
            new = ((guard, claim) for guard, claim in guards.items() if guard not in old.guards)
            members += [self._put_guard(contact, guard, claim) for guard, claim in new]
            members += [self._delete_guard(guard, contact.id) for guard in old.guards if guard not in guards]
            members += self._limit(space, contact, old.contact.profile, changed_by)
            if profile.permission != old.contact.profile.permission:
                members.append(self._put_permission_change(space, contact.id, _permission_of(contact, changed_by)))
            return row, [*members, _Write(self._feed.removal(space, old.place))]

        return self._commit(space, old.contact.id, old.contact.last_modified, writes)

    def delete(self, space: str, old: ContactRow, address_hashes: Collection[str]) -> None:
        """Delete a contact with its guards, if it still is as it was read; its permission history stays.

        By the same transaction, a limit that the contact had set stays as a suppression of its address, and the address
        is marked as erased.

        Parameters: address_hashes, those of the contact.

        Raises: Changed; Retryable.
        """
        contact = old.contact

        def writes(change: Change) -> tuple[None, list[_Write]]:
            condition = only_if("version = :version", {":version": contact.version})
            members = [_Write({"Delete": self._table.key(keys.contact(space, contact.id)) | condition}, _changed)]
            members += [self._delete_guard(guard, contact.id) for guard in old.guards]
            members += self._leave_standing(space, contact.profile, address_hashes, change.moment)
            return None, [*members, _Write(self._feed.removal(space, old.place))]

        self._commit(space, contact.id, contact.last_modified, writes, deleted=True)

    def permission_history(self, space: str, contact_id: int) -> list[PermissionChange]:
        """What a contact allowed, oldest first."""
        return [
            PermissionChange(
                changed_at=DateTimeOffset.parse(item["changedAt"]),
                limit_mails_permanently=item["limitMailsPermanently"],
                limit_mails_temporarily_until=moment_of(item, "limitMailsTemporarilyUntil"),
                source=item.get("source"),
                changed_by=item["changedBy"],
                unsubscribed=item.get("unsubscribed"),
            )
            for item in self._permission_items(space, contact_id)
        ]

    def unsubscribe_entry(
        self, space: str, row: ContactRow, changed_at: DateTimeOffset, *, unsubscribed: bool, source: str
    ) -> "list[TransactWriteItemTypeDef]":
        """The members of a transaction that add to a contact's permission history that its owner unsubscribed.

        They are refused if the contact is no longer as it was read.

        Parameters: unsubscribed, False where that is taken back; source, the link that was used.
        """
        contact = row.contact
        limits = _permission_of(contact, RECIPIENT)
        change = replace(limits, changed_at=changed_at, source=source, unsubscribed=unsubscribed)
        as_read = only_if("version = :version", {":version": contact.version})
        return [
            {"ConditionCheck": self._table.key(keys.contact(space, contact.id)) | as_read},
            self._put_permission_change(space, contact.id, change).request,
        ]

    def delete_permission_history(self, space: str, contact_id: int) -> None:
        """Delete what a contact allowed, of which there may be more than one transaction takes."""
        for item in self._permission_items(space, contact_id):
            with translated_errors("dynamodb.DeleteItem"):
                self._table.client.delete_item(**self._table.key(item))

    # --- the feed of changes ------------------------------------------------------------------------------------------

    def changes(
        self,
        space: str,
        position: str,
        limit: int,
        *,
        end: DateTimeOffset,
        now: DateTimeOffset,
    ) -> ChangePage:
        """Contacts in the order of their last change, deleted ones as tombstones.

        Parameters: position, that of the page before, or `feed_position` of a moment, or "" for the beginning;
        limit, how many entries at most; end, the moment before which the page ends.

        Raises: Retryable.
        """
        entries, position, has_more = self._feed.settled(space, position, limit, end=end, now=now)
        return ChangePage(tuple(self._changes_of(space, entries)), position, has_more)

    def snapshot(self, space: str, position: str, limit: int) -> SnapshotPage:
        """A part of all contacts, up to those that were changed last.

        Whoever reads all parts has every contact that was there all along, and no wait for changes that are not made
        yet. One that is changed meanwhile comes as it is when it is read, and once more further on: its place in the
        feed only ever moves on, and where it goes was announced before. Hence contacts are found by their ids here,
        those of announcements too, wherever their places are by now.

        Parameters: position, that of the part before, or "" for the beginning; limit, how many entries of the feed at
        most.

        Raises: Retryable.
        """
        items, has_more = self._feed.entries(space, position, END_OF_THE_FEED, limit)
        ids = {int(item["contactId"]) for item in items}
        found = tuple(row.contact for row in self.contacts(space, ids))
        gone = ids - {contact.id for contact in found}
        return SnapshotPage(found, frozenset(gone), items[-1]["SK"] if items else position, has_more)

    def _changes_of(self, space: str, entries: Iterable[Mapping[str, Any]]) -> Iterator[Contact | Tombstone]:
        entries = list(entries)
        ids = {int(entry["contactId"]) for entry in entries if "deleted" not in entry}
        rows = {row.place: row for row in self.contacts(space, ids)}
        for entry in entries:
            if "deleted" in entry:
                yield Tombstone(int(entry["contactId"]), DateTimeOffset.parse(entry["deleted"]))
            elif entry["SK"] in rows:
                yield rows[entry["SK"]].contact
            # Any other contact has changed again since, and comes later in the feed.

    # --- writing ------------------------------------------------------------------------------------------------------

    def _commit(
        self,
        space: str,
        contact_id: int,
        after: DateTimeOffset | None,
        writes: Callable[[Change], tuple[_Result, list[_Write]]],
        *,
        deleted: bool = False,
    ) -> _Result:
        """Make a change, and its entry in the feed, in one transaction.

        Parameters: after, the moment of the contact's last change; writes, gives for a change what to return and the
        members of the transaction.

        Raises: what the members say of their refusal; Retryable.
        """
        change = self._feed.announce(space, contact_id, after)
        while True:
            result, members = writes(change)
            entry = self._feed.entry(space, change, deleted=deleted)
            try:
                transact(self._table.client, [entry, *(member.request for member in members)])
            except TransactionRefused as refusal:
                of_the_entry, *of_the_members = refusal.reasons
                if of_the_entry.failed and of_the_entry.item:
                    # The entry stands, so an answer was lost, and the client's retry met its own first write.
                    return result
                for member, reason in zip(members, of_the_members, strict=True):
                    if reason.failed:
                        self._feed.try_to_withdraw(keys.change(space, change.place))
                        raise member.refusal(from_item(reason.item)) from refusal
                # A reader closed the announcement: it took this change for given up.
                change = self._feed.announce(space, contact_id, after)
            else:
                return result

    def _former_addresses(self, old: ContactRow, profile: Profile) -> tuple[str, ...]:
        former, present = (email_claim(each.email or "") for each in (old.contact.profile, profile))
        if former is None or former == present:
            return old.former_addresses
        known = dict.fromkeys((*old.former_addresses, self._address_hash(former)))
        return tuple(known)[-_MOST_FORMER_ADDRESSES:]

    def _address_hash(self, email: Claim) -> str:
        return keys.address_hash(self._address_key(), email.parts[0])

    def _guards(self, space: str, claims: Iterable[Claim]) -> dict[str, Claim]:
        """The claims by their guards, each by the partition that it is alone in."""
        address_key = self._address_key() if claims else b""
        return {keys.guard(space, address_key, claim)["PK"]: claim for claim in claims}

    def _put_guard(self, contact: Contact, guard: str, claim: Claim) -> _Write:
        item = keys.guard_of(guard) | {"contactId": contact.id}
        free = "attribute_not_exists(PK) OR contactId = :id"
        return _Write(self._table.put(item, free, {":id": contact.id}), lambda standing: ClaimHeld(claim))

    def _delete_guard(self, guard: str, contact_id: int) -> _Write:
        own = only_if("attribute_not_exists(PK) OR contactId = :id", {":id": contact_id})
        return _Write({"Delete": self._table.key(keys.guard_of(guard)) | own})

    def _put_permission_change(self, space: str, contact_id: int, change: PermissionChange) -> _Write:
        until = change.limit_mails_temporarily_until
        # Whatever is changed in the contact at the same moment has an entry of its own.
        place = feed_position(change.changed_at) + ("" if change.unsubscribed is None else "#UNSUBSCRIBE")
        item = keys.permission_change(space, contact_id, place) | {
            "changedAt": str(change.changed_at),
            "limitMailsPermanently": change.limit_mails_permanently,
            "limitMailsTemporarilyUntil": str(until) if until else None,
            "source": change.source,
            "changedBy": change.changed_by,
            "unsubscribed": change.unsubscribed,
        }
        return _Write({"Put": {"TableName": self._table.name, "Item": to_item(item)}})

    def _permission_items(self, space: str, contact_id: int) -> list[dict[str, Any]]:
        key = keys.permission_change(space, contact_id, "")
        return query_all(
            self._table.client,
            self._table.name,
            KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
            ExpressionAttributeValues=to_item({":pk": key["PK"], ":sk": key["SK"]}),
            ConsistentRead=True,
        )

    def _limit(self, space: str, contact: Contact, former: Profile, changed_by: str) -> Iterator[_Write]:
        """Let the suppressions of a contact's address, and of the one that it had before, say what it says of limits.

        A limit that it expressly does without is lifted, where an earlier contact with the address has left one.

        Parameters: former, what the contact was until now.
        """
        profile = contact.profile
        present, before = (self._suppression(space, each.email) for each in (profile, former))
        moved = present != before
        if before is not None and moved and limits_of(former):
            yield self._update(before, update_of({}, [CONTACT]))
        if present is None:
            return
        new, removed = self._lift(present, contact, changed_by) if profile.unlimited else ({}, [])
        if limits_of(profile) and (moved or limits_of(profile) != limits_of(former)):
            new[CONTACT] = limit_value(contact)
        elif limits_of(former) and not limits_of(profile) and not moved:
            removed.append(CONTACT)
        if new or removed:
            yield self._update(present, update_of(new, removed))

    def _lift(self, key: keys.Key, contact: Contact, changed_by: str) -> tuple[dict[str, Any], list[str]]:
        # Read and not checked: whoever was told that the earlier contact is deleted has its limit read here.
        standing, now = standing_of(self._table.get(key) or {}), contact.last_modified.to_utc()
        left = frozenset(cause.reason for cause in standing.causes(now) if cause.contact_id is None)
        reasons = left & contact.profile.unlimited
        lifting = Lifting(reasons, now, changed_by, f"The contact {contact.id} is set to no such limit.")
        return lift_of(standing, lifting) if reasons else ({}, [])

    def _leave_standing(
        self, space: str, profile: Profile, address_hashes: Iterable[str], now: DateTimeOffset
    ) -> Iterator[_Write]:
        """Mark a contact's addresses as erased, and keep its limits for the present one."""
        present = self._suppression(space, profile.email)
        for address_hash in address_hashes:
            key = keys.suppression(space, address_hash)
            left = {ERASED_AT: keys.instant(now.to_utc())}
            if key == present:
                yield self._update(key, update_of(left | self._lasting_limits(key, profile, now), [CONTACT]))
            else:
                yield self._update(key, update_of(left))

    def _lasting_limits(self, key: keys.Key, profile: Profile, now: DateTimeOffset) -> dict[str, Any]:
        limits, moment = limits_of(profile), keys.instant(now.to_utc())
        if limits.get(UNTIL, "~") <= moment:
            del limits[UNTIL]
        if not limits:
            return {}
        # What an earlier contact of the address has left may last longer.
        item = self._table.get(key) or {}
        since = min(item.get(LEFT_SINCE, "~"), item.get(CONTACT, {}).get("since", moment))
        until = {UNTIL: max(limits[UNTIL], item.get(UNTIL, ""))} if UNTIL in limits else {}
        return limits | until | {LEFT_SINCE: since}

    def _suppression(self, space: str, address: str | None) -> keys.Key | None:
        """The key of what keeps mail from an address, if it is one."""
        email = email_claim(address or "")
        return None if email is None else keys.suppression(space, self._address_hash(email))

    def _update(self, key: keys.Key, update: Any) -> _Write:
        return _Write({"Update": self._table.key(key) | update})


def _stamped(contact: Contact, change: Change) -> Contact:
    # Ticks of 100 nanoseconds since the year 1 grow with each change of a contact, and fill 8 bytes.
    return replace(contact, last_modified=change.moment, version=change.moment.ticks.to_bytes(8))


def _permission_of(contact: Contact, changed_by: str) -> PermissionChange:
    """What a contact allows since its last change."""
    return PermissionChange(contact.last_modified, *contact.profile.permission, changed_by)


def _changed(standing: Mapping[str, Any]) -> Changed:
    return Changed(contact_row(standing) if standing else None)
