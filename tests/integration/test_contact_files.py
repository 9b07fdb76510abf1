"""Contacts from and to files, on both engines: each row once, each contact once, wherever a run ends."""

import csv
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError
from click.testing import CliRunner

from polypost.errors import Retryable
from polypost.models.access import Space
from polypost.models.contacts import Contact, ExternalId, Profile, Registration, Store
from polypost.models.date_time_offset import DateTimeOffset
from polypost_cli import contact_export, contact_import, retries, target
from polypost_cli.contact_export import export_contacts
from polypost_cli.contact_import import ImportOutcome, import_contacts
from polypost_cli.csv_files import UnreadableFile
from polypost_cli.file_progress import FileInUse, file_progress
from polypost_cli.main import app
from polypost_cli.target import Target
from support.contacts import SPACE, ContactsOfASpace
from support.dynamodb import DynamodbEngine, template_tables
from support.stops import every_stop

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HEADER = "RegistrationSource,Email,Phone,FirstName,LastName,PreferredStoreId,ExternalIds\n"


@pytest.fixture
def contacts(dynamodb_engine: DynamodbEngine) -> ContactsOfASpace:
    return ContactsOfASpace(dynamodb_engine)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "contacts.csv"


def no_progress(*_: int) -> None:
    pass


def run_import(
    contacts: ContactsOfASpace,
    source: Path,
    content: str | None = None,
    *,
    space: str = SPACE,
    on_progress: Callable[[int, int], None] = no_progress,
    **options: Any,
) -> ImportOutcome:
    if content is not None:
        source.write_text(content)
    return import_contacts(
        source, space, "stack", on_progress, access=contacts.access, contacts=contacts.table, **options
    )


def run_export(contacts: ContactsOfASpace, target: Path, *, space: str = SPACE) -> list[dict[str, str]]:
    """Export; the rows of the file."""
    number = export_contacts(target, space, "stack", no_progress, contacts=contacts.table)
    rows = records(target)
    assert len(rows) == number
    return rows


