"""SES's notifications, in both families and both envelopes, as the lists show them."""

import itertools
import json
import secrets
from typing import Any

import pytest

from polypost import runtime
from polypost.adapters import keys
from polypost.adapters.dynamodb import from_item, to_item
from polypost.adapters.mail_queue import decode
from polypost.mail.mime import MESSAGE_ID_HEADER
from polypost.models.addresses import normalised
from polypost.models.delivery import MessageRef
from polypost.models.mail import Part
from support.lambda_events import sns_event
from support.ses import (
    BOUNCED_AT,
    bounce_object,
    bounced,
    complaint_object,
    event,
    in_sns_envelope,
    mail_object,
)
from support.template_engine import Engine

from .conftest import Api
from .test_worker import queue_mail

TO = "max@example.net"


@pytest.fixture
def message(api: Api) -> MessageRef:
    """A message that SES took; no row is needed of it, since its tags say what it is."""
    return MessageRef(secrets.token_hex(12), api.space, "S", "C")


def facts(message: MessageRef) -> list[dict[str, Any]]:
    """Every event that is stored of a message."""
    answer = runtime.logs()._client.query(
        TableName=runtime.logs()._table,
        KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
        ExpressionAttributeValues=to_item({":pk": keys.message(message.message_id)["PK"], ":sk": "EVENT"}),
    )
    return [from_item(item) for item in answer["Items"]]


def feedback(
    kind: str, ses_message_id: str, headers: list[dict[str, str]] | None = None, **objects: Any
) -> dict[str, Any]:
    """A feedback notification: no tags, and headers only where SES was told to include them."""
    mail = mail_object([TO], ses_message_id) | ({"headers": headers} if headers else {})
    return {"notificationType": kind, "mail": mail, **objects}


def test_a_bounce_is_listed(api: Api, message: MessageRef) -> None:
    assert api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=bounce_object(bounced(TO))))) == []
    answer = api.bounces()
    assert answer.body == {
        "page": 0,
        "lastPage": True,
        "bounces": [
            {
                "sourceSystem": "S",
                "campaignId": "C",
                "messageId": message.message_id,
                "recipient": TO,
                "errorCode": "5.1.1",
                "errorText": "smtp; 550 5.1.1 user unknown",
                "type": "Hard",
                "timestamp": "20260102030405",
            }
        ],
    }
    assert api.complaints().body["complaints"] == []


def test_a_complaint_is_listed(api: Api, message: MessageRef) -> None:
    assert api.notify(in_sns_envelope(event("Complaint", message, [TO], complaint=complaint_object(TO)))) == []
    assert api.complaints().body["complaints"] == [
        {
            "sourceSystem": "S",
            "campaignId": "C",
            "messageId": message.message_id,
            "recipient": TO,
            "type": "abuse",
            "timestamp": "20260102030405",
        }
    ]
    assert api.bounces().body["bounces"] == []


def test_free_text_in_tags_comes_back_as_it_was(api: Api) -> None:
    message = MessageRef(secrets.token_hex(12), api.space, "Prüfung #1/ä", "日本 & mehr")
    api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=bounce_object(bounced(TO)))))
    (row,) = api.bounces().body["bounces"]
    assert (row["sourceSystem"], row["campaignId"]) == ("Prüfung #1/ä", "日本 & mehr")


def test_a_message_without_source_and_campaign_is_listed_without_them(api: Api) -> None:
    message = MessageRef(secrets.token_hex(12), api.space)
    api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=bounce_object(bounced(TO)))))
    (row,) = api.bounces().body["bounces"]
    assert "sourceSystem" not in row
    assert "campaignId" not in row


