"""What is told of a mail and of an address, from what is recorded of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from polypost.models.delivery import BounceType, DeliveryEvent, EventKind, Fact, MessageRecord, MessageRef
from polypost.models.explanations import QUEUE_KEEPS, Explanation, Trace, explain, obstacles
from polypost.models.suppression import AddressStanding, Decision, Ground, Limit, SuppressionReason
from polypost_local.template import read_template
from support.template_engine import ROOT

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AT = "2026-01-02 03:04:05 UTC"
TO, BCC = "max@example.net", "bcc@example.org"
REF = MessageRef(f"{int(NOW.timestamp()):08x}{'0' * 16}", "demo")
NEUTRAL = AddressStanding()
RECORD = MessageRecord(REF, NOW, "info@example.com", TO, "Subject")
SENT = replace(RECORD, ses_message_id="ses-id", sent_at=NOW)


def fact(kind: EventKind, recipient: str = TO, **members: Any) -> Fact:
    return Fact(kind, recipient, NOW, "1", **members)


def told(
    record: MessageRecord | None, *facts: Fact, of: str | None = TO, standing: AddressStanding = NEUTRAL
) -> Explanation:
    return explain(trace(record, *facts), of, standing, NOW)


def trace(record: MessageRecord | None, *facts: Fact) -> Trace:
    return Trace(REF.message_id, record, tuple(DeliveryEvent(REF, each) for each in facts))


def suppressed(reason: str, **members: Any) -> Fact:
    members = {"type": BounceType.HARD, "error_code": "5.7.1", "error_text": f"Not sent: {reason}"} | members
    return fact(EventKind.SUPPRESSED, **members)


def limited(*, permanently: bool = False, until: datetime | None = None) -> AddressStanding:
    return AddressStanding(limits=frozenset({Limit(NOW, permanently, until, None)}))


def test_a_mail_that_nobody_took_yet() -> None:
    found = told(None, of=None)
    assert (found.status, found.rule, found.evidence) == ("queued", None, None)
    assert found.sentence == (
        f"Accepted on {AT} and not taken from the queue yet, unless it is a dead letter: see `polypost queues`."
    )


def test_a_mail_that_nobody_took_as_long_as_the_queue_keeps_it_is_not_queued_any_more() -> None:
    accepted_at = trace(None).accepted_at
    assert explain(trace(None), None, NEUTRAL, accepted_at + QUEUE_KEEPS).status == "queued"
    found = explain(trace(None), None, NEUTRAL, accepted_at + QUEUE_KEEPS + timedelta(seconds=1))
    assert (found.status, found.sentence) == (
        "expired",
        f"Accepted on {AT} and never sent: no function took it from the queue within 14 days.",
    )


def test_the_queue_keeps_a_mail_as_long_as_the_template_says() -> None:
    mail_queue = read_template(ROOT / "template.yaml").cloudformation["Resources"]["MailQueue"]["Properties"]
    assert mail_queue["MessageRetentionPeriod"] == QUEUE_KEEPS // timedelta(seconds=1)


@pytest.mark.parametrize(
    ("record", "status", "sentence"),
    [
        (
            replace(RECORD, lease_until=NOW + timedelta(minutes=1)),
            "claimed",
            "The worker is sending it; what became of it is known by 2026-01-02 03:05:05 UTC.",
        ),
        (
            replace(RECORD, lease_until=NOW),
            "claimed",
            "Not known yet: the worker was cut off while it sent the mail; the next try finds out whether SES has it,"
            " unless the mail is a dead letter: see `polypost queues`.",
        ),
        (
            RECORD,
            "claimed",
            "Not sent yet: SES did not take it at the last try, so it waits in the queue for the next one; the log of"
            " MailWorker says why.",
        ),
        (SENT, "sent", f"SES took it on {AT}; whether it arrived is not known yet."),
        (replace(RECORD, failure="refused"), "refused", "Not sent: SES refused it: refused."),
    ],
)
def test_what_the_row_alone_tells(record: MessageRecord, status: str, sentence: str) -> None:
    assert told(record) == Explanation(TO, told(record).status, sentence)
    assert told(record).status == status


@pytest.mark.parametrize(
    ("happened", "status", "rule", "sentence"),
    [
        (fact(EventKind.SEND), "sent", None, f"SES took it on {AT}; whether it arrived is not known yet."),
        (
            fact(EventKind.DELIVERY_DELAY, error_text="452 4.2.2 full."),
            "delayed",
            "delivery-delay",
            f"Not delivered yet: on {AT} the receiving server told SES to come again: 452 4.2.2 full.",
        ),
        (fact(EventKind.DELIVERY), "delivered", None, f"Delivered on {AT}: the receiving server took it."),
        (
            fact(EventKind.REJECT, error_text="MessageRejected: Email address is not verified."),
            "refused",
            "reject",
            "Not sent: SES refused it: MessageRejected: Email address is not verified.",
        ),
        (fact(EventKind.RENDERING_FAILURE), "refused", "rendering-failure", "Not sent: SES refused it."),
        (
            fact(EventKind.COMPLAINT, type="abuse"),
            "complained",
            "complaint",
            f"Delivered, and on {AT} the recipient complained about it.",
        ),
    ],
)
def test_what_an_event_tells(happened: Fact, status: str, rule: str | None, sentence: str) -> None:
    found = told(SENT, fact(EventKind.OPEN), happened)
    assert (found.status, found.rule, found.sentence, found.evidence) == (status, rule, sentence, happened)


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        (
            {"type": "Hard", "error_code": "5.1.1", "error_text": "smtp; 550 5.1.1 user unknown"},
            "(Hard): the receiving server said that there is no such mailbox (5.1.1): smtp; 550 5.1.1 user unknown.",
        ),
        (
            {"type": "Soft", "error_code": "5.7.26", "error_text": "550-5.7.26 Unauthenticated\r\n550 mail."},
            "(Soft): the receiving server said that its policy does not allow the mail (5.7.26): 550-5.7.26"
            " Unauthenticated 550 mail.",
        ),
        (
            {"type": "Soft", "error_code": "4.4.7", "error_text": None},
            "(Soft): the receiving server said that it could not deliver the mail in time (4.4.7).",
        ),
        ({"error_code": "5.0.0"}, ": the receiving server did not take it (5.0.0)."),
        ({"error_code": "no status"}, ": the receiving server did not take it (no status)."),
        ({}, ": the receiving server did not take it."),
        (
            {"rule": "ses-list", "type": "Hard", "error_code": "5.1.1"},
            "(Hard): SES did not send it, since a list of its own has the address (5.1.1).",
        ),
    ],
)
def test_what_a_bounce_tells(members: dict[str, Any], sentence: str) -> None:
    found = told(SENT, fact(EventKind.DELIVERY), fact(EventKind.BOUNCE, **members))
    assert found.status == "bounced"
    assert found.sentence.removeprefix(f"Bounced on {AT}").strip() == sentence


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("complaint", "the recipient complained about an earlier mail"),
        ("hard bounce", "an earlier mail to the address bounced for good"),
        ("added by hand", "the address was suppressed by hand"),
        ("unsubscribed", "mails like this were unsubscribed"),
        ("repeated soft bounces", "one mail after the other to the address bounced, the last"),
        (
            "limited permanently",
            "a contact with this address, perhaps deleted since, wants no mail (LimitMailsPermanently)",
        ),
        (
            "limited temporarily",
            "a contact with this address, perhaps deleted since, wants no mail for a time (LimitMailsTemporarilyUntil)",
        ),
        ("a reason of another release", "its recipient gets no mail"),
    ],
)
def test_why_a_mail_was_not_sent(reason: str, words: str) -> None:
    event = suppressed(reason)
    expected = (f"Not sent: {words}.", reason, event)
    found = told(replace(RECORD, suppression=reason), event)
    assert found.status == "suppressed"
    assert (found.sentence, found.rule, found.evidence) == expected


def test_every_reason_has_its_words() -> None:
    for reason in SuppressionReason:
        assert "gets no mail" not in told(RECORD, suppressed(reason)).sentence


def test_until_when_an_address_gets_no_mail() -> None:
    standing = limited(until=NOW + timedelta(days=1))
    assert (
        "wants no mail until 2026-01-03 03:04:05 UTC ("
        in told(RECORD, suppressed("limited temporarily"), standing=standing).sentence
    )


def test_of_who_was_erased_the_reason_is_known_all_the_same() -> None:
    record = replace(RECORD, recipient="", suppression="complaint")
    found = told(record, suppressed("", recipient="", error_text=None), of="")
    assert (found.recipient, found.rule) == ("", "complaint")
    assert found.sentence == "Not sent: the recipient complained about an earlier mail."


def test_each_recipient_has_a_fate_of_its_own() -> None:
    record = replace(SENT, bcc=BCC)
    facts = [fact(EventKind.BOUNCE, BCC.upper()), fact(EventKind.DELIVERY)]
    assert trace(record, *facts).recipients == (TO, BCC)
    assert told(record, *facts, of=TO).status == "delivered"
    assert told(record, *facts, of=BCC).status == "bounced"


def test_recipients_are_those_of_the_row_in_their_order_and_then_those_of_events() -> None:
    record = replace(SENT, bcc=BCC)
    facts = [fact(EventKind.SEND, address) for address in ("new@example.net", BCC.upper(), TO, TO.upper())]
    assert trace(record, *facts).recipients == (TO, BCC, "new@example.net")
    assert trace(None, *facts).recipients == ("new@example.net", BCC.upper(), TO)
    assert trace(None, *facts).was_for(TO.upper())
    assert not trace(None).was_for(TO)


def test_who_unsubscribed_by_a_link_is_no_other_recipient() -> None:
    facts = [fact(EventKind.DELIVERY), fact(EventKind.UNSUBSCRIBE, ""), fact(EventKind.UNSUBSCRIBE_UNDONE, "")]
    assert trace(SENT, *facts).recipients == (TO,)


def test_the_copy_of_a_mail_that_was_suppressed_does_not_go_out_either() -> None:
    record = replace(RECORD, bcc=BCC, suppression="complaint")
    found = told(record, suppressed("complaint"), of=BCC)
    assert (found.status, found.rule) == ("suppressed", "complaint")
    assert found.sentence == "Not sent: mail to its recipient is suppressed, and so no copy of it went out."


def test_a_bcc_who_gets_no_mail_is_left_out_of_one_that_went_out() -> None:
    left_out = suppressed("hard bounce", recipient=BCC)
    found = told(replace(SENT, bcc=BCC), fact(EventKind.DELIVERY), left_out, of=BCC)
    assert (found.status, found.rule, found.evidence) == ("suppressed", "hard bounce", left_out)


def test_a_message_of_which_there_are_events_alone() -> None:
    found = told(None, fact(EventKind.AUTO_REPLY))
    assert (found.status, found.sentence) == ("sent", "SES took it, but its own row is missing from the log.")
    assert told(None, fact(EventKind.BOUNCE)).status == "bounced"


def test_what_keeps_mail_from_an_address() -> None:
    until = NOW + timedelta(seconds=1)
    assert obstacles(limited(until=NOW), NOW) == {}
    grounds = frozenset(
        Ground(reason, NOW, EventKind.BOUNCE, REF.message_id, f"{reason}", "a-rule")
        for reason in (
            SuppressionReason.COMPLAINT,
            SuppressionReason.HARD_BOUNCE,
            SuppressionReason.REPEATED_SOFT_BOUNCES,
        )
    )
    decisions = frozenset(
        Decision(reason, NOW, "key-1", "asked for it")
        for reason in (SuppressionReason.MANUAL, SuppressionReason.UNSUBSCRIBED)
    )
    everything = AddressStanding(
        grounds,
        soft_bounce_limit=1,
        limits=frozenset({Limit(NOW, True, until, None)}),
        decisions=decisions,
    )
    assert list(obstacles(everything, NOW)) == list(SuppressionReason)
    told_of = obstacles(everything, NOW)[SuppressionReason.COMPLAINT]
    where = f"on {AT} (message {REF.message_id}, rule a-rule)"
    assert told_of == f"the recipient complained about an earlier mail {where}"
    by_hand = obstacles(everything, NOW)[SuppressionReason.MANUAL]
    assert by_hand == f"the address was suppressed by hand on {AT} by key-1: asked for it"
    for standing in (
        AddressStanding(),
        *(AddressStanding(frozenset({ground}), soft_bounce_limit=1) for ground in grounds),
        limited(permanently=True),
        limited(until=until),
        limited(until=NOW),
    ):
        decisive = standing.suppression(NOW, unsubscribable=True)
        assert list(obstacles(standing, NOW)) == ([decisive.reason] if decisive else [])
