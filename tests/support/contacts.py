"""Contacts on an engine, and what always holds of the table that they are in."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from polypost.adapters.access_table import AccessTable
from polypost.adapters.contact_items import UNTIL
from polypost.adapters.contacts_table import ContactsTable
from polypost.adapters.dynamodb import from_item
from polypost.adapters.erasure_queue import ErasureQueue
from polypost.adapters.person_history import PersonHistory
from polypost.adapters.suppressions import Suppressions
from polypost.models.access import Space
from polypost.models.addresses import normalised
from polypost.models.attempts import Attempt
from polypost.models.contacts import ChangePage, ClaimKind, Contact, Profile, Registration
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.history import ErasureJob
from polypost.usecases.create_contact import create_contact
from polypost.usecases.delete_contact import delete_contact, erase_person
from polypost.usecases.update_contact import update_contact
from support.dynamodb import DynamodbEngine

SPACE = "acme"
REGISTRATION = Registration("test", DateTimeOffset.parse("2026-01-02T03:04:05.0000000+00:00"))


def new_attempt() -> Attempt:
    return Attempt.fresh(datetime.now(UTC))


class QueuedErasures(ErasureQueue):
    """An erasure queue in memory, in the order of its jobs."""

    def __init__(self) -> None:
        self.jobs: list[ErasureJob] = []

    def put(self, job: ErasureJob, delay: int) -> None:
        self.jobs.append(job)


@dataclass
class ContactsOfASpace:
    """The use cases on one space of an engine."""

    engine: DynamodbEngine
    access: AccessTable = field(init=False)
    table: ContactsTable = field(init=False)
    suppressions: Suppressions = field(init=False)
    erasures: "QueuedErasures" = field(init=False)

    def __post_init__(self) -> None:
        self.access = AccessTable(self.engine.client, self.engine.tables["AccessTable"])
        self.access.create_space(Space(id=SPACE, created_at=datetime.now(UTC)))
        self.table = ContactsTable(self.engine.client, self.engine.tables["ContactsTable"], self.access.address_key)
        self.suppressions = Suppressions(
            self.engine.client, self.engine.tables["ContactsTable"], self.access.address_key, self.access.settings
        )
        self.erasures = QueuedErasures()

    def create(
        self, attempt: Attempt | None = None, registration: Registration = REGISTRATION, **profile: Any
    ) -> Contact:
        return create_contact(
            registration,
            Profile(**profile),
            SPACE,
            "key",
            attempt or new_attempt(),
            access=self.access,
            contacts=self.table,
        )

    def update(self, contact: Contact, profile: Profile) -> Contact:
        return update_contact(
            contact.id,
            contact.version,
            lambda old: profile,
            SPACE,
            "key",
            access=self.access,
            contacts=self.table,
        )

    def delete(self, contact: Contact) -> None:
        delete_contact(contact.id, SPACE, contacts=self.table, erasures=self.erasures)

    def erase(self) -> None:
        """Do the jobs that deletions have queued."""
        logs = self.engine.tables["LogsTable"]
        history = PersonHistory(self.engine.client, logs, self.access.address_key)
        jobs, self.erasures.jobs = self.erasures.jobs, []
        for job in jobs:
            erase_person(
                job, contacts=self.table, history=history, suppressions=self.suppressions, erasures=self.erasures
            )

    def now(self, contact: Contact) -> Contact | None:
        """A contact as it is stored now."""
        row = self.table.contact(SPACE, contact.id)
        return row.contact if row else None

    def changes(self, position: str = "", limit: int = 100, *, seconds_from_now: int = 0) -> ChangePage:
        """The feed up to a moment, without its delay, as a reader of that moment sees it."""
        moment = DateTimeOffset.now().plus_seconds(seconds_from_now)
        return self.table.changes(SPACE, position, limit, end=moment, now=moment)

    def items(self) -> list[dict[str, Any]]:
        """Every item of the table."""
        pages = self.engine.client.get_paginator("scan").paginate(TableName=self.engine.tables["ContactsTable"])
        return [from_item(item) for page in pages for item in page["Items"]]

    def check(self) -> list[dict[str, Any]]:
        """Assert that contacts, guards and the feed agree; the contacts' items."""
        return consistent_contacts(self.items())


def consistent_contacts(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The contacts among the items of a table, whose guards, limits and feed agree with them."""
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        by_kind[item["PK"].partition("#")[0]].append(item)
    contacts = [item for item in by_kind["CONTACT"] if item["SK"] == "CONTACT"]
    owned = {guard: contact["contactId"] for contact in contacts for guard in contact["guards"]}
    assert len(owned) == sum(len(contact["guards"]) for contact in contacts), "two contacts own one guard"
    assert {guard["PK"]: guard["contactId"] for guard in by_kind["GUARD"]} == owned
    limits = {(item["PK"], item["SK"]): item["contact"] for item in by_kind["SUPPRESSIONS"] if "contact" in item}
    assert {key: limit["contactId"] for key, limit in limits.items()} == {
        (f"SUPPRESSIONS#{contact['space']}", guard.rpartition("#")[2]): contact["contactId"]
        for contact in contacts
        for guard in contact["guards"]
        if guard.split("#")[2] == ClaimKind.EMAIL and (contact["limitMailsPermanently"] or UNTIL in contact)
    }
    for contact in contacts:
        for limit in limits.values():
            if limit["contactId"] == contact["contactId"]:
                assert limit.get("limitMailsPermanently", False) is contact["limitMailsPermanently"]
                assert (UNTIL in limit) is (UNTIL in contact)
                assert limit["address"] == normalised(contact["email"])
    entries = [item for item in by_kind["CHANGES"] if "announced" not in item]
    alive = {entry["SK"]: entry["contactId"] for entry in entries if "deleted" not in entry}
    assert alive == {contact["place"]: contact["contactId"] for contact in contacts}
    return contacts