@pytest.mark.parametrize(
    ("bounce_type", "status", "expected"),
    [
        ("Permanent/General", "5.1.1", "Hard"),
        ("Permanent/General", "4.0.0", "Soft"),
        ("Permanent/General", None, "Hard"),
        ("Permanent/OnAccountSuppressionList", "5.1.1", "Hard"),
        ("Permanent/Suppressed", None, "Hard"),
        ("Transient/General", "5.3.4", "Soft"),
        ("Transient/General", "5.1.1", "Hard"),
        ("Transient/General", "4.4.7", "Soft"),
        ("Transient/MailboxFull", None, "Soft"),
        ("Undetermined/Undetermined", None, None),
        ("Undetermined/Undetermined", "5.0.0", "Hard"),
        ("Undetermined/Undetermined", "2.0.0", None),
    ],
)
def test_a_bounce_is_hard_or_soft_by_the_recipients_status_and_then_by_sess_type(
    api: Api, message: MessageRef, bounce_type: str, status: str | None, expected: str | None
) -> None:
    bounce = bounce_object(bounced(TO, status, None), bounce_type=bounce_type)
    assert api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=bounce))) == []
    (row,) = api.bounces().body["bounces"]
    assert row.get("type") == expected
    assert row.get("errorCode") == status
    assert row["errorText"] == bounce_type


def test_recipients_are_classified_one_by_one(api: Api, message: MessageRef) -> None:
    bounce = bounce_object(bounced("a@example.net", "5.1.1"), bounced("b@example.net", "4.2.2"))
    api.notify(in_sns_envelope(event("Bounce", message, ["a@example.net", "b@example.net"], bounce=bounce)))
    assert {(row["recipient"], row["type"]) for row in api.bounces().body["bounces"]} == {
        ("a@example.net", "Hard"),
        ("b@example.net", "Soft"),
    }


def test_an_out_of_office_answer_is_no_bounce(api: Api, message: MessageRef) -> None:
    bounce = bounce_object(bounced(TO, None, None), bounce_type="Transient/General")
    assert api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=bounce))) == []
    assert api.bounces().body["bounces"] == []
    assert [fact["kind"] for fact in facts(message)] == ["auto-reply"]


@pytest.mark.parametrize("known", [{"status": "4.2.2"}, {"diagnosticCode": "smtp; 452 full"}, {"action": "failed"}])
def test_a_transient_bounce_that_says_why_is_one(api: Api, message: MessageRef, known: dict[str, str]) -> None:
    bounce = bounce_object({"emailAddress": TO} | known, bounce_type="Transient/General")
    api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=bounce)))
    assert [row["type"] for row in api.bounces().body["bounces"]] == ["Soft"]


def test_not_spam_is_no_complaint(api: Api, message: MessageRef) -> None:
    complaint = complaint_object(TO, complaintFeedbackType="not-spam")
    assert api.notify(in_sns_envelope(event("Complaint", message, [TO], complaint=complaint))) == []
    assert api.complaints().body["complaints"] == []
    assert [fact["kind"] for fact in facts(message)] == ["not-spam"]


def test_a_complaint_without_a_type_is_listed_without_one(api: Api, message: MessageRef) -> None:
    complaint = complaint_object(TO, complaintFeedbackType=None)
    api.notify(in_sns_envelope(event("Complaint", message, [TO], complaint=complaint)))
    (row,) = api.complaints().body["complaints"]
    assert "type" not in row


def test_the_accounts_suppression_list_is_no_complaint_but_a_mail_that_did_not_arrive(
    api: Api, message: MessageRef
) -> None:
    complaint = complaint_object(TO, complaintSubType="OnAccountSuppressionList")
    api.notify(in_sns_envelope(event("Complaint", message, [TO], complaint=complaint)))
    assert api.complaints().body["complaints"] == []
    assert [row["type"] for row in api.bounces().body["bounces"]] == ["Hard"]


def test_a_reject_is_listed_without_a_type(api: Api, message: MessageRef) -> None:
    api.notify(in_sns_envelope(event("Reject", message, [TO], reject={"reason": "Bad content"})))
    (row,) = api.bounces().body["bounces"]
    assert row["errorText"] == "Bad content"
    assert "type" not in row


