"""Who gets no more mail, and how the sender of a mail learns of it."""

import itertools
import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from polypost import runtime
from polypost.adapters.mail_queue import decode
from polypost.models.attempts import Attempt
from polypost.models.contacts import Contact, Profile, Registration
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.delivery import EventKind, MessageRef
from polypost.models.suppression import (
    MOST_GROUNDS,
    MOST_LIFTINGS,
    RECIPIENT,
    AddressStanding,
    Decision,
    Ground,
    Lifting,
    SuppressionReason,
)
from polypost.usecases.create_contact import create_contact
from polypost.usecases.delete_contact import delete_contact
from support.inxmail import send_body
from support.ses import bounce_object, bounced, complaint_object, event, in_sns_envelope
from support.template_engine import Engine

from .conftest import Api

TO = "max@example.net"
SENT = "POST /v2/email/outbound-emails"


def message(api: Api) -> MessageRef:
    accepted = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp()).to_bytes(4).hex()
    return MessageRef(accepted + secrets.token_hex(8), api.space)


def bounce(api: Api, **options: Any) -> str:
    recipient = {name: options.pop(name) for name in ("status", "diagnostic") if name in options}
    return in_sns_envelope(
        event("Bounce", message(api), [TO], bounce=bounce_object(bounced(TO, **recipient), **options))
    )


def complaint(api: Api, **members: Any) -> str:
    return in_sns_envelope(event("Complaint", message(api), [TO], complaint=complaint_object(TO, **members)))


def standing(api: Api, address: str = TO) -> AddressStanding:
    return runtime.suppressions().standings(api.space, [address])[address]


def send(api: Api, engine: Engine, **mail: str) -> list[list[str]]:
    """Send a mail and let the worker take it; the recipients of each mail that went out."""
    engine.calls.clear()
    assert api.send(send_body(**{"recipient": TO} | mail)).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    assert api.deliver(queued) == []
    sent = [call for call in engine.calls if call.action == SENT]
    assert api.deliver(queued) == []
    return [recipients_of(call.request) for call in sent]


def recipients_of(request: bytes) -> list[str]:
    destination = json.loads(request)["Destination"]
    return [*destination["ToAddresses"], *destination.get("BccAddresses", [])]


def create(api: Api, **profile: Any) -> Contact:
    return create_contact(
        Registration("test", DateTimeOffset.now()),
        Profile(**profile),
        api.space,
        api.keyid,
        Attempt.fresh(datetime.now(UTC)),
        access=runtime.access(),
        contacts=runtime.contacts(),
    )


def test_an_address_that_complained_gets_no_more_mail(api: Api, engine: Engine) -> None:
    assert api.notify(complaint(api)) == []
    assert send(api, engine) == []
    (row,) = api.bounces().body["bounces"]
    assert row["recipient"] == TO
    assert (row["type"], row["errorCode"], row["errorText"]) == ("Hard", "5.7.1", "Not sent: complaint")


@pytest.mark.parametrize("spelled", ["MAX@example.net", "max@EXAMPLE.net"])
def test_another_spelling_is_the_same_address(api: Api, engine: Engine, spelled: str) -> None:
    api.notify(complaint(api))
    assert send(api, engine, recipient=spelled) == []


#: Addresses as contacts hold them, and for each the spellings of a mail's recipient, which is less free.
SPELLINGS = {
    "max@example.net": (
        [
            "MAX@Example.NET",
            "\ufeffmax@example.net",
            "max@example.net\u200b",
            "m\u00adax@exam\u2060ple.net",
            "\u202amax@example.net\u202c",
            " max@example.net\u00a0",
            "max@example.net.",
            "mailto:max@example.net",
            "Max Mustermann <max@example.net>",
            '"Mustermann, Max" <MAX@example.net>',
            "max@example.net (Max)",
            "max@\uff45xample\u3002net",
        ],
        ["max@example.net", "MAX@EXAMPLE.NET", " Max@example.net "],
    ),
    "max@müller.example": (
        [
            "max@MÜLLER.example",
            "max@mu\u0308ller.example",
            "Max <max@xn--mller-kva.example>",
            "max@m\u00adüller.example.",
        ],
        ["max@müller.example", "MAX@mu\u0308ller.example", "max@xn--mller-kva.example", "max@XN--MLLER-KVA.EXAMPLE"],
    ),
}
SPELLED = [(spelled, sent) for spellings, sent in SPELLINGS.values() for spelled in spellings]


