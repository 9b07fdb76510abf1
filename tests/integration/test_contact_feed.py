"""The feed of changes: whoever follows it has every contact as it is, and misses no deletion."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from polypost.adapters import contact_feed
from polypost.errors import Conflict, Retryable
from polypost.models.contacts import Contact, Profile, Tombstone, feed_position
from polypost.models.date_time_offset import DateTimeOffset
from support.contacts import SPACE, ContactsOfASpace
from support.dynamodb import DynamodbEngine
from support.parallel import in_parallel
from support.waiting import PATIENCE


@pytest.fixture
def contacts(dynamodb_engine: DynamodbEngine) -> ContactsOfASpace:
    return ContactsOfASpace(dynamodb_engine)


def test_contacts_come_in_the_order_of_their_last_change(contacts: ContactsOfASpace) -> None:
    one, two, three = (contacts.create(email=f"{number}@example.com") for number in range(3))
    one = contacts.update(one, Profile(email="new@example.com"))
    contacts.delete(two)
    page = contacts.changes()
    assert page.changes[:2] == (three, one)
    (deleted,) = page.changes[2:]
    assert isinstance(deleted, Tombstone)
    assert deleted.id == two.id
    assert not page.has_more


def test_pages_join_without_gap_or_repeat(contacts: ContactsOfASpace) -> None:
    created = [contacts.create() for _ in range(7)]
    position, pages = "", 0
    found: list[Contact | Tombstone] = []
    has_more = True
    while has_more:
        page = contacts.changes(position, 3)
        found += page.changes
        position, has_more, pages = page.position, page.has_more, pages + 1
    assert found == created
    assert pages == 3
    assert contacts.changes(position).changes == ()
    last = contacts.create()
    assert contacts.changes(position).changes == (last,)


def test_a_moment_begins_with_its_own_changes(contacts: ContactsOfASpace) -> None:
    _, two, three = (contacts.create() for _ in range(3))
    since = feed_position(two.last_modified)
    assert contacts.changes(since).changes == (two, three)
    assert contacts.changes(since, 1).changes == (two,)


def test_a_moment_to_come_has_no_changes_yet(contacts: ContactsOfASpace) -> None:
    contact = contacts.create()
    later = feed_position(contact.last_modified.plus_seconds(3600))
    page = contacts.changes(later)
    assert (page.changes, page.position, page.has_more) == ((), later, False)


@contextmanager
def stalled(contacts: ContactsOfASpace, *, at: str = "TransactWriteItems") -> Iterator[Callable[[], None]]:
    """Let this thread's next request of an operation wait, until the function that the block is given is called."""
    released, reached = threading.Event(), threading.Event()

    def wait(**_: object) -> None:
        if threading.current_thread() is writer and not released.is_set():
            reached.set()
            assert released.wait(30)

    outcome: list[object] = []
    writer = threading.Thread(target=lambda: outcome.append(contacts.create(email="late@example.com")))
    events = contacts.engine.client.meta.events
    events.register(f"before-send.dynamodb.{at}", wait)
    try:
        writer.start()
        assert reached.wait(30)

        def release() -> None:
            released.set()
            writer.join(30)
            assert outcome, "the write failed"

        yield release
    finally:
        released.set()
        writer.join(30)
        events.unregister(f"before-send.dynamodb.{at}", wait)


def test_a_reader_does_not_pass_a_write_that_takes_long(contacts: ContactsOfASpace) -> None:
    before = contacts.create()
    with stalled(contacts) as release:
        after = contacts.create()
        page = contacts.changes(seconds_from_now=30)
        assert page.changes == (before,)
        assert not page.has_more
        release()
        late, then = contacts.changes(page.position, seconds_from_now=30).changes
        assert isinstance(late, Contact)
        assert late.profile.email == "late@example.com"
        assert then == after


def test_a_write_that_a_reader_gave_up_comes_later(contacts: ContactsOfASpace) -> None:
    with stalled(contacts) as release:
        after = contacts.create()
        page = contacts.changes(seconds_from_now=contact_feed.GIVEN_UP_SECONDS + 1)
        assert page.changes == (after,)
        release()
        (late,) = contacts.changes(page.position).changes
        assert isinstance(late, Contact)
        assert late.profile.email == "late@example.com"
        assert late.last_modified.ticks > after.last_modified.ticks
    contacts.check()


def test_an_announcement_that_was_left_behind_holds_nobody_up_for_long(contacts: ContactsOfASpace) -> None:
    contacts.create(email="ann@example.com")
    with pytest.raises(Conflict):
        contacts.create(email="ann@example.com")
    assert not [item for item in contacts.items() if "announced" in item], "a refused write takes its own back"


def test_an_announcement_that_took_long_is_made_anew(
    contacts: ContactsOfASpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_feed, "LONGEST_ANNOUNCEMENT_SECONDS", -1.0)
    monkeypatch.setattr(contact_feed, "_PATIENCE_SECONDS", 0.2)
    with pytest.raises(Retryable, match="too slow"):
        contacts.create()
    assert contacts.check() == []
    assert not [item for item in contacts.items() if "announced" in item]