@pytest.mark.parametrize(
    ("kind", "objects", "stored"),
    [
        ("Send", {"send": {}}, "send"),
        ("Delivery", {"delivery": {"timestamp": "2026-01-02T03:04:05.678Z", "recipients": [TO]}}, "delivery"),
        (
            "DeliveryDelay",
            {
                "deliveryDelay": {
                    "timestamp": "2026-01-02T03:04:05.678Z",
                    "delayType": "TransientCommunicationFailure",
                    "delayedRecipients": [{"emailAddress": TO, "status": "4.4.1"}],
                }
            },
            "delivery-delay",
        ),
        ("Rendering Failure", {"failure": {"errorMessage": "x", "templateName": "t"}}, "rendering-failure"),
        ("Subscription", {"subscription": {"timestamp": "2026-01-02T03:04:05.678Z"}}, "subscription"),
        ("Open", {"open": {"timestamp": "2026-01-02T03:04:05.678Z"}}, "open"),
        ("Click", {"click": {"timestamp": "2026-01-02T03:04:05.678Z", "link": "https://example.com"}}, "click"),
    ],
)
def test_every_other_event_is_kept_and_listed_nowhere(
    api: Api, message: MessageRef, kind: str, objects: dict[str, Any], stored: str
) -> None:
    assert api.notify(in_sns_envelope(event(kind, message, [TO], **objects))) == []
    (fact,) = facts(message)
    assert (fact["kind"], fact["recipient"]) == (stored, TO)
    assert api.bounces().body["bounces"] == []
    assert api.complaints().body["complaints"] == []


def test_every_permutation_of_duplicates_gives_the_same_items(api: Api, engine: Engine) -> None:
    def notifications(message: MessageRef) -> list[str]:
        return [
            in_sns_envelope(event("Send", message, [TO], send={})),
            in_sns_envelope(event("Bounce", message, [TO], bounce=bounce_object(bounced(TO)))),
            in_sns_envelope(event("Complaint", message, [TO], complaint=complaint_object(TO))),
            in_sns_envelope(event("Bounce", message, [TO], bounce=bounce_object(bounced(TO)))),
        ]

    outcomes = []
    for order in itertools.permutations(range(4)):
        message = MessageRef(secrets.token_hex(12), api.space, "S", "C")
        bodies = notifications(message)
        assert api.notify(*(bodies[number] for number in order)) == []
        volatile = {"PK", "messageId", "eventOrder"}
        outcomes.append([{k: v for k, v in fact.items() if k not in volatile} for fact in facts(message)])
    assert len(outcomes[0]) == 3
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_two_bounces_of_one_recipient_are_two(api: Api, message: MessageRef) -> None:
    for feedback_id in ("one", "two"):
        bounce = bounce_object(bounced(TO), feedbackId=feedback_id)
        api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=bounce)))
    assert len(api.bounces().body["bounces"]) == 2


def test_without_a_feedback_id_the_time_tells_bounces_apart(api: Api, message: MessageRef) -> None:
    for timestamp in ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.679Z", "2026-01-02T03:04:05.678Z"):
        bounce = bounce_object(bounced(TO), feedbackId=None, timestamp=timestamp)
        api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=bounce)))
    assert len(api.bounces().body["bounces"]) == 2


def test_a_feedback_notification_finds_its_message_by_sess_id(api: Api, engine: Engine) -> None:
    queued = queue_mail(api, engine)
    assert api.deliver(queued) == []
    (message,) = [
        json.loads(call.response)["MessageId"] for call in engine.calls if call.action.endswith("outbound-emails")
    ]
    assert api.notify(in_sns_envelope(feedback("Bounce", message, bounce=bounce_object(bounced(TO))))) == []
    (row,) = api.bounces("sourceSystem=S&campaignId=C").body["bounces"]
    assert row["recipient"] == TO


def test_a_feedback_notification_finds_its_message_by_our_header(api: Api, engine: Engine) -> None:
    queued = queue_mail(api, engine)
    assert api.deliver(queued) == []
    message_id = api.message_id_of(queued)
    headers = [{"name": "From", "value": "x"}, {"name": MESSAGE_ID_HEADER.upper(), "value": message_id}]
    notification = feedback("Complaint", "unknown-to-us", headers, complaint=complaint_object(TO))
    assert api.notify(in_sns_envelope(notification)) == []
    assert [row["messageId"] for row in api.complaints().body["complaints"]] == [message_id]