@pytest.mark.parametrize(("spelled", "sent"), SPELLED)
def test_an_opt_out_holds_for_the_address_in_any_spelling(
    api: Api, engine: Engine, spelled: str, sent: list[str]
) -> None:
    assert create(api, email=spelled, limit_mails_permanently=True).profile.email == spelled
    for recipient in sent:
        assert send(api, engine, recipient=recipient) == []
        assert send(api, engine, recipient="ann@example.net", bccRecipient=recipient) == [["ann@example.net"]]
    rows = api.bounces().body["bounces"]
    assert {row["errorText"] for row in rows} == {"Not sent: limited permanently"}
    assert len(rows) == 2 * len(sent)


@pytest.mark.parametrize(("spelled", "sent"), SPELLED)
def test_a_limit_of_a_deleted_contact_holds_in_any_spelling(
    api: Api, engine: Engine, spelled: str, sent: list[str]
) -> None:
    contact = create(api, email=spelled, limit_mails_permanently=True)
    delete_contact(contact.id, api.space, contacts=runtime.contacts(), erasures=runtime.erasures())
    for recipient in sent:
        assert send(api, engine, recipient=recipient) == []


@pytest.mark.parametrize(("address", "spellings"), [(address, each[0]) for address, each in SPELLINGS.items()])
def test_a_bounce_is_known_of_the_address_in_any_spelling(
    api: Api, engine: Engine, address: str, spellings: list[str]
) -> None:
    (mailed,) = send(api, engine, recipient=address)[0]
    object_ = bounce_object(bounced(mailed, status="5.1.1"), bounce_type="Permanent/General")
    assert api.notify(in_sns_envelope(event("Bounce", message(api), [mailed], bounce=object_))) == []
    for spelled in (address, *spellings):
        assert standing(api, spelled).bounced
    for recipient in SPELLINGS[address][1]:
        assert send(api, engine, recipient=recipient) == []


def test_what_is_another_address_is_not_concerned(api: Api, engine: Engine) -> None:
    create(api, email="max.m@example.net", limit_mails_permanently=True)
    for recipient in ("maxm@example.net", "max.m+shop@example.net", "max.m@example.com", "max.m@mail.example.net"):
        assert send(api, engine, recipient=recipient) == [[recipient]]


def test_another_space_is_not_concerned(api: Api) -> None:
    api.notify(complaint(api))
    assert standing(api).complained
    assert runtime.suppressions().standings("another", [TO]) == {TO: AddressStanding()}


@pytest.mark.parametrize(
    ("bounce_type", "status", "suppressed"),
    [
        ("Permanent/General", "5.1.1", True),
        ("Permanent/NoEmail", None, True),
        ("Undetermined/Undetermined", "5.1.1", True),
        # A recipient's own status counts first: AWS's sample of a Permanent bounce has such a one.
        ("Permanent/General", "4.0.0", False),
        ("Transient/General", "4.4.7", False),
        ("Transient/MailboxFull", "5.2.2", False),
        # SES's own lists say nothing of this space's mail.
        ("Permanent/Suppressed", "5.1.1", False),
        ("Permanent/OnAccountSuppressionList", "5.1.1", False),
    ],
)
def test_which_bounces_suppress(api: Api, bounce_type: str, status: str | None, suppressed: bool) -> None:
    assert api.notify(bounce(api, bounce_type=bounce_type, status=status)) == []
    assert standing(api).bounced is suppressed
    assert len(api.bounces().body["bounces"]) == 1