def test_whoever_follows_the_feed_has_every_contact_as_it_is(
    contacts: ContactsOfASpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One clock: the feed may end a second before now, if every announcement takes less than that.
    monkeypatch.setattr(contact_feed, "LONGEST_ANNOUNCEMENT_SECONDS", 0.9)
    done = threading.Event()
    copy: dict[int, Contact] = {}
    seen: list[int] = []

    def read(position: str, *, delay: int) -> str:
        now = DateTimeOffset.now()
        page = contacts.table.changes(SPACE, position, 5, end=now.plus_seconds(-delay), now=now)
        for change in page.changes:
            seen.append(change.id)
            if isinstance(change, Contact):
                copy[change.id] = change
            else:
                copy.pop(change.id, None)
        return page.position

    def follow() -> None:
        position = ""
        while not done.is_set():
            position = read(position, delay=1)
            time.sleep(0.01)
        while (after := read(position, delay=0)) != position:
            position = after

    def write(seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311
        own: list[Contact] = []
        for number in range(12):
            if not own or dice.random() < 0.5:
                own.append(contacts.create(email=f"{seed}-{number}@example.com"))
            elif dice.random() < 0.6:
                chosen = dice.randrange(len(own))
                own[chosen] = contacts.update(own[chosen], Profile(email=f"{seed}-{number}@example.com"))
            else:
                contacts.delete(own.pop(dice.randrange(len(own))))

    reader = threading.Thread(target=follow)
    reader.start()
    try:
        for outcome in in_parallel([partial(write, seed) for seed in range(6)]):
            outcome.result()
    finally:
        done.set()
        reader.join(PATIENCE)
    stored = {int(item["contactId"]) for item in contacts.check()}
    assert set(copy) == stored
    assert all(contacts.now(contact) == contact for contact in copy.values())
    assert len(seen) >= len(stored)


# --- All contacts at once ---------------------------------------------------------------------------------------------


def all_contacts(contacts: ContactsOfASpace, limit: int = 2) -> dict[int, Contact]:
    """Every contact, by its id, as a reader of all parts has it."""
    found: dict[int, Contact] = {}
    position, has_more = "", True
    while has_more:
        page = contacts.table.snapshot(SPACE, position, limit)
        found |= {contact.id: contact for contact in page.contacts}
        for contact_id in page.gone:
            found.pop(contact_id, None)
        position, has_more = page.position, page.has_more
    return found


def test_all_contacts_are_those_that_there_are(contacts: ContactsOfASpace) -> None:
    assert all_contacts(contacts) == {}
    created = [contacts.create(email=f"{number}@example.com") for number in range(5)]
    created[0] = contacts.update(created[0], Profile(email="new@example.com"))
    contacts.delete(created.pop(1))
    assert all_contacts(contacts) == {contact.id: contact for contact in created}


def test_all_contacts_wait_for_no_change_that_is_not_made_yet(contacts: ContactsOfASpace) -> None:
    with stalled(contacts):
        after = contacts.create()
        assert list(all_contacts(contacts).values()) == [after]


def test_a_contact_that_is_deleted_between_two_parts_is_gone(contacts: ContactsOfASpace) -> None:
    contact = contacts.create()
    first = contacts.table.snapshot(SPACE, "", 10)
    contacts.delete(contact)
    then = contacts.table.snapshot(SPACE, first.position, 10)
    assert (first.contacts, then.contacts, then.gone) == ((contact,), (), frozenset({contact.id}))


@pytest.mark.parametrize("announced_before", [True, False])
def test_no_contact_is_missed_because_it_changes_while_it_is_read(
    contacts: ContactsOfASpace, announced_before: bool
) -> None:
    old = contacts.create(email="old@example.com")
    read_feed, announced = threading.Event(), threading.Event()

    def of_the_writer(**_: object) -> None:
        if threading.current_thread() is writer:
            announced.set()
            assert read_feed.wait(30)

    def of_the_reader(**_: object) -> None:
        # The feed was read, the contacts were not.
        if not writer.ident:
            writer.start()
        read_feed.set()
        writer.join(30)

    writer = threading.Thread(target=lambda: contacts.update(old, Profile(email="new@example.com")))
    events = contacts.engine.client.meta.events
    events.register("before-send.dynamodb.TransactWriteItems", of_the_writer)
    events.register("before-send.dynamodb.BatchGetItem", of_the_reader)
    try:
        if announced_before:
            writer.start()
            assert announced.wait(30)
        found = contacts.table.snapshot(SPACE, "", 10)
    finally:
        events.unregister("before-send.dynamodb.TransactWriteItems", of_the_writer)
        events.unregister("before-send.dynamodb.BatchGetItem", of_the_reader)
    assert [contact.profile.email for contact in found.contacts] == ["new@example.com"]
