"""What is recorded of bounces, on both engines: told of by many at once, and by runs that end at any AWS call."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from polypost.adapters import keys
from polypost.adapters.dynamodb import to_item, update_of
from polypost.adapters.logs_table import LogsTable
from polypost.adapters.suppression_items import without_person
from polypost.adapters.suppressions import Suppressions
from polypost.models.access import SpaceSettings
from polypost.models.bounces import TABLE, Rule, Verdict
from polypost.models.delivery import BounceType, DeliveryEvent, MessageRef
from polypost.models.suppression import AddressStanding, Decision, SuppressionReason
from polypost.usecases import reclassify_events as reclassifying
from polypost.usecases.reclassify_events import Reclassification, reclassify_events
from polypost.usecases.record_ses_notification import record_ses_notification
from polypost.usecases.suppressions import lift
from support.dynamodb import DynamodbEngine
from support.parallel import in_parallel
from support.ses import bounce_object, bounced, complaint_object, event
from support.stops import every_stop

SPACE = "acme"
TO = "max@example.net"
MANUAL, UNSUBSCRIBED = SuppressionReason.MANUAL, SuppressionReason.UNSUBSCRIBED
LIMIT = SpaceSettings().soft_bounce_limit
FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)


def ref(number: int) -> MessageRef:
    return MessageRef(f"{number:024x}", SPACE)


def report(number: int, status: str, diagnostic: str | None = None, to: str = TO) -> str:
    """A bounce of one message a day."""
    at = (FIRST_DAY + timedelta(days=number)).isoformat()
    bounce = bounce_object(bounced(to, status, diagnostic), timestamp=at)
    return json.dumps(event("Bounce", ref(number), [to], bounce=bounce))


@dataclass
class Space:
    """One space's log and suppressions."""

    logs: LogsTable
    suppressions: Suppressions

    def notify(self, text: str) -> None:
        record_ses_notification(text, logs=self.logs, suppressions=self.suppressions)

    def standing(self, address: str = TO) -> AddressStanding:
        return self.suppressions.standings(SPACE, [address])[address]

    def events(self, number: int) -> list[DeliveryEvent]:
        return self.logs.history(ref(number).message_id)[1]

    def reclassify(self, since: datetime | None = None) -> Reclassification:
        return reclassify_events(SPACE, since, LIMIT, logs=self.logs, suppressions=self.suppressions)

    def lift(self, address: str = TO) -> None:
        lift(address, "He has it again.", "anna", SPACE, complaint=False, suppressions=self.suppressions)

    def apply(self, found: Reclassification) -> int:
        return sum(reclassifying.apply(each, logs=self.logs, suppressions=self.suppressions) for each in found.changes)


@pytest.fixture
def space(dynamodb_engine: DynamodbEngine) -> Space:
    client, tables = dynamodb_engine.client, dynamodb_engine.tables
    return Space(
        LogsTable(client, tables["LogsTable"], lambda: b"key"),
        Suppressions(client, tables["ContactsTable"], lambda: b"key", lambda space: SpaceSettings()),
    )


def test_of_many_at_once_each_counts_and_counts_once(space: Space) -> None:
    told = [report(number, "4.2.2") for number in range(LIMIT)] * 4
    for run in in_parallel([partial(space.notify, text) for text in told]):
        run.result()
    assert len(space.standing().grounds) == LIMIT
    ground = space.standing().ground(SuppressionReason.REPEATED_SOFT_BOUNCES)
    assert ground is not None
    assert ground.message_id == ref(LIMIT - 1).message_id


def test_a_bounce_counts_once_wherever_its_recording_stops(space: Space, dynamodb_engine: DynamodbEngine) -> None:
    for number, stop in enumerate(every_stop(dynamodb_engine.client)):
        to = f"max{number}@example.net"
        with stop:
            space.notify(report(number, "4.2.2", to=to))
        assert len(space.events(number)) == len(space.standing(to).grounds), stop
        for _ in range(2):
            space.notify(report(number, "4.2.2", to=to))
        assert len(space.events(number)) == len(space.standing(to).grounds) == 1, stop


