"""The Contacts table: contacts, the guards of their uniqueness, the feed of their changes, stores, suppressions."""

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from polypost.adapters import keys
from polypost.adapters.clients import (
    ConditionFailed,
    TransactionConflict,
    TransactionRefused,
    translated_errors,
)
from polypost.adapters.dynamodb import batch_get, from_item, query_all, to_item, transact
from polypost.errors import Permanent, Retryable
from polypost.models.contacts import (
    ChangePage,
    Claim,
    ClaimKind,
    Contact,
    ExternalId,
    PermissionChange,
    Profile,
    Registration,
    SnapshotPage,
    Store,
    Tombstone,
    email_claim,
    feed_position,
)
from polypost.models.date_time_offset import DateTimeOffset

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_Result = TypeVar("_Result")

_UNTIL = "limitMailsTemporarilyUntil"

_TICKS_PER_SECOND = 10_000_000

#: A change whose announcement took longer than this to reach the feed is announced anew, with a later time-stamp. The
#: feed ends further before now than this (`usecases.list_changes`), so that nothing ever appears behind a reader; what
#: is between the two is room for clocks that differ.
LONGEST_ANNOUNCEMENT_SECONDS = 5.0

#: A change that was announced this long ago was given up by its function, which has ended since: its Timeout in
#: template.yaml is shorter. A reader then closes it, so that it cannot come true behind the reader's back.
GIVEN_UP_SECONDS = 60

#: How long the feed tells of a deleted contact.
TOMBSTONE_LIFE = timedelta(days=30)

# Where nobody reads the feed, DynamoDB's TTL takes away what was announced and given up.
_ANNOUNCEMENT_LIFE = timedelta(days=1)

# A contact remembers no more, so that its item stays small.
_MOST_FORMER_ADDRESSES = 20

# How long a change is announced anew, within the time that a client would wait.
_PATIENCE_SECONDS = 10.0

# Behind all that a clock can say.
_END_OF_THE_FEED = DateTimeOffset.parse("9999-12-31")


class IdTaken(Permanent):
    """Another contact, or another store, has the id."""


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