def test_a_feedback_notification_that_finds_nothing_is_tried_again(api: Api) -> None:
    notification = feedback("Bounce", secrets.token_hex(8), bounce=bounce_object(bounced(TO)))
    assert api.notify(in_sns_envelope(notification)) == ["0"]


def test_both_families_tell_of_one_bounce(api: Api, engine: Engine) -> None:
    queued = queue_mail(api, engine)
    api.deliver(queued)
    message = MessageRef(api.message_id_of(queued), api.space, "S", "C")
    headers = [{"name": MESSAGE_ID_HEADER, "value": message.message_id}]
    api.notify(
        in_sns_envelope(event("Bounce", message, [TO], bounce=bounce_object(bounced(TO)))),
        in_sns_envelope(feedback("Bounce", "any", headers, bounce=bounce_object(bounced(TO)))),
    )
    assert len(api.bounces().body["bounces"]) == 1


def test_raw_message_delivery_is_read(api: Api, message: MessageRef) -> None:
    assert api.notify(json.dumps(event("Bounce", message, [TO], bounce=bounce_object(bounced(TO))))) == []
    assert len(api.bounces().body["bounces"]) == 1


def test_sns_may_invoke_the_function_itself(api: Api, message: MessageRef) -> None:
    notification = json.dumps(event("Bounce", message, [TO], bounce=bounce_object(bounced(TO))))
    api.invoke("ses_events", sns_event(notification))
    assert len(api.bounces().body["bounces"]) == 1


def test_an_error_fails_the_invocation_of_sns(api: Api) -> None:
    with pytest.raises(Exception, match="Not a notification of SES"):
        api.invoke("ses_events", sns_event("nonsense"))


@pytest.mark.parametrize(
    "greeting",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        json.dumps({"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have subscribed"}),
    ],
)
def test_sess_greetings_are_no_events(api: Api, greeting: str) -> None:
    assert api.notify(in_sns_envelope(greeting)) == []


def test_what_cannot_be_read_stays_in_the_queue_and_the_rest_is_recorded(api: Api, message: MessageRef) -> None:
    good = event("Bounce", message, [TO], bounce=bounce_object(bounced(TO)))
    without_mail = {name: value for name, value in good.items() if name != "mail"}
    bad_tag = json.loads(json.dumps(good))
    bad_tag["mail"]["tags"]["sourceSystem"] = ["ÿ"]
    unreadable = [
        "nonsense",
        "[]",
        in_sns_envelope("nonsense"),
        in_sns_envelope({"eventType": "Bounce"}),
        in_sns_envelope(without_mail),
        in_sns_envelope(good | {"eventType": "Novelty"}),
        in_sns_envelope(good | {"bounce": {}}),
        in_sns_envelope(good | {"bounce": bounce_object()}),
        in_sns_envelope(bad_tag),
    ]
    expected = [str(number) for number in range(len(unreadable))]
    assert api.notify(*unreadable, in_sns_envelope(good)) == expected
    assert len(api.bounces().body["bounces"]) == 1


@pytest.mark.parametrize(
    "timestamp", ["2026-01-01T22:04:05.678-05:00", "2026-01-02T03:04:05 +0000", "2026-01-02T03:04:05"]
)
def test_times_in_every_form_that_ses_writes(api: Api, message: MessageRef, timestamp: str) -> None:
    notification = event("Bounce", message, [TO], bounce=bounce_object(bounced(TO), timestamp=timestamp))
    notification["mail"]["timestamp"] = timestamp
    assert api.notify(in_sns_envelope(notification)) == []
    assert [row["timestamp"] for row in api.bounces().body["bounces"]] == ["20260102030405"]


