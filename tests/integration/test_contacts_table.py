"""Contacts under parallel writers, and under writers that are cut off at any of their AWS calls, on both engines."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from botocore.stub import Stubber

from polypost.adapters import dynamodb, keys
from polypost.adapters.clients import TransactionConflict
from polypost.errors import Conflict, NotFound
from polypost.models.access import SpaceSettings
from polypost.models.contacts import Contact, ContactConflict, ExternalId, Profile, Store, external_id_claim
from polypost.models.date_time_offset import DateTimeOffset
from polypost.usecases.update_contact import attach_external_id, detach_external_id
from support.contacts import SPACE, ContactsOfASpace, new_attempt
from support.dynamodb import DynamodbEngine
from support.parallel import in_parallel
from support.stops import every_stop

WRITERS = 64

ANN = Profile(
    email="ann@example.com",
    phone="12 34 56 78",
    first_name="Ann",
    last_name="Lee",
    limit_mails_permanently=True,
    external_ids=(ExternalId("shop", "1"), ExternalId("till", "1")),
)


@pytest.fixture
def contacts(dynamodb_engine: DynamodbEngine) -> ContactsOfASpace:
    return ContactsOfASpace(dynamodb_engine)


def members(profile: Profile) -> dict[str, Any]:
    return {name: getattr(profile, name) for name in Profile.__slots__}


@pytest.mark.parametrize(
    ("shared", "rule"),
    [
        ({"email": "ann@example.com"}, "Email"),
        ({"phone": "12345678"}, "Phone"),
        ({"first_name": "Ann", "last_name": "Lee"}, "FirstName, LastName"),
        ({"external_ids": (ExternalId("shop", "1"),)}, "ExternalIds"),
    ],
)
def test_of_many_creations_at_once_one_wins(contacts: ContactsOfASpace, shared: dict[str, Any], rule: str) -> None:
    outcomes = in_parallel([partial(contacts.create, **shared) for _ in range(WRITERS)])
    created = [outcome.result() for outcome in outcomes if outcome.exception() is None]
    refused = [outcome.exception() for outcome in outcomes if outcome.exception() is not None]
    assert len(created) == 1
    assert len(refused) == WRITERS - 1
    for error in refused:
        assert isinstance(error, Conflict)
        assert error.message.startswith(f"{rule}: another contact")
    (stored,) = contacts.check()
    assert stored["contactId"] == created[0].id


def test_one_attempt_at_once_creates_one_contact(contacts: ContactsOfASpace) -> None:
    attempt = new_attempt()
    outcomes = in_parallel([partial(contacts.create, attempt, **members(ANN)) for _ in range(8)])
    assert len({outcome.result() for outcome in outcomes}) == 1
    assert len(contacts.check()) == 1


def test_no_guard_blocks_an_address_wherever_a_creation_stops(dynamodb_engine: DynamodbEngine) -> None:
    for number, stop in enumerate(every_stop(dynamodb_engine.client)):
        contacts = ContactsOfASpace(dynamodb_engine)
        store = contacts.table
        store.stores.create(SPACE, Store(1), "store")
        own = replace(
            ANN,
            email=f"ann{number}@example.com",
            phone=f"{number}",
            last_name=f"Lee {number}",
            preferred_store_id=1,
            external_ids=(ExternalId("shop", str(number)),),
        )
        attempt = new_attempt()
        with stop:
            contacts.create(attempt, **members(own))
        standing = [item for item in contacts.check() if item["email"] == own.email]
        if standing:
            with pytest.raises(Conflict):
                contacts.create(**members(own))
        again = contacts.create(attempt, **members(own))
        assert again.profile == own
        assert [item["contactId"] for item in contacts.check() if item["email"] == own.email] == [again.id], stop
        assert [int(item["contactId"]) for item in standing] in ([], [again.id])


def test_an_abandoned_creation_leaves_the_address_free(dynamodb_engine: DynamodbEngine) -> None:
    for number, stop in enumerate(every_stop(dynamodb_engine.client)):
        contacts = ContactsOfASpace(dynamodb_engine)
        with stop:
            contacts.create(email=f"ann{number}@example.com")
        if not any(item["email"] == f"ann{number}@example.com" for item in contacts.check()):
            contacts.create(email=f"ann{number}@example.com")


def test_a_contact_is_as_it_was_or_as_it_should_be_wherever_its_change_stops(dynamodb_engine: DynamodbEngine) -> None:
    for number, stop in enumerate(every_stop(dynamodb_engine.client)):
        contacts = ContactsOfASpace(dynamodb_engine)
        one = ("shop", f"{number}")
        old = contacts.create(email=f"a{number}@example.com", phone=f"1{number}", external_ids=(ExternalId(*one),))
        new = Profile(
            email=f"b{number}@example.com", first_name=f"{number}", last_name="Lee", external_ids=(ExternalId(*one),)
        )
        with stop:
            contacts.update(old, new)
        contacts.check()
        standing = contacts.now(old)
        assert standing is not None
        assert standing.profile in (old.profile, new), stop
        changed = contacts.update(standing, replace(new, phone=f"2{number}"))
        assert changed.profile.phone == f"2{number}"
        contacts.check()


def suppression_of(contacts: ContactsOfASpace, email: str) -> dict[str, Any]:
    """What keeps mail from an address."""
    key = keys.suppression(SPACE, keys.address_hash(contacts.access.address_key(), email))
    return next(item for item in contacts.items() if (item["PK"], item["SK"]) == (key["PK"], key["SK"]))


def test_a_contact_goes_whole_wherever_its_deletion_stops(dynamodb_engine: DynamodbEngine) -> None:
    for number, stop in enumerate(every_stop(dynamodb_engine.client)):
        contacts = ContactsOfASpace(dynamodb_engine)
        email = f"ann{number}@example.com"
        contact = contacts.create(email=email, limit_mails_permanently=True)
        with stop:
            contacts.delete(contact)
        contacts.check()
        left_behind = "limitMailsPermanently" in suppression_of(contacts, email)
        assert left_behind is (contacts.now(contact) is None), stop
        if not left_behind:
            contacts.delete(contact)
        with pytest.raises(NotFound):
            contacts.delete(contact)
        contacts.check()
        assert suppression_of(contacts, email)["limitMailsPermanently"] is True
        contacts.erase()
        assert contacts.table.permission_history(SPACE, contact.id) == [], stop
        contacts.create(email=email)


def test_of_many_changes_of_one_version_one_wins(contacts: ContactsOfASpace) -> None:
    contact = contacts.create(email="ann@example.com")
    profiles = [Profile(email=f"ann{number}@example.com") for number in range(16)]
    outcomes = in_parallel([partial(contacts.update, contact, profile) for profile in profiles])
    (changed,) = (outcome.result() for outcome in outcomes if outcome.exception() is None)
    refused = [error for outcome in outcomes if (error := outcome.exception()) is not None]
    assert len(refused) == 15
    for error in refused:
        assert isinstance(error, ContactConflict)
        assert error.latest == changed
    contacts.check()


def test_of_many_contacts_that_take_one_external_id_one_gets_it(contacts: ContactsOfASpace) -> None:
    found = [contacts.create() for _ in range(16)]

    def attach(contact: Contact) -> Contact:
        wanted = ExternalId("shop", "1")
        return attach_external_id(contact.id, wanted, SPACE, "key", access=contacts.access, contacts=contacts.table)

    outcomes = in_parallel([partial(attach, contact) for contact in found])
    assert sum(outcome.exception() is None for outcome in outcomes) == 1
    assert all(isinstance(error, ContactConflict) for outcome in outcomes if (error := outcome.exception()))
    contacts.check()


def test_external_ids_that_are_attached_at_once_are_all_kept(contacts: ContactsOfASpace) -> None:
    contact = contacts.create()

    def attach(number: int) -> Contact:
        wanted = ExternalId("shop", str(number))
        return attach_external_id(contact.id, wanted, SPACE, "key", access=contacts.access, contacts=contacts.table)

    for outcome in in_parallel([partial(attach, number) for number in range(6)]):
        outcome.result()
    (stored,) = contacts.check()
    assert sorted(each["id"] for each in stored["externalIds"]) == ["0", "1", "2", "3", "4", "5"]


def test_a_guid_of_another_case_is_the_same_external_id(contacts: ContactsOfASpace) -> None:
    lower, upper = (ExternalId("crm", f"3d6ab237-6e5e-4e4a-b76a-{node}") for node in ("4ebe7d89b9e0", "4EBE7D89B9E0"))
    contact = contacts.create(external_ids=(upper,))
    options: dict[str, Any] = {"access": contacts.access, "contacts": contacts.table}
    with pytest.raises(Conflict):
        contacts.create(external_ids=(lower,))
    row = contacts.table.holder(SPACE, external_id_claim(lower))
    assert row is not None
    assert row.contact == contact
    assert attach_external_id(contact.id, lower, SPACE, "key", **options) == contact
    assert detach_external_id(contact.id, lower, SPACE, "key", **options).profile.external_ids == ()
    assert contacts.table.holder(SPACE, external_id_claim(upper)) is None
    contacts.check()


def test_changes_and_deletions_at_once_leave_no_rest(contacts: ContactsOfASpace) -> None:
    found = [contacts.create(email=f"a{number}@example.com") for number in range(8)]
    calls: list[Callable[[], object]] = []
    for number, contact in enumerate(found):
        calls.append(partial(contacts.update, contact, Profile(email=f"b{number}@example.com")))
        calls.append(partial(contacts.delete, contact))
        calls.append(partial(contacts.create, email=f"b{number}@example.com"))
    for outcome in in_parallel(calls):
        assert isinstance(outcome.exception(), Conflict | NotFound | None)
    contacts.check()


def test_a_limit_in_the_past_suppresses_nothing(contacts: ContactsOfASpace) -> None:
    past, future = DateTimeOffset.now().plus_seconds(-60), DateTimeOffset.now().plus_seconds(3600)
    for number, until in enumerate((past, future)):
        contacts.delete(contacts.create(email=f"{number}@example.com", limit_mails_temporarily_until=until))
    suppressions = [item for item in contacts.items() if item["PK"].startswith("SUPPRESSION")]
    limits = [item["limitMailsTemporarilyUntil"] for item in suppressions if "limitMailsTemporarilyUntil" in item]
    assert limits == [keys.instant(future.to_utc())]
    assert not any("limitMailsPermanently" in item for item in suppressions)


def test_a_rule_that_changed_strands_no_guard(contacts: ContactsOfASpace) -> None:
    contact = contacts.create(email="ann@example.com", phone="1", first_name="Ann", last_name="Lee")
    space = contacts.access.space(SPACE)
    assert space is not None
    settings = SpaceSettings(unique_names=False, phone_with_country_code=True)
    contacts.access.change_space(space.model_copy(update={"settings": settings}))
    later = ContactsOfASpace(contacts.engine)
    contact = later.update(contact, replace(contact.profile, first_name="Anna"))
    (stored,) = later.check()
    assert len(stored["guards"]) == 2
    later.create(email="bob@example.com", first_name="Anna", last_name="Lee")
    later.delete(contact)
    assert len(later.check()) == 1


# --- What no engine plays ---------------------------------------------------------------------------------------------


def canceled(*codes: str) -> dict[str, Any]:
    return {
        "service_error_code": "TransactionCanceledException",
        "modeled_fields": {"CancellationReasons": [{"Code": code} for code in codes]},
    }


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb, "_LONGEST_PAUSE_SECONDS", 0.01)


@pytest.mark.usefixtures("fast")
def test_a_write_that_meets_another_one_is_repeated(contacts: ContactsOfASpace) -> None:
    contacts.create()
    with Stubber(contacts.engine.client) as stubber:
        stubber.add_response("put_item", {})
        stubber.add_client_error("transact_write_items", **canceled("None", "TransactionConflict", "None"))
        stubber.add_client_error("transact_write_items", **canceled("TransactionConflict", "None", "None"))
        stubber.add_response("transact_write_items", {})
        assert contacts.create(email="ann@example.com").profile.email == "ann@example.com"
        stubber.assert_no_pending_responses()


@pytest.mark.usefixtures("fast")
def test_a_write_that_meets_others_for_long_may_be_tried_again_later(
    contacts: ContactsOfASpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    contacts.create()
    monkeypatch.setattr(dynamodb, "_PATIENCE_SECONDS", 0)
    with Stubber(contacts.engine.client) as stubber:
        stubber.add_response("put_item", {})
        stubber.add_client_error("transact_write_items", **canceled("None", "TransactionConflict", "None"))
        with pytest.raises(TransactionConflict):
            contacts.create(email="ann@example.com")