# --- Reading it again -------------------------------------------------------------------------------------------------


@pytest.fixture
def former_table(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A table that takes a full mailbox for a hard bounce, until it is undone."""
    former = tuple(replace(rule, verdict=Verdict.HARD) if rule.id == "status-mailbox-full" else rule for rule in TABLE)
    monkeypatch.setattr("polypost.models.bounces.TABLE", former)
    monkeypatch.setattr("polypost.models.bounces.RULES", {rule.id: rule for rule in former})
    monkeypatch.setattr("polypost.models.suppression.RULES", {rule.id: rule for rule in former})
    return monkeypatch


def test_suppressions_that_only_the_former_table_caused_are_lifted(
    space: Space, former_table: pytest.MonkeyPatch
) -> None:
    both = "both@example.net"
    space.notify(report(1, "5.2.2"))
    space.notify(report(2, "5.2.2", to=both))
    space.notify(report(3, "5.1.1", to=both))
    assert space.standing().bounced
    former_table.undo()
    found = space.reclassify()
    # It is shown first, and nothing is changed.
    assert (found.read, found.without_evidence, len(found.changes)) == (3, 0, 2)
    assert (found.lifted, found.suppressed) == ((TO,), ())
    assert space.standing().bounced
    assert space.reclassify() == found
    assert space.apply(found) == 2
    assert not space.standing().bounced
    assert space.standing(both).bounced
    (listed,) = space.events(1)
    assert (listed.fact.type, listed.fact.rule) == (BounceType.SOFT, "status-mailbox-full")
    # Now it counts as what it is.
    assert [ground.reason for ground in space.standing().grounds] == ["repeated soft bounces"]
    assert space.reclassify().changes == ()
    # Done, or told of again by SES, it changes nothing.
    assert space.apply(found) == 0
    space.notify(report(1, "5.2.2"))
    assert len(space.events(1)) == len(space.standing().grounds) == 1


def test_only_what_is_not_older_is_read_again(space: Space, former_table: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        space.notify(report(number, "5.2.2"))
    former_table.undo()
    found = space.reclassify(since=FIRST_DAY + timedelta(days=2))
    assert [change.old.message for change in found.changes] == [ref(2)]
    # The other one still suppresses.
    assert found.lifted == ()
    space.apply(found)
    assert space.standing().bounced


def changed(monkeypatch: pytest.MonkeyPatch, *first: Rule) -> None:
    """Put rules in front of the table."""
    rules = (*first, *TABLE)
    monkeypatch.setattr("polypost.models.bounces.TABLE", rules)
    monkeypatch.setattr("polypost.models.bounces.RULES", {rule.id: rule for rule in rules})
    monkeypatch.setattr("polypost.models.suppression.RULES", {rule.id: rule for rule in rules})


def test_an_event_moves_from_one_list_to_another(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = {
        "auto-reply": bounce_object({"emailAddress": TO}, bounce_type="Transient/General", feedbackId="1"),
        "auth-failure": complaint_object(TO, complaintFeedbackType="auth-failure"),
    }
    space.notify(json.dumps(event("Bounce", ref(1), [TO], bounce=reports["auto-reply"])))
    space.notify(json.dumps(event("Complaint", ref(1), [TO], complaint=reports["auth-failure"])))
    assert space.standing().grounds == frozenset()
    changed(
        monkeypatch,
        Rule("silent", Verdict.HARD, "x", ses=("Transient/General",), silent=True),
        Rule("every", Verdict.COMPLAINT, "x", ses=("Complaint/*",)),
    )
    found = space.reclassify()
    assert (len(found.changes), found.suppressed) == (2, (TO,))
    assert space.apply(found) == 2
    assert {(each.fact.kind, each.fact.type, each.fact.rule) for each in space.events(1)} == {
        ("bounce", "Hard", "silent"),
        ("complaint", "auth-failure", "every"),
    }
    standing = space.standing()
    assert (standing.bounced, standing.complained) == (True, True)
    # And back again.
    monkeypatch.undo()
    assert space.apply(space.reclassify()) == 2
    assert {each.fact.kind for each in space.events(1)} == {"auto-reply", "auth-failure"}
    assert space.standing().grounds == frozenset()


def test_a_rule_that_is_gone_is_no_hindrance(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    changed(monkeypatch, Rule("abolished", Verdict.HARD, "x", codes=("4.x.x",)))
    space.notify(report(1, "4.2.2"))
    assert space.standing().bounced
    monkeypatch.undo()
    assert space.apply(space.reclassify()) == 1
    assert not space.standing().bounced


def test_a_new_name_of_a_rule_brings_back_no_suppression_that_was_lifted(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(monkeypatch, Rule("former-name", Verdict.HARD, "x", codes=("5.1.1",)))
    space.notify(report(1, "5.1.1"))
    space.notify(report(2, "5.1.1", to="ann@example.net"))
    space.lift()
    monkeypatch.undo()
    found = space.reclassify()
    assert (len(found.changes), found.lifted, found.suppressed) == (2, (), ())
    assert space.apply(found) == 2
    assert not space.standing().bounced
    (ground,) = space.standing("ann@example.net").grounds
    assert ground.rule == "status-address"


def test_a_bounce_that_was_lifted_stays_lifted_whatever_the_table_makes_of_it(
    space: Space, former_table: pytest.MonkeyPatch
) -> None:
    space.notify(report(1, "5.1.1"))
    space.notify(report(2, "5.2.2"))
    space.lift()
    # It happened before the lifting, and is told of after it.
    space.notify(report(3, "5.1.1"))
    for number in (1, 3):
        space.notify(report(number, "5.1.1"))
    assert space.standing().reasons(datetime.now(UTC)) == []
    former_table.undo()
    found = space.reclassify()
    assert (len(found.changes), found.lifted, found.suppressed) == (1, (), ())
    assert space.apply(found) == 1
    assert space.standing().grounds == frozenset()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    bounce = bounce_object(bounced(TO, "5.1.1"), timestamp=tomorrow)
    space.notify(json.dumps(event("Bounce", ref(4), [TO], bounce=bounce)))
    assert space.standing().bounced


def test_a_report_that_was_read_before_the_lifting_and_is_stored_after_it_does_not_count(space: Space) -> None:
    space.notify(report(1, "5.1.1"))
    before = space.standing()
    space.lift()
    late = next(iter(before.grounds))
    change = space.suppressions.change(SPACE, TO, [], [replace(late, message_id=ref(2).message_id)], anonymous=False)
    assert change is not None
    space.logs._client.transact_write_items(TransactItems=[change])
    assert not space.standing().bounced


def test_a_lifting_is_made_whole_wherever_it_stops(space: Space, dynamodb_engine: DynamodbEngine) -> None:
    for number, stop in enumerate(every_stop(dynamodb_engine.client)):
        to = f"max{number}@example.net"
        space.notify(report(number, "5.1.1", to=to))
        with stop:
            space.lift(to)
        standing = space.standing(to)
        assert standing.bounced is not bool(standing.liftings), stop
        if standing.bounced:
            space.lift(to)
        assert (space.standing(to).bounced, len(space.standing(to).liftings)) == (False, 1)


def test_decisions_and_events_at_once_are_all_kept(space: Space) -> None:
    decisions = [Decision(reason, FIRST_DAY, "anna") for reason in (MANUAL, UNSUBSCRIBED)]
    calls = [partial(space.suppressions.decide, SPACE, TO, decision) for decision in decisions]
    calls += [partial(space.notify, report(number, "5.1.1")) for number in range(4)]
    for run in in_parallel(calls * 2):
        run.result()
    assert space.standing().decisions == set(decisions)
    assert len(space.standing().grounds) == 4


# --- Erasing a person -------------------------------------------------------------------------------------------------


def erase(space: Space, address: str = TO) -> str:
    """Mark an address as that of a contact which was deleted; its HMAC."""
    address_hash = keys.address_hash(b"key", address)
    erased_at = keys.instant(FIRST_DAY + timedelta(days=99))
    space.suppressions._client.update_item(
        TableName=space.suppressions._table,
        Key=to_item(keys.suppression(SPACE, address_hash)),
        **update_of({"erasedAt": erased_at}),
    )
    return address_hash


def words(space: Space, address: str = TO) -> list[str]:
    """What stands of a person: the address, and what was said."""
    known = space.suppressions.page(SPACE, "", 100, datetime.now(UTC)).entries
    standing = space.standing(address)
    notes = [each.note for each in standing.decisions] + [each.note for each in standing.liftings]
    return sorted([each.address for each in known if each.address == address] + list(filter(None, notes)))


def test_a_person_goes_from_the_suppressions_wherever_it_stops(space: Space, dynamodb_engine: DynamodbEngine) -> None:
    for number, stop in enumerate(every_stop(dynamodb_engine.client)):
        to = f"max{number}@example.net"
        space.notify(report(number, "5.1.1", to=to))
        space.suppressions.decide(SPACE, to, Decision(MANUAL, FIRST_DAY, "anna", "He said so."))
        address_hash = erase(space, to)
        with stop:
            space.suppressions.forget(SPACE, address_hash)
        assert words(space, to) in (["He said so.", to], []), stop
        space.suppressions.forget(SPACE, address_hash)
        assert words(space, to) == []
        assert space.standing(to).reasons(datetime.now(UTC)) == [MANUAL, SuppressionReason.HARD_BOUNCE]


def test_what_is_written_while_a_person_is_erased_is_kept(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    new = Decision(MANUAL, datetime(2027, 1, 1, tzinfo=UTC), "anna", "The new owner said so.")
    space.suppressions.decide(SPACE, TO, Decision(MANUAL, FIRST_DAY, "anna", "He said so."))
    space.notify(report(1, "5.1.1"))

    def meanwhile(item: Mapping[str, Any]) -> dict[str, Any]:
        monkeypatch.setattr("polypost.adapters.suppressions.without_person", without_person)
        space.suppressions.decide(SPACE, TO, new)
        return without_person(item)

    monkeypatch.setattr("polypost.adapters.suppressions.without_person", meanwhile)
    space.suppressions.forget(SPACE, erase(space))
    assert space.standing().decisions == {new}
    assert words(space) == sorted([TO, new.note])
    assert space.standing().bounced


def test_what_matched_nobody_is_left_alone(space: Space) -> None:
    bounce = bounce_object(bounced("stranger@example.org"))
    space.notify(json.dumps(event("Bounce", ref(1), [TO, "ann@example.net"], bounce=bounce)))
    found = space.reclassify()
    assert (found.read, found.changes) == (2, ())


def test_a_reclassification_is_whole_wherever_it_stops(
    space: Space, dynamodb_engine: DynamodbEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def suppressed_only_by_its_list(number: int, to: str) -> bool:
        (listed,) = space.events(number)
        return space.standing(to).bounced is (listed.fact.type == BounceType.HARD)

    for number, stop in enumerate(every_stop(dynamodb_engine.client), 1):
        to = f"max{number}@example.net"
        with pytest.MonkeyPatch.context() as patch:
            changed(patch, Rule("abolished", Verdict.HARD, "x", codes=("4.x.x",)))
            space.notify(report(number, "4.2.2", to=to))
        found = space.reclassify(since=FIRST_DAY + timedelta(days=number))
        with stop:
            space.apply(found)
        assert suppressed_only_by_its_list(number, to), stop
        space.apply(space.reclassify())
        assert suppressed_only_by_its_list(number, to), stop
        assert not space.standing(to).bounced, stop