@pytest.mark.parametrize(
    "members", [{"complaintFeedbackType": "not-spam"}, {"complaintSubType": "OnAccountSuppressionList"}]
)
def test_what_is_no_complaint_of_this_mail_suppresses_nobody(api: Api, members: dict[str, str]) -> None:
    assert api.notify(complaint(api, **members)) == []
    assert standing(api) == AddressStanding()


def test_the_simulators_addresses_are_never_suppressed(api: Api, engine: Engine) -> None:
    simulator = "bounce+label@simulator.amazonses.com"
    hard = bounce_object(bounced(simulator))
    assert api.notify(in_sns_envelope(event("Bounce", message(api), [simulator], bounce=hard))) == []
    assert send(api, engine, recipient=simulator) == [[simulator]]


def test_every_permutation_of_duplicates_suppresses_alike(api: Api) -> None:
    bodies = [bounce(api), complaint(api)]
    for order in itertools.permutations([0, 1, 0, 1]):
        assert api.notify(*(bodies[number] for number in order)) == []
        assert (standing(api).complained, standing(api).bounced) == (True, True)
        assert {ground.reason for ground in standing(api).grounds} == {"complaint", "hard bounce"}
        assert len(standing(api).grounds) == 2
    assert len(api.bounces().body["bounces"]) == 1
    assert len(api.complaints().body["complaints"]) == 1


def test_a_permanent_limit_of_a_contact(api: Api, engine: Engine) -> None:
    create(api, email="Max@Example.net", limit_mails_permanently=True)
    assert send(api, engine) == []
    (row,) = api.bounces().body["bounces"]
    assert (row["type"], row["errorText"]) == ("Hard", "Not sent: limited permanently")


def test_a_limit_until_a_moment(api: Api, engine: Engine) -> None:
    create(api, email=TO, limit_mails_temporarily_until=DateTimeOffset.now().plus_seconds(3600))
    assert send(api, engine) == []
    (row,) = api.bounces().body["bounces"]
    assert (row["type"], row["errorCode"]) == ("Soft", "4.7.1")
    until = standing(api).limited_until
    assert until is not None
    assert standing(api).suppression(until - timedelta(seconds=1), unsubscribable=False) is not None
    assert standing(api).suppression(until, unsubscribable=False) is None


def test_a_limit_that_has_passed_or_was_lifted(api: Api, engine: Engine) -> None:
    create(api, email=TO, limit_mails_temporarily_until=DateTimeOffset.now().plus_seconds(-1))
    assert send(api, engine) == [[TO]]


def test_a_limit_outlives_its_contact(api: Api, engine: Engine) -> None:
    contact = create(api, email=TO, limit_mails_permanently=True)
    delete_contact(contact.id, api.space, contacts=runtime.contacts(), erasures=runtime.erasures())
    assert send(api, engine) == []


def test_who_complained_stays_suppressed_after_the_contact_is_gone_and_back(api: Api, engine: Engine) -> None:
    contact = create(api, email=TO)
    api.notify(complaint(api))
    delete_contact(contact.id, api.space, contacts=runtime.contacts(), erasures=runtime.erasures())
    create(api, email=TO)
    assert send(api, engine) == []


def test_a_suppressed_bcc_is_left_out_alone(api: Api, engine: Engine) -> None:
    api.notify(complaint(api))
    assert send(api, engine, recipient="ann@example.net", bccRecipient=TO) == [["ann@example.net"]]
    (row,) = api.bounces().body["bounces"]
    assert row["recipient"] == TO


def test_a_suppressed_recipient_stops_the_mail_for_its_bcc_too(api: Api, engine: Engine) -> None:
    api.notify(complaint(api))
    assert send(api, engine, bccRecipient="ann@example.net") == []
    assert [row["recipient"] for row in api.bounces().body["bounces"]] == [TO]