@dataclass(frozen=True, slots=True)
class _Change:
    """A change that was announced to the feed, and that is not made yet."""

    place: str
    moment: DateTimeOffset


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

    The feed learns of each change twice. Its place is announced by a write of its own, and the transaction turns the
    announcement into an entry. So a reader sees what is on its way, however long that takes, and does not pass it by.

    Parameters: address_key, gives the stack's key for HMACs.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str, address_key: Callable[[], bytes]) -> None:
        self._client = client
        self._table = table_name
        self._address_key = address_key

    # --- contacts -----------------------------------------------------------------------------------------------------

    def contact(self, space: str, contact_id: int) -> ContactRow | None:
        """A contact by its id, as it is now."""
        item = self._get(keys.contact(space, contact_id))
        return None if item is None else _contact_row(item)

    def contacts(self, space: str, ids: Collection[int]) -> list[ContactRow]:
        """Those contacts that there are of some ids, as they are now, in no order."""
        items = batch_get(self._client, self._table, (keys.contact(space, contact_id) for contact_id in ids))
        return list(map(_contact_row, items))

    def holder(self, space: str, claim: Claim) -> ContactRow | None:
        """The contact that has a claim, as it is now."""
        key = keys.guard(space, self._address_key(), claim)
        guard = self._get(key)
        row = None if guard is None else self.contact(space, int(guard["contactId"]))
        # Between the two reads the claim may have gone to another contact.
        return row if row is not None and key["PK"] in row.guards else None

    def address_hashes(self, space: str, row: ContactRow) -> tuple[str, ...]:
        """HMACs of a contact's addresses; a former one that another contact has now is that one's."""
        email = email_claim(row.contact.profile.email or "")
        former = {keys.email_guard(space, each)["PK"]: each for each in row.former_addresses}
        guards = batch_get(self._client, self._table, map(keys.guard_of, former))
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
            row = _contact_row(standing)
            return _CreatedEarlier(row) if row.creation == creation else IdTaken(f"The id {contact.id} is taken")

        def writes(change: _Change) -> tuple[ContactRow, list[_Write]]:
            row = ContactRow(_stamped(contact, change), tuple(guards), change.place, creation, change.place)
            members = [_Write(self._put(_contact_item(space, row), "attribute_not_exists(PK)"), refusal)]
            members += [self._put_guard(row.contact, guard, claim) for guard, claim in guards.items()]
            if contact.profile.permission != Profile().permission:
                members.append(self._put_permission_change(space, row.contact, changed_by))
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

        def writes(change: _Change) -> tuple[ContactRow, list[_Write]]:
            contact = _stamped(replace(old.contact, profile=profile), change)
            row = ContactRow(
                contact,
                tuple(guards),
                change.place,
                old.creation,
                old.first_place,
                self._former_addresses(old, profile),
            )
            put = self._put(_contact_item(space, row), "version = :version", {":version": old.contact.version})
            members = [_Write(put, _changed)]
            for guard, claim in guards.items():
                # A guard that stays is written anew only where it tells something else.
                stays = guard in old.guards and _limits(profile) == _limits(old.contact.profile)
                if not stays and (guard not in old.guards or claim.kind is ClaimKind.EMAIL):
                    members.append(self._put_guard(contact, guard, claim))
            members += [self._delete_guard(guard, contact.id) for guard in old.guards if guard not in guards]
            if profile.permission != old.contact.profile.permission:
                members.append(self._put_permission_change(space, contact, changed_by))
            return row, [*members, self._delete_place(space, old.place)]

        return self._commit(space, old.contact.id, old.contact.last_modified, writes)

    def delete(self, space: str, old: ContactRow, address_hashes: Collection[str]) -> None:
        """Delete a contact with its guards, if it still is as it was read; its permission history stays.

        By the same transaction, a limit that the contact had set stays as a suppression of its address, and the address
        is marked as erased.

        Parameters: address_hashes, those of the contact.

        Raises: Changed; Retryable.
        """
        contact = old.contact

        def writes(change: _Change) -> tuple[None, list[_Write]]:
            condition = self._if("version = :version", {":version": contact.version})
            members = [_Write({"Delete": self._key(keys.contact(space, contact.id)) | condition}, _changed)]
            members += [self._delete_guard(guard, contact.id) for guard in old.guards]
            members += self._leave_standing(space, contact.profile, address_hashes, change.moment)
            return None, [*members, self._delete_place(space, old.place)]

        self._commit(space, contact.id, contact.last_modified, writes, deleted=True)

    def permission_history(self, space: str, contact_id: int) -> list[PermissionChange]:
        """What a contact allowed, oldest first."""
        return [
            PermissionChange(
                changed_at=DateTimeOffset.parse(item["changedAt"]),
                limit_mails_permanently=item["limitMailsPermanently"],
                limit_mails_temporarily_until=_moment(item, "limitMailsTemporarilyUntil"),
                source=item.get("source"),
                changed_by=item["changedBy"],
            )
            for item in self._permission_items(space, contact_id)
        ]

    def delete_permission_history(self, space: str, contact_id: int) -> None:
        """Delete what a contact allowed, of which there may be more than one transaction takes."""
        for item in self._permission_items(space, contact_id):
            with translated_errors("dynamodb.DeleteItem"):
                self._client.delete_item(**self._key(item))

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
        entries: list[dict[str, Any]] = []
        has_more = True
        while has_more and len(entries) < limit:
            items, has_more = self._feed(space, position, end, limit - len(entries))
            for item in items:
                if "announced" in item and not self._close(item, now):
                    has_more = False
                    break
                position = item["SK"]
                if "announced" not in item:
                    entries.append(item)
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
        items, has_more = self._feed(space, position, _END_OF_THE_FEED, limit)
        ids = {int(item["contactId"]) for item in items}
        found = tuple(row.contact for row in self.contacts(space, ids))
        gone = ids - {contact.id for contact in found}
        return SnapshotPage(found, frozenset(gone), items[-1]["SK"] if items else position, has_more)

    def _feed(self, space: str, position: str, end: DateTimeOffset, limit: int) -> tuple[list[dict[str, Any]], bool]:
        # "!" sorts before "#": all that stands after the entry at a position, and all that is of a moment.
        first, last = f"{position}!", feed_position(end)
        if first > last:
            # DynamoDB refuses a range that ends before it begins.
            return [], False
        with translated_errors("dynamodb.Query"):
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="PK = :pk AND SK BETWEEN :first AND :last",
                ExpressionAttributeValues=to_item(
                    {":pk": keys.change(space, "")["PK"], ":first": first, ":last": last}
                ),
                ConsistentRead=True,
                Limit=limit,
            )
        return [from_item(item) for item in answer["Items"]], "LastEvaluatedKey" in answer

    def _close(self, announcement: Mapping[str, Any], now: DateTimeOffset) -> bool:
        """Close an announcement that was given up, so that its change can never be made; whether it is closed."""
        if now.ticks - int(announcement["announced"]) < GIVEN_UP_SECONDS * _TICKS_PER_SECOND:
            return False
        try:
            self._withdraw(announcement)
        except (ConditionFailed, TransactionConflict):
            # It comes true at this very moment.
            return False
        return True

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

    # --- stores -------------------------------------------------------------------------------------------------------

    def store(self, space: str, store_id: int) -> Store | None:
        """A store by its id, as it is now."""
        item = self._get(keys.store(space, store_id))
        return None if item is None else _store(item)

    def stores(self, space: str) -> list[Store]:
        """A space's stores, in the order of their ids."""
        items = query_all(
            self._client,
            self._table,
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues=to_item({":pk": keys.store(space, 0)["PK"]}),
            ConsistentRead=True,
        )
        return [_store(item) for item in items]

    def create_store(self, space: str, store: Store, creation: str) -> None:
        """Store a new store; an earlier try of the same creation is as good.

        Raises: IdTaken; Retryable.
        """
        item = keys.store(space, store.id) | {"storeId": store.id, "name": store.name, "creation": creation}
        try:
            with translated_errors("dynamodb.PutItem"):
                self._client.put_item(**self._put(item, "attribute_not_exists(PK)")["Put"])
        except ConditionFailed as refusal:
            if from_item(refusal.item)["creation"] != creation:
                raise IdTaken(f"The id {store.id} is taken") from refusal

    def delete_store(self, space: str, store_id: int) -> bool:
        """Delete a store; whether there was one. Contacts that refer to it keep its id."""
        with translated_errors("dynamodb.DeleteItem"):
            answer = self._client.delete_item(**self._key(keys.store(space, store_id)), ReturnValues="ALL_OLD")
        return "Attributes" in answer

    # --- writing ------------------------------------------------------------------------------------------------------

    def _commit(
        self,
        space: str,
        contact_id: int,
        after: DateTimeOffset | None,
        writes: Callable[[_Change], tuple[_Result, list[_Write]]],
        *,
        deleted: bool = False,
    ) -> _Result:
        """Make a change, and its entry in the feed, in one transaction.

        Parameters: after, the moment of the contact's last change; writes, gives for a change what to return and the
        members of the transaction.

        Raises: what the members say of their refusal; Retryable.
        """
        change = self._announce(space, contact_id, after)
        while True:
            result, members = writes(change)
            entry = self._entry(space, contact_id, change, deleted=deleted)
            try:
                transact(self._client, [entry, *(member.request for member in members)])
            except TransactionRefused as refusal:
                of_the_entry, *of_the_members = refusal.reasons
                if of_the_entry.failed and of_the_entry.item:
                    # The entry stands, so an answer was lost, and the client's retry met its own first write.
                    return result
                for member, reason in zip(members, of_the_members, strict=True):
                    if reason.failed:
                        self._try_to_withdraw(keys.change(space, change.place))
                        raise member.refusal(from_item(reason.item)) from refusal
                # A reader closed the announcement: it took this change for given up.
                change = self._announce(space, contact_id, after)
            else:
                return result

    def _announce(self, space: str, contact_id: int, after: DateTimeOffset | None) -> _Change:
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while True:
            started = time.monotonic()
            moment = DateTimeOffset.now()
            if after is not None and moment.ticks <= after.ticks:
                # Another function's clock is ahead of this one's.
                moment = replace(moment, ticks=after.ticks + 1)
            place = keys.change_place(moment, contact_id, secrets.token_hex(4))
            announcement = keys.change(space, place) | {
                "contactId": contact_id,
                "announced": moment.ticks,
                "expiresAt": int((moment.to_utc() + _ANNOUNCEMENT_LIFE).timestamp()),
            }
            with translated_errors("dynamodb.PutItem"):
                self._client.put_item(TableName=self._table, Item=to_item(announcement))
            if time.monotonic() - started < LONGEST_ANNOUNCEMENT_SECONDS:
                return _Change(place, moment)
            self._try_to_withdraw(announcement)
            if time.monotonic() > give_up_at:
                raise Retryable("dynamodb.PutItem: too slow to keep the order of changes")

    def _entry(self, space: str, contact_id: int, change: _Change, *, deleted: bool) -> "TransactWriteItemTypeDef":
        expression = "REMOVE announced, expiresAt"
        values: dict[str, Any] = {}
        if deleted:
            expression = "SET deleted = :deleted, expiresAt = :expiresAt REMOVE announced"
            expires_at = int((change.moment.to_utc() + TOMBSTONE_LIFE).timestamp())
            values = {":deleted": str(change.moment), ":expiresAt": expires_at}
        return {
            "Update": self._key(keys.change(space, change.place))
            | {"UpdateExpression": expression}
            | self._if("attribute_exists(announced)", values)
        }

    def _delete_place(self, space: str, place: str) -> _Write:
        return _Write({"Delete": self._key(keys.change(space, place))})

    def _withdraw(self, announcement: Mapping[str, Any]) -> None:
        with translated_errors("dynamodb.DeleteItem"):
            self._client.delete_item(**self._key(announcement), ConditionExpression="attribute_exists(announced)")

    def _try_to_withdraw(self, announcement: Mapping[str, Any]) -> None:
        # What stays is closed by a reader, or by DynamoDB's TTL.
        with suppress(ConditionFailed, Retryable):
            self._withdraw(announcement)

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
        if claim.kind is ClaimKind.EMAIL:
            item |= _limits(contact.profile)
        free = "attribute_not_exists(PK) OR contactId = :id"
        return _Write(self._put(item, free, {":id": contact.id}), lambda standing: ClaimHeld(claim))

    def _delete_guard(self, guard: str, contact_id: int) -> _Write:
        own = self._if("attribute_not_exists(PK) OR contactId = :id", {":id": contact_id})
        return _Write({"Delete": self._key(keys.guard_of(guard)) | own})

    def _put_permission_change(self, space: str, contact: Contact, changed_by: str) -> _Write:
        profile = contact.profile
        until = profile.limit_mails_temporarily_until
        item = keys.permission_change(space, contact.id, feed_position(contact.last_modified)) | {
            "changedAt": str(contact.last_modified),
            "limitMailsPermanently": profile.limit_mails_permanently,
            "limitMailsTemporarilyUntil": str(until) if until else None,
            "source": profile.latest_permission_source,
            "changedBy": changed_by,
        }
        return _Write({"Put": {"TableName": self._table, "Item": to_item(item)}})

    def _permission_items(self, space: str, contact_id: int) -> list[dict[str, Any]]:
        key = keys.permission_change(space, contact_id, "")
        return query_all(
            self._client,
            self._table,
            KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
            ExpressionAttributeValues=to_item({":pk": key["PK"], ":sk": key["SK"]}),
            ConsistentRead=True,
        )

    def _leave_standing(
        self, space: str, profile: Profile, address_hashes: Iterable[str], now: DateTimeOffset
    ) -> Iterator[_Write]:
        """Mark a contact's addresses as erased, and keep its limits for the present one."""
        email = email_claim(profile.email or "")
        present = None if email is None else self._address_hash(email)
        for address_hash in address_hashes:
            key = keys.suppression(space, address_hash)
            left = {"erasedAt": keys.instant(now.to_utc())}
            if address_hash == present:
                left |= self._lasting_limits(key, profile, now)
            yield _Write(
                {
                    "Update": self._key(key)
                    | {
                        "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in left),
                        "ExpressionAttributeNames": {f"#{name}": name for name in left},
                        "ExpressionAttributeValues": to_item({f":{name}": value for name, value in left.items()}),
                    }
                }
            )

    def _lasting_limits(self, key: keys.Key, profile: Profile, now: DateTimeOffset) -> dict[str, Any]:
        limits = _limits(profile)
        until = limits.pop(_UNTIL, None)
        if until is not None and until > keys.instant(now.to_utc()):
            # A limit that an earlier contact of the address has left may last longer.
            limits[_UNTIL] = max(until, (self._get(key) or {}).get(_UNTIL, ""))
        return limits

    def _get(self, key: keys.Key) -> dict[str, Any] | None:
        with translated_errors("dynamodb.GetItem"):
            answer = self._client.get_item(**self._key(key), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def _key(self, key: Mapping[str, Any]) -> Any:
        return {"TableName": self._table, "Key": to_item({"PK": key["PK"], "SK": key["SK"]})}

    def _put(self, item: Mapping[str, Any], condition: str, values: Mapping[str, Any] = {}) -> Any:
        return {"Put": {"TableName": self._table, "Item": to_item(item)} | self._if(condition, values)}

    @staticmethod
    def _if(condition: str, values: Mapping[str, Any] = {}) -> dict[str, Any]:
        """A condition with its values, which gives what stood there where it fails."""
        given = {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        return given | ({"ExpressionAttributeValues": to_item(values)} if values else {})


# --- items ------------------------------------------------------------------------------------------------------------


def _stamped(contact: Contact, change: _Change) -> Contact:
    # Ticks of 100 nanoseconds since the year 1 grow with each change of a contact, and fill 8 bytes.
    return replace(contact, last_modified=change.moment, version=change.moment.ticks.to_bytes(8))


def _limits(profile: Profile) -> dict[str, Any]:
    """What keeps mail from a contact, as guards and suppressions hold it; the moment in UTC."""
    limits: dict[str, Any] = {}
    if profile.limit_mails_permanently:
        limits["limitMailsPermanently"] = True
    if profile.limit_mails_temporarily_until is not None:
        limits[_UNTIL] = keys.instant(profile.limit_mails_temporarily_until.to_utc())
    return limits


def _changed(standing: Mapping[str, Any]) -> Changed:
    return Changed(_contact_row(standing) if standing else None)


def _contact_item(space: str, row: ContactRow) -> dict[str, Any]:
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


def _contact_row(item: Mapping[str, Any]) -> ContactRow:
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
            limit_mails_temporarily_until=_moment(item, "limitMailsTemporarilyUntil"),
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


def _moment(item: Mapping[str, Any], name: str) -> DateTimeOffset | None:
    return DateTimeOffset.parse(item[name]) if name in item else None


def _store(item: Mapping[str, Any]) -> Store:
    return Store(int(item["storeId"]), item["name"])