def records(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def refused_of(outcome: ImportOutcome) -> list[tuple[str, str]]:
    """The reason and the Email of each refused row."""
    assert outcome.refused_file is not None
    rows = [(row["Reason"], row["Email"]) for row in records(outcome.refused_file)]
    assert len(rows) == outcome.refused
    return rows


def test_rows_become_contacts_or_say_why_not(contacts: ContactsOfASpace, source: Path) -> None:
    contacts.table.stores.create(SPACE, Store(1), "store")
    ids = '"[{""System"": ""shop"", ""Id"": ""1""}]"'
    content = (
        HEADER + f"web,a@example.com,12 34,Ann,Lee,1,{ids}\n"
        "web,A@EXAMPLE.com,,,,,\n"
        "web,b@example.com,1-234,,,,\n"
        "web,c@example.com,,ann,LEE,,\n"
        "web,d@example.com,,,,2,\n"
        f"web,e@example.com,,,,,{ids}\n"
        ",f@example.com,,,,,\n"
        "web,g@example.com,,,,,\n"
    )
    outcome = run_import(contacts, source, content)
    assert refused_of(outcome) == [
        ("Email: another contact with the same Email exists.", "A@EXAMPLE.com"),
        ("Phone: another contact with the same Phone exists.", "b@example.com"),
        ("FirstName, LastName: another contact with the same name exists.", "c@example.com"),
        ("PreferredStoreId: no store with the Id 2 exists.", "d@example.com"),
        ("ExternalIds: another contact with the Id '1' of the system 'shop' exists.", "e@example.com"),
        ("The RegistrationSource field is required.", "f@example.com"),
    ]
    assert outcome.refused_file == source.with_name("contacts.refused.csv")
    stored = contacts.check()
    assert {item["email"] for item in stored} == {"a@example.com", "g@example.com"}
    assert outcome.imported == 2
    assert sorted(path.name for path in source.parent.iterdir()) == ["contacts.csv", "contacts.refused.csv"]


def reasons(contacts: ContactsOfASpace, address: str = "a@example.com") -> list[str]:
    return list(contacts.suppressions.standings(SPACE, [address])[address].reasons(datetime.now(UTC)))


@pytest.mark.parametrize(
    ("columns", "cells", "left"),
    [
        ("Email", "a@example.com", ["limited permanently"]),
        ("Email,LimitMailsPermanently", "a@example.com,", ["limited permanently"]),
        ("Email,LimitMailsPermanently", "a@example.com,false", []),
        ("Email,LimitMailsPermanently", "b@example.com,false", ["limited permanently"]),
    ],
)
def test_a_row_that_expressly_has_no_limit_ends_what_an_earlier_contact_left(
    contacts: ContactsOfASpace, source: Path, columns: str, cells: str, left: list[str]
) -> None:
    contacts.delete(contacts.create(email="a@example.com", limit_mails_permanently=True))
    outcome = run_import(contacts, source, f"{columns}\n{cells}\n", registration_source="web")
    assert (outcome.imported, reasons(contacts)) == (1, left)


def test_a_row_that_an_export_wrote_ends_no_limit(contacts: ContactsOfASpace, source: Path) -> None:
    contact = contacts.create(email="a@example.com")
    (row,) = run_export(contacts, source)
    assert row["LimitMailsPermanently"] == "false"
    contacts.delete(contacts.update(contact, replace(contact.profile, limit_mails_permanently=True)))
    assert run_import(contacts, source).imported == 1
    assert reasons(contacts) == ["limited permanently"]


def test_refused_rows_are_corrected_and_imported_again(contacts: ContactsOfASpace, source: Path) -> None:
    content = "RegistrationSource;Email;RegistrationIp\nweb;a@example.com;1\nweb;b@example.com;2\n"
    refused = run_import(contacts, source, content).refused_file
    assert refused is not None
    assert refused.read_text().splitlines()[0] == "Reason;RegistrationSource;Email;RegistrationIp"
    refused.write_text(refused.read_text().replace("a@example.com;1", "a@example.com;192.0.2.1"))
    outcome = run_import(contacts, refused)
    assert (outcome.imported, outcome.refused) == (1, 1)
    # What somebody corrected is never written over.
    assert outcome.refused_file == source.with_name("contacts.refused-2.csv")
    assert outcome.refused_file.read_text().count("Reason") == 1
    assert run_import(contacts, outcome.refused_file).refused_file == outcome.refused_file
    assert run_import(contacts, source).refused_file == source.with_name("contacts.refused-3.csv")
    assert [item["email"] for item in contacts.check()] == ["a@example.com"]


def test_a_file_that_is_imported_twice_changes_nothing(contacts: ContactsOfASpace, source: Path) -> None:
    rows = "".join(f"web,{number}@example.com,,,,,\n" for number in range(70))
    content = HEADER + rows + "web,,,,,,\n" * 3 + rows
    first = run_import(contacts, source, content)
    before, refused = contacts.items(), refused_of(first)
    assert (first.imported, len(contacts.check())) == (73, 73)
    assert run_import(contacts, source) == first
    assert refused_of(first) == refused
    key = lambda item: (item["PK"], item["SK"])  # noqa: E731
    assert sorted(contacts.items(), key=key) == sorted(before, key=key)


def test_a_row_costs_eleven_write_units_once(contacts: ContactsOfASpace, source: Path) -> None:
    written: list[int] = []

    def count(event_name: str, params: dict[str, Any], **_: Any) -> None:
        # An item of up to a kilobyte: one unit, in a transaction two.
        written.append(
            {"PutItem": 1, "TransactWriteItems": 2 * len(params.get("TransactItems", []))}.get(
                event_name.rpartition(".")[2], 0
            )
        )

    events = contacts.engine.client.meta.events
    events.register("provide-client-params.dynamodb", count)
    try:
        content = HEADER + "web,a@example.com,1,Ann,Lee,,\nweb,b@example.com,2,Bob,Lee,,\n"
        run_import(contacts, source, content)
        assert sum(written) == 2 * 11
        run_import(contacts, source)
        assert sum(written) == 2 * 11
    finally:
        events.unregister("provide-client-params.dynamodb", count)


def test_a_contact_that_has_changed_since_is_still_that_of_its_row(contacts: ContactsOfASpace, source: Path) -> None:
    run_import(contacts, source, HEADER + "web,a@example.com,,,,,\nweb,b@example.com,,,,,\n")
    ids = {item["email"]: int(item["contactId"]) for item in contacts.check()}
    changed, deleted = (contacts.table.contact(SPACE, ids[f"{name}@example.com"]) for name in "ab")
    assert changed is not None
    assert deleted is not None
    contacts.update(changed.contact, Profile(email="new@example.com"))
    contacts.delete(deleted.contact)
    outcome = run_import(contacts, source)
    assert (outcome.imported, outcome.refused) == (2, 0)
    assert {item["email"] for item in contacts.check()} == {"new@example.com", "b@example.com"}


def test_every_row_is_done_once_wherever_an_import_stops(
    dynamodb_client: "DynamoDBClient", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One thread, so that the requests come in one order.
    monkeypatch.setattr(contact_import, "_THREADS", 1)
    rows = "web,a@example.com,,,,,\nweb,a@example.com,,,,,\n,c@example.com,,,,,\nweb,,,,,,\nweb,d@example.com,,,,,\n"
    for number, stop in enumerate(every_stop(dynamodb_client)):
        source = tmp_path / f"{number}.csv"
        source.write_text(HEADER + rows)
        with template_tables(dynamodb_client) as engine:
            contacts = ContactsOfASpace(engine)
            with stop:
                run_import(contacts, source)
            contacts.check()
            outcome = run_import(contacts, source)
            assert (outcome.imported, outcome.refused) == (3, 2), stop
            assert [email for _, email in refused_of(outcome)] == ["a@example.com", "c@example.com"], stop
            assert len(contacts.check()) == 3, stop


def test_an_import_goes_on_behind_the_rows_that_are_done(
    contacts: ContactsOfASpace, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_import, "_BATCH", 2)
    content = HEADER + "".join(f"web,{number}@example.com,,,,,\n" for number in range(6))
    with answering(contacts, 4, monkeypatch), pytest.raises(Retryable):
        run_import(contacts, source, content)
    done: list[tuple[int, int]] = []
    outcome = run_import(contacts, source, on_progress=lambda *numbers: done.append(numbers))
    assert outcome.imported == len(contacts.check()) == 6
    assert done == [(4, 6), (6, 6)]


@contextmanager
def answering(contacts: ContactsOfASpace, creations: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Until the block ends, the engine answers until so many contacts were begun, and then nothing."""
    monkeypatch.setattr(retries, "_PAUSES", (0.0, 0.0))
    begun, lock = 0, threading.Lock()

    def send(model: Any, **_: Any) -> None:
        nonlocal begun
        with lock:
            begun += model.name == "TransactWriteItems"
            if begun > creations:
                raise EndpointConnectionError(endpoint_url="the engine")

    events = contacts.engine.client.meta.events
    events.register("before-call.dynamodb", send)
    try:
        yield
    finally:
        events.unregister("before-call.dynamodb", send)


def test_the_command_says_that_it_goes_on(
    contacts: ContactsOfASpace, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = cast(Any, None)
    stack = Target(contacts.access, contacts.table, nothing, nothing, nothing, nothing, nothing, {})
    monkeypatch.setattr(target, "_target", lambda name: stack)
    source.write_text(HEADER + "web,a@example.com,,,,,\n")
    with answering(contacts, 0, monkeypatch):
        stopped = CliRunner().invoke(app, ["contacts", "import", str(source), "--stack", "any"])
    assert stopped.exit_code == 1
    assert stopped.output.startswith(
        "Error: stopped, since the stack does not answer; the same command goes on from here: dynamodb."
    )
    assert stopped.output.count("\n") == 1
    done = CliRunner().invoke(app, ["contacts", "import", str(source), "--stack", "any"])
    assert (done.exit_code, done.stdout) == (0, f"Imported 1 of 1 rows of {source} into {SPACE}.\n")


def test_an_engine_that_does_not_answer_for_a_moment_is_asked_again(
    contacts: ContactsOfASpace, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_PAUSES", (0.0,) * 3)
    failures = iter([True, True, False] * 100)

    def send(**_: Any) -> None:
        if next(failures):
            raise EndpointConnectionError(endpoint_url="the engine")

    monkeypatch.setattr(contact_import, "_THREADS", 1)
    contacts.access.settings(SPACE)
    contacts.access.address_key()
    events = contacts.engine.client.meta.events
    events.register("before-call.dynamodb.TransactWriteItems", send)
    events.register("before-call.dynamodb.Query", send)
    try:
        assert run_import(contacts, source, HEADER + "web,a@example.com,,,,,\n").imported == 1
        assert len(run_export(contacts, source.with_name("out.csv"))) == 1
    finally:
        events.unregister("before-call.dynamodb.TransactWriteItems", send)
        events.unregister("before-call.dynamodb.Query", send)


def test_another_import_of_the_same_file_waits_for_nothing(contacts: ContactsOfASpace, source: Path) -> None:
    source.write_text(HEADER + "web,a@example.com,,,,,\n")
    with file_progress(source, {}), pytest.raises(FileInUse):
        run_import(contacts, source)
    assert contacts.check() == []


def test_a_file_that_changed_begins_anew(
    contacts: ContactsOfASpace, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_import, "_BATCH", 1)
    content = HEADER + "web,a@example.com,,,,,\n,b@example.com,,,,,\nweb,c@example.com,,,,,\n"
    with answering(contacts, 1, monkeypatch), pytest.raises(Retryable):
        run_import(contacts, source, content)
    outcome = run_import(contacts, source, content.replace(",b@", "web,b@"))
    assert (outcome.imported, outcome.refused) == (3, 0)
    assert len(contacts.check()) == 3


def test_the_source_of_a_registration_may_come_from_outside(contacts: ContactsOfASpace, source: Path) -> None:
    with pytest.raises(UnreadableFile, match="has no column RegistrationSource"):
        run_import(contacts, source, "Email,Mood\na@example.com,good\n")
    outcome = run_import(contacts, source, registration_source="fair")
    assert outcome == ImportOutcome(1, 0, None, ("Mood",))
    (stored,) = contacts.check()
    assert stored["registrationSource"] == "fair"


# --- Export -----------------------------------------------------------------------------------------------------------

MOMENT = DateTimeOffset.parse("2026-02-03T04:05:06.7890123+02:00")
WHOLE = Profile(
    email="ann@example.com",
    phone_country_code="+45",
    phone="12 34",
    first_name='Ann, "A"',
    last_name="Lee\r\nof two lines",
    limit_mails_permanently=True,
    limit_mails_temporarily_until=MOMENT,
    preferred_store_id=1,
    contact_company_id=-7,
    latest_permission_source="phone; =1+1",
    external_ids=(ExternalId("shop", "1,2"), ExternalId("till", "\u00e6")),
)


def create_some(contacts: ContactsOfASpace, number: int = 7) -> list[Contact]:
    contacts.table.stores.create(SPACE, Store(1), "store")
    created = [contacts.create(email=f"{each}@example.com") for each in range(number - 2)]
    created.append(contacts.create(registration=Registration("fair", MOMENT, "192.0.2.1", 9), **members(WHOLE)))
    return [*created, contacts.create()]


def members(profile: Profile) -> dict[str, Any]:
    return {name: getattr(profile, name) for name in Profile.__slots__}


def known(contacts: ContactsOfASpace, space: str) -> set[Any]:
    """What of each contact an export keeps."""
    page = contacts.table.snapshot(space, "", 100)
    return {(str(each.registration.date_time), each.registration, each.profile) for each in page.contacts}


def test_what_is_exported_can_be_imported_into_another_space(contacts: ContactsOfASpace, source: Path) -> None:
    created = create_some(contacts)
    rows = run_export(contacts, source)
    assert [int(row["Id"]) for row in rows] == sorted(contact.id for contact in created)
    contacts.access.create_space(Space(id="other", created_at=MOMENT.to_utc()))
    contacts.table.stores.create("other", Store(1), "store")
    outcome = run_import(contacts, source, space="other")
    assert (outcome.imported, outcome.refused, outcome.unknown_columns) == (7, 0, ())
    assert known(contacts, "other") == known(contacts, SPACE)
    contacts.check()


def test_what_is_missing_comes_back_from_an_export(contacts: ContactsOfASpace, source: Path) -> None:
    created = create_some(contacts)
    before = known(contacts, SPACE)
    run_export(contacts, source)
    assert run_import(contacts, source).imported == len(contacts.check()) == 7
    for contact in (created[0], created[-1]):
        contacts.delete(contact)
    assert run_import(contacts, source).imported == len(contacts.check()) == 7
    assert known(contacts, SPACE) == before


def test_each_contact_is_written_once_wherever_an_export_stops(
    dynamodb_client: "DynamoDBClient", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_export, "_PAGE", 3)
    for number, stop in enumerate(every_stop(dynamodb_client)):
        # What was deleted stays in the feed: each block needs one of its own.
        with template_tables(dynamodb_client) as engine:
            contacts = ContactsOfASpace(engine)
            first, second, *others = create_some(contacts)
            target = tmp_path / f"{number}.csv"
            with stop:
                run_export(contacts, target)
            assert target.exists() is not stop.died
            contacts.delete(first)
            wanted = [contacts.update(second, Profile(email="changed@example.com")), *others, contacts.create()]
            rows = [(int(row["Id"]), row["Email"]) for row in run_export(contacts, target)]
            assert rows == sorted((each.id, each.profile.email or "") for each in wanted), stop


def test_an_export_goes_on_where_it_was_cut_off(
    contacts: ContactsOfASpace, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_export, "_PAGE", 2)
    monkeypatch.setattr(retries, "_PAUSES", ())
    created = create_some(contacts)
    answers: list[str] = []

    def answer(**_: Any) -> None:
        answers.append("a part of the feed")
        if len(answers) == 3:
            raise EndpointConnectionError(endpoint_url="the engine")

    events = contacts.engine.client.meta.events
    events.register("before-call.dynamodb.Query", answer)
    try:
        source.write_text("before")
        with pytest.raises(Retryable):
            run_export(contacts, source)
        assert source.read_text() == "before"
        assert len(run_export(contacts, source)) == len(created) == 7
    finally:
        events.unregister("before-call.dynamodb.Query", answer)
    # Seven contacts are four parts of two: two were read, one failed, two were left.
    assert len(answers) == 5