def test_a_mail_waits_while_it_is_not_known_who_may_get_it(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polypost.adapters.dynamodb._PAUSES", (0, 0))
    api.send(send_body(recipient=TO))
    (queued,) = engine.receive("MailQueueUrl")
    assert decode(queued).mail.recipient.address == TO
    runtime.access().address_key()
    suppressions = runtime.suppressions()
    unprocessed = {"Keys": [{"PK": {"S": "x"}, "SK": {"S": "y"}}]}
    with Stubber(suppressions._client) as stubber:
        for _ in range(3):
            stubber.add_response(
                "batch_get_item", {"Responses": {}, "UnprocessedKeys": {suppressions._table: unprocessed}}
            )
        assert api.deliver(queued) == ["0"]
        stubber.assert_no_pending_responses()
    assert [call for call in engine.calls if call.action == SENT] == []
    assert api.deliver(queued) == []
    assert len([call for call in engine.calls if call.action == SENT]) == 1


# --- Soft bounces -----------------------------------------------------------------------------------------------------


def at(day: float) -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day)


def soft(api: Api, day: float, to: str = TO) -> str:
    full = bounce_object(bounced(to, "4.2.2", "452 mailbox full"), timestamp=at(day).isoformat())
    return in_sns_envelope(event("Bounce", message(api), [to], bounce=full))


def arrival(api: Api, day: float, to: str = TO) -> str:
    delivery = {"timestamp": at(day).isoformat(), "recipients": [to]}
    return in_sns_envelope(event("Delivery", message(api), [to], delivery=delivery))


def set_soft_bounce_limit(api: Api, limit: int) -> None:
    space = runtime.access().space(api.space)
    assert space is not None
    settings = space.settings.model_copy(update={"soft_bounce_limit": limit})
    runtime.access().change_space(space.model_copy(update={"settings": settings}))
    runtime.access()._found.clear()


def reason(api: Api) -> str | None:
    suppression = standing(api).suppression(datetime.now(UTC), unsubscribable=True)
    return suppression.reason if suppression else None


def test_five_soft_bounces_suppress_and_four_do_not(api: Api, engine: Engine) -> None:
    assert api.notify(*(soft(api, day) for day in range(4))) == []
    assert send(api, engine) == [[TO]]
    fifth = soft(api, 4)
    assert api.notify(fifth, fifth) == []
    assert reason(api) == "repeated soft bounces"
    assert standing(api).bounced
    assert send(api, engine) == []
    *_, row = api.bounces().body["bounces"]
    assert (row["type"], row["errorText"]) == ("Hard", "Not sent: repeated soft bounces")


def test_a_bounce_that_is_told_of_again_counts_once(api: Api) -> None:
    bodies = [soft(api, day) for day in range(4)]
    assert api.notify(*bodies, *bodies, *bodies) == []
    assert reason(api) is None


def test_an_arrival_between_them_ends_the_count(api: Api) -> None:
    assert api.notify(*(soft(api, day) for day in (0, 1, 2)), arrival(api, 2.5)) == []
    assert api.notify(*(soft(api, day) for day in (3, 4, 5, 6))) == []
    assert reason(api) is None
    assert api.notify(soft(api, 7)) == []
    assert reason(api) == "repeated soft bounces"


def test_an_arrival_of_somebody_else_does_not(api: Api) -> None:
    assert api.notify(*(soft(api, day) for day in (0, 1, 2)), arrival(api, 2.5, "ann@example.net")) == []
    assert api.notify(*(soft(api, day) for day in (3, 4))) == []
    assert reason(api) == "repeated soft bounces"


@pytest.mark.parametrize(("last", "expected"), [(30, "repeated soft bounces"), (30.001, None)])
def test_they_count_within_thirty_days(api: Api, last: float, expected: str | None) -> None:
    assert api.notify(*(soft(api, day) for day in (0, 1, 2, 3, last))) == []
    assert reason(api) == expected