def test_members_that_ses_leaves_empty(api: Api, message: MessageRef) -> None:
    notification = event("Bounce", message, [TO], bounce=bounce_object(bounced(TO), bounceSubType=None))
    notification["mail"]["headers"] = [{"name": "Subject", "value": None}]
    assert api.notify(in_sns_envelope(notification)) == []
    assert len(api.bounces().body["bounces"]) == 1


# --- Whose fact it is -------------------------------------------------------------------------------------------------

FORWARD = "info@shop.example"
STRANGER = "john.internal@corp.example"


def rows_of(api: Api, name: str = "bounces") -> list[tuple[str, str | None]]:
    rows = getattr(api, name)().body[name]
    return sorted((row["recipient"], row.get("type")) for row in rows)


def suppressed(api: Api, *addresses: str) -> list[str]:
    standings = runtime.suppressions().standings(api.space, addresses)
    return [address for address in addresses if standings[address].bounced or standings[address].complained]


@pytest.mark.parametrize(
    "reported", [STRANGER, "John <JOHN.INTERNAL@corp.example>", "rfc822;john.internal@corp.example", None]
)
def test_with_one_recipient_the_fact_is_the_recipients(api: Api, message: MessageRef, reported: str | None) -> None:
    said = "smtp; 550 5.1.1 <John.Internal@CORP.example>: unknown, ask postmaster@corp.example about info@shop.example"
    recipient = bounced(reported or "", diagnostic=said)
    if reported is None:
        del recipient["emailAddress"]
    assert api.notify(in_sns_envelope(event("Bounce", message, [FORWARD], bounce=bounce_object(recipient)))) == []
    (row,) = api.bounces().body["bounces"]
    assert (row["recipient"], row["type"], row["errorCode"]) == (FORWARD, "Hard", "5.1.1")
    assert row["errorText"] == (
        "smtp; 550 5.1.1 <[forwarded address]>: unknown, ask postmaster@corp.example about info@shop.example"
    )
    assert suppressed(api, FORWARD, STRANGER) == [FORWARD]
    assert "corp.example" not in str(facts(message)).replace("postmaster@corp.example", "")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("550 unknown user john.internal", "550 unknown user [forwarded address]"),
        ("550 <john.internal>: unknown", "550 <[forwarded address]>: unknown"),
        ("550 third.person@elsewhere.example gone", "550 [forwarded address] gone"),
        ("550 info@example.com to INFO@shop.example.", "550 info@example.com to INFO@shop.example."),
    ],
)
def test_nobody_learns_where_a_forward_leads(api: Api, message: MessageRef, said: str, shown: str) -> None:
    bounce = bounce_object(bounced(STRANGER, diagnostic=said))
    api.notify(in_sns_envelope(event("Bounce", message, [FORWARD], bounce=bounce)))
    assert [row["errorText"] for row in api.bounces().body["bounces"]] == [shown]


def test_an_office_may_be_where_a_forward_leads(api: Api, message: MessageRef) -> None:
    bounce = bounce_object(bounced("support@corp.example", diagnostic="550 Support@corp.example, abuse@corp.example"))
    api.notify(in_sns_envelope(event("Bounce", message, [FORWARD], bounce=bounce)))
    (row,) = api.bounces().body["bounces"]
    assert row["errorText"] == "550 [forwarded address], abuse@corp.example"


def test_a_word_is_no_address(api: Api, message: MessageRef) -> None:
    bounce = bounce_object(bounced("user@corp.example", diagnostic="550 5.1.1 user unknown <user>"))
    api.notify(in_sns_envelope(event("Bounce", message, [FORWARD], bounce=bounce)))
    (row,) = api.bounces().body["bounces"]
    assert (row["errorText"], row["type"]) == ("550 5.1.1 user unknown <[forwarded address]>", "Hard")


def test_a_forward_to_several_bounces_once(api: Api, message: MessageRef) -> None:
    alive, gone = bounced("a@corp.example", "4.2.2", "452 full"), bounced("b@corp.example")
    for order in ((alive, gone), (gone, alive)):
        assert api.notify(in_sns_envelope(event("Bounce", message, [FORWARD], bounce=bounce_object(*order)))) == []
    assert rows_of(api) == [(FORWARD, "Soft")]
    assert suppressed(api, FORWARD) == []


def test_what_names_the_recipient_goes_before_what_does_not(api: Api, message: MessageRef) -> None:
    bounce = bounce_object(bounced(STRANGER, "4.2.2", "452 full"), bounced(FORWARD))
    api.notify(in_sns_envelope(event("Bounce", message, [FORWARD], bounce=bounce)))
    assert rows_of(api) == [(FORWARD, "Hard")]


@pytest.mark.parametrize(
    ("mailed", "reported"),
    [
        ("Max@Example.net", "max@EXAMPLE.net"),
        ("max@xn--bcher-kva.example", "max@bücher.example"),
        ("max@bücher.example", "max@xn--bcher-kva.example"),
        ("Max <max@example.net>", "max@example.net"),
    ],
)
def test_of_several_recipients_the_one_in_another_spelling(
    api: Api, message: MessageRef, mailed: str, reported: str
) -> None:
    notification = event("Bounce", message, [mailed, "ann@example.net"], bounce=bounce_object(bounced(reported)))
    assert api.notify(in_sns_envelope(notification)) == []
    ((recipient, type_),) = rows_of(api)
    assert (normalised(recipient), type_) == (normalised(reported), "Hard")
    assert suppressed(api, reported, "ann@example.net") == [reported]


def test_what_matches_nobody_is_told_of_all_and_suppresses_nobody(api: Api, message: MessageRef) -> None:
    to, bcc = "to@example.net", "bcc@example.net"
    bounce = bounce_object(bounced(STRANGER, diagnostic=f"550 5.1.1 <{STRANGER}> unknown"))
    complaint = complaint_object("redacted@example.org")
    for notification in (
        event("Bounce", message, [to, bcc], bounce=bounce),
        event("Complaint", message, [to, bcc], complaint=complaint),
    ):
        assert api.notify(in_sns_envelope(notification), in_sns_envelope(notification)) == []
    assert rows_of(api) == [(bcc, None), (to, None)]
    assert rows_of(api, "complaints") == [(bcc, None), (to, None)]
    assert suppressed(api, to, bcc, STRANGER, "redacted@example.org") == []
    assert "john" not in str(facts(message))
    assert {fact["rule"] for fact in facts(message)} == {"recipient-unmatched"}


def test_of_several_recipients_one_named_and_one_not(api: Api, message: MessageRef) -> None:
    bounce = bounce_object(bounced(STRANGER), bounced("to@example.net"))
    api.notify(in_sns_envelope(event("Bounce", message, ["to@example.net", "bcc@example.net"], bounce=bounce)))
    assert rows_of(api) == [("bcc@example.net", None), ("to@example.net", "Hard")]


def test_a_delivery_to_the_end_of_a_forward_is_the_recipients(api: Api, message: MessageRef) -> None:
    delivery = {"timestamp": "2026-01-02T03:04:05.678Z", "recipients": [STRANGER], "smtpResponse": f"250 {STRANGER} OK"}
    api.notify(in_sns_envelope(event("Delivery", message, [FORWARD], delivery=delivery)))
    (fact,) = facts(message)
    assert (fact["recipient"], fact["errorText"]) == (FORWARD, "250 [forwarded address] OK")


def test_a_recipient_that_is_mailed_twice_has_one_fact(api: Api, message: MessageRef) -> None:
    bounce = bounce_object(bounced(TO), bounced(TO.upper()))
    api.notify(in_sns_envelope(event("Bounce", message, [TO, "MAX@example.net"], bounce=bounce)))
    assert [type_ for _, type_ in rows_of(api)] == ["Hard"]