FOUR = [("bounce", 0), ("bounce", 1), ("arrival", 1.5), ("bounce", 2)]
SIX = [("bounce", 0), ("bounce", 1), ("bounce", 2), ("arrival", 2.5), ("bounce", 3), ("bounce", 4)]


@pytest.mark.parametrize(
    ("told", "orders", "left"),
    [(FOUR, list(itertools.permutations(range(4))), [2]), (SIX, [(3, *range(3), 4, 5), (5, 4, 3, 2, 1, 0)], [3, 4])],
)
def test_every_order_of_bounces_and_an_arrival_gives_the_same(
    api: Api, told: list[tuple[str, float]], orders: list[tuple[int, ...]], left: list[float]
) -> None:
    for number, order in enumerate(orders):
        to = f"max{number}@example.net"
        bodies = [arrival(api, day, to) if kind == "arrival" else soft(api, day, to) for kind, day in told]
        for _ in range(2):
            assert api.notify(*(bodies[index] for index in order)) == []
            assert sorted(ground.at for ground in standing(api, to).grounds) == [at(day) for day in left]


def test_a_space_sets_the_number(api: Api) -> None:
    assert api.notify(soft(api, 0), soft(api, 1)) == []
    for limit, expected in ((2, "repeated soft bounces"), (3, None), (0, None), (1, "repeated soft bounces")):
        set_soft_bounce_limit(api, limit)
        assert reason(api) == expected


# Of some days the later ones are told of first.
SHUFFLED = [*range(1, 2 * MOST_GROUNDS, 2), *range(0, MOST_GROUNDS, 2)]


def test_soft_bounces_on_record_are_bounded_and_the_last_stay(api: Api) -> None:
    assert api.notify(*(soft(api, day) for day in SHUFFLED)) == []
    expected = [at(day) for day in sorted(SHUFFLED)[-MOST_GROUNDS:]]
    assert sorted(ground.at for ground in standing(api).grounds) == expected


def test_hard_bounces_on_record_are_bounded_and_the_first_stay(api: Api) -> None:
    assert api.notify(*(bounce(api, timestamp=at(day).isoformat()) for day in SHUFFLED)) == []
    expected = [at(day) for day in sorted(SHUFFLED)[:MOST_GROUNDS]]
    assert sorted(ground.at for ground in standing(api).grounds) == expected
    ground = standing(api).ground(SuppressionReason.HARD_BOUNCE)
    assert ground is not None
    assert (ground.at, ground.rule) == (at(0), "text-no-mailbox")


def test_an_arrival_costs_no_write_where_nothing_is_on_record(api: Api, engine: Engine) -> None:
    engine.calls.clear()
    assert api.notify(arrival(api, 0)) == []
    assert [action for action in engine.actions("dynamodb") if action not in ("GetItem", "BatchGetItem")] == ["PutItem"]
    assert api.notify(soft(api, 1)) == []
    engine.calls.clear()
    assert api.notify(arrival(api, 2)) == []
    assert "TransactWriteItems" in engine.actions("dynamodb")
    assert standing(api).grounds == frozenset()


def test_a_suppression_says_since_when_for_which_message_and_by_which_rule(api: Api) -> None:
    ref = message(api)
    hard = event("Bounce", ref, [TO], bounce=bounce_object(bounced(TO, "5.1.10", None)))
    assert api.notify(in_sns_envelope(hard)) == []
    assert standing(api).ground(SuppressionReason.HARD_BOUNCE) == Ground(
        reason=SuppressionReason.HARD_BOUNCE,
        at=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        reported_as=EventKind.BOUNCE,
        message_id=ref.message_id,
        fact_id="feedback-1",
        rule="status-address",
    )


# --- Suppressions that no event caused --------------------------------------------------------------------------------