# --- Members that a kind can do without -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        {"timestamp": None},
        {"timestamp": "yesterday"},
        {"timestamp": "0001-01-01T00:00:00+14:00"},
        {"timestamp": {"iso": 1}},
        {"headers": None},
        {"headers": "none"},
        {"headers": [None, {"name": "x"}, {"value": "y"}, 5]},
        {"commonHeaders": None},
        {"messageId": None},
        {"source": None},
        {"extra": {"linkTags": None}},
    ],
)
def test_a_bounce_is_read_without_what_it_does_not_need(api: Api, message: MessageRef, damage: dict[str, Any]) -> None:
    notification = event("Bounce", message, [TO], bounce=bounce_object(bounced(TO)), complaint="none", open=None)
    notification["mail"] |= damage
    assert api.notify(in_sns_envelope(notification)) == []
    assert rows_of(api) == [(TO, "Hard")]
    assert suppressed(api, TO) == [TO]


@pytest.mark.parametrize("tags", [None, {}, {"messageId": []}, {"messageId": None, "space": [None]}, [], "none"])
def test_without_readable_tags_the_header_says_which_message_it_is(api: Api, engine: Engine, tags: Any) -> None:
    queued = queue_mail(api, engine)
    assert api.deliver(queued) == []
    headers = [{"name": MESSAGE_ID_HEADER, "value": api.message_id_of(queued)}]
    notification = feedback("Bounce", "any", headers, bounce=bounce_object(bounced(TO)))
    notification["mail"]["tags"] = tags
    assert api.notify(in_sns_envelope(notification)) == []
    assert rows_of(api) == [(TO, "Hard")]


def test_empty_lists_among_other_tags(api: Api, message: MessageRef) -> None:
    notification = event("Bounce", message, [TO], bounce=bounce_object(bounced(TO)))
    notification["mail"]["tags"] |= {"ses:caller-identity": [], "ses:source-ip": None, "campaignId": []}
    assert api.notify(in_sns_envelope(notification)) == []
    assert "campaignId" not in api.bounces().body["bounces"][0]


@pytest.mark.parametrize("recipients", [{}, {"complainedRecipients": None}, {"complainedRecipients": []}])
def test_a_complaint_without_recipients_is_the_mails(api: Api, message: MessageRef, recipients: dict[str, Any]) -> None:
    complaint = complaint_object(TO)
    del complaint["complainedRecipients"]
    listed = complaint | {"complaintSubType": "OnTenantSuppressionList", "feedbackId": "another"}
    api.notify(in_sns_envelope(event("Complaint", message, [TO], complaint=listed | recipients)))
    assert rows_of(api) == [(TO, "Hard")]
    assert suppressed(api, TO) == []
    assert api.notify(in_sns_envelope(event("Complaint", message, [TO], complaint=complaint | recipients))) == []
    assert rows_of(api, "complaints") == [(TO, "abuse")]


def test_a_list_of_sess_own_that_names_nobody_is_no_complaint_of_several(api: Api, message: MessageRef) -> None:
    complaint = complaint_object(TO, complaintSubType="OnAccountSuppressionList")
    del complaint["complainedRecipients"]
    to = ["a@example.net", "b@example.net"]
    assert api.notify(in_sns_envelope(event("Complaint", message, to, complaint=complaint))) == []
    assert rows_of(api) == [("a@example.net", None), ("b@example.net", None)]
    assert rows_of(api, "complaints") == []


def test_a_bounce_without_a_time_of_its_own_has_the_mails(api: Api, message: MessageRef) -> None:
    bounce = bounce_object(bounced(TO), timestamp=None)
    assert api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=bounce))) == []
    assert [row["timestamp"] for row in api.bounces().body["bounces"]] == ["20260102030400"]