UNSUBSCRIBE = "<https://shop.example/unsubscribe>"


def decision(reason: SuppressionReason, **members: Any) -> Decision:
    return replace(Decision(reason, at(0), RECIPIENT), **members)


def test_a_decision_is_read_as_it_was_written(api: Api) -> None:
    by_hand = decision(SuppressionReason.MANUAL, by="anna", note="Asked for it by phone, 100% #sure.")
    unsubscribed = decision(SuppressionReason.UNSUBSCRIBED, message_id=message(api).message_id)
    for each in (by_hand, unsubscribed):
        runtime.suppressions().decide(api.space, TO, each)
    assert standing(api).decisions == {by_hand, unsubscribed}
    assert standing(api).reasons(at(1)) == ["added by hand", "unsubscribed"]
    later = decision(SuppressionReason.MANUAL, at=at(1), by="bert")
    runtime.suppressions().decide(api.space, TO, later)
    assert standing(api).decisions == {later, unsubscribed}


@pytest.mark.parametrize("mail", [{}, {"listUnsubscribe": UNSUBSCRIBE}], ids=["invoice", "newsletter"])
def test_an_address_that_was_added_by_hand_gets_no_mail(api: Api, engine: Engine, mail: dict[str, str]) -> None:
    runtime.suppressions().decide(api.space, TO, decision(SuppressionReason.MANUAL))
    assert send(api, engine, **mail) == []
    (row,) = api.bounces().body["bounces"]
    assert (row["type"], row["errorCode"], row["errorText"]) == ("Hard", "5.7.1", "Not sent: added by hand")


def test_who_unsubscribed_gets_invoices_and_no_newsletters(api: Api, engine: Engine) -> None:
    runtime.suppressions().decide(api.space, TO, decision(SuppressionReason.UNSUBSCRIBED))
    assert send(api, engine) == [[TO]]
    assert api.bounces().body["bounces"] == []
    assert send(api, engine, recipient="ann@example.net", bccRecipient=TO, listUnsubscribe=UNSUBSCRIBE) == [
        ["ann@example.net"]
    ]
    assert send(api, engine, listUnsubscribe=UNSUBSCRIBE) == []
    rows = api.bounces().body["bounces"]
    assert {(row["recipient"], row["type"], row["errorText"]) for row in rows} == {
        (TO, "Hard", "Not sent: unsubscribed")
    }
    assert len(rows) == 2


def test_who_unsubscribed_and_complained_gets_no_mail_at_all(api: Api, engine: Engine) -> None:
    runtime.suppressions().decide(api.space, TO, decision(SuppressionReason.UNSUBSCRIBED))
    api.notify(complaint(api))
    assert send(api, engine) == []
    assert reason(api) == "complaint"


def test_a_decision_that_was_lifted_ends_and_the_lifting_is_remembered(api: Api, engine: Engine) -> None:
    for each in (SuppressionReason.MANUAL, SuppressionReason.UNSUBSCRIBED):
        runtime.suppressions().decide(api.space, TO, decision(each))
    lifting = Lifting(frozenset({SuppressionReason.UNSUBSCRIBED}), at(1), "anna", "He asked for the newsletter again.")
    runtime.suppressions().lift(api.space, TO, standing(api), lifting)
    assert standing(api).decisions == {decision(SuppressionReason.MANUAL)}
    assert standing(api).liftings == {lifting}


def test_the_last_liftings_are_remembered(api: Api) -> None:
    for day in range(MOST_LIFTINGS + 2):
        lifting = Lifting(frozenset({SuppressionReason.MANUAL}), at(day), "anna", "")
        runtime.suppressions().lift(api.space, TO, standing(api), lifting)
        assert len(standing(api).liftings) == min(day + 1, MOST_LIFTINGS)
    assert sorted(each.at for each in standing(api).liftings) == [at(day) for day in range(2, MOST_LIFTINGS + 2)]