@pytest.mark.parametrize(
    ("kind", "objects", "damage"),
    [
        ("Send", {"send": {}}, {"timestamp": None}),
        ("Reject", {"reject": {"reason": "x"}}, {"timestamp": None}),
        ("Send", {"send": {}}, {"destination": None}),
        ("Bounce", {"bounce": {"bouncedRecipients": [{}], "timestamp": BOUNCED_AT}}, {"destination": []}),
        ("Delivery", {"delivery": None}, {}),
        ("Bounce", {"bounce": bounce_object(bounced(TO))}, {"tags": {"messageId": ["../x"], "space": ["s"]}}),
        ("Bounce", {"bounce": bounce_object(bounced(TO))}, {"tags": {"messageId": ["0" * 24], "space": ["S/../"]}}),
    ],
)
def test_a_notification_is_kept_where_its_kind_needs_what_is_missing(
    api: Api, message: MessageRef, kind: str, objects: dict[str, Any], damage: dict[str, Any]
) -> None:
    notification = event(kind, message, [TO], **objects)
    notification["mail"] |= damage
    assert api.notify(in_sns_envelope(notification)) == ["0"]
    assert facts(message) == []


def test_what_ses_says_is_bounded(api: Api, message: MessageRef) -> None:
    long = "5.1.1 user unknown " * 10_000
    recipient = bounced(TO, status=long, diagnostic=long) | {"action": long}
    bounce = bounce_object(recipient, bounce_type=f"{long}/{long}", feedbackId=long)
    assert api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=bounce))) == []
    (fact,) = facts(message)
    assert len(json.dumps(fact, default=str)) < 2500
    assert rows_of(api) == [(TO, "Hard")]


# --- Whose message it is ----------------------------------------------------------------------------------------------


def test_tags_that_name_another_space_than_the_messages_own_are_kept_for_a_person(api: Api, engine: Engine) -> None:
    queued = queue_mail(api, engine)
    assert api.deliver(queued) == []
    forged = MessageRef(api.message_id_of(queued), f"other-{api.space}"[:63], "S", "C")
    notifications = [
        event("Bounce", forged, [TO], bounce=bounce_object(bounced(TO))),
        event("Send", forged, [TO], send={}),
    ]
    assert api.notify(*map(in_sns_envelope, notifications)) == ["0", "1"]
    assert facts(forged) == []
    assert runtime.suppressions().standings(forged.space, [TO])[TO].bounced is False


def test_an_event_of_another_space_before_there_is_a_row_takes_no_place(api: Api, engine: Engine) -> None:
    queued = queue_mail(api, engine)
    own = MessageRef(api.message_id_of(queued), api.space, "S", "C")
    forged = MessageRef(own.message_id, f"other-{api.space}"[:63], "S", "C")
    for message in (forged, own):
        notification = event("Bounce", message, [TO], bounce=bounce_object(bounced(TO)))
        assert api.notify(in_sns_envelope(notification)) == []
    assert len(facts(own)) == 2
    assert rows_of(api) == [(TO, "Hard")]
    assert runtime.logs().fact_of_ses(Part(decode(queued), TO)) is not None
    api.deliver(queued)
    _, events = runtime.logs().history(own.message_id)
    assert {each.message.space for each in events} == {api.space}


# --- Evidence ---------------------------------------------------------------------------------------------------------


def test_an_event_is_stored_with_its_rule_and_what_it_was_judged_by(api: Api, message: MessageRef) -> None:
    bounce = bounce_object(bounced(TO, "5.0.0 (permanent failure)", "smtp; 550 mailbox full"))
    api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=bounce)))
    (fact,) = facts(message)
    assert (fact["rule"], fact["type"], fact["errorCode"]) == ("text-mailbox-full", "Soft", "5.0.0")
    assert fact["evidence"] == {
        "sesType": "Permanent/General",
        "status": "5.0.0 (permanent failure)",
        "action": "failed",
        "diagnostic": "smtp; 550 mailbox full",
    }
    (read,) = runtime.logs().history(message.message_id)[1]
    assert read.fact.evidence is not None
    assert read.fact.error_text == "smtp; 550 mailbox full"


def test_an_authentication_report_is_no_complaint(api: Api, message: MessageRef) -> None:
    complaint = complaint_object(TO, complaintFeedbackType="auth-failure")
    assert api.notify(in_sns_envelope(event("Complaint", message, [TO], complaint=complaint))) == []
    assert api.complaints().body["complaints"] == []
    assert [fact["kind"] for fact in facts(message)] == ["auth-failure"]
    assert suppressed(api, TO) == []
