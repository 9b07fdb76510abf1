"""A send with the header Polypost-Dry-Run: it tells what would happen, and nothing does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from polypost.adapters.mail_queue import decode
from polypost.models.access import Scope
from support.inxmail import send_body
from support.template_engine import Engine

from .conftest import SECRET, Answer, Api, create_credential
from .test_send import BODY
from .test_suppression import TO, complaint, create
from .test_suppression import send as send_and_deliver

BCC = "bcc@example.org"


def try_to_send(api: Api, engine: Engine, headers: dict[str, str] | None = None, **members: Any) -> Answer:
    """A dry run; it may read, and do nothing else."""
    engine.calls.clear()
    answer = api.send(send_body(**members), headers={"polypost-dry-run": "true"} | (headers or {}))
    assert {call.action for call in engine.calls} <= {"GetItem", "BatchGetItem"}
    assert engine.receive("MailQueueUrl") == []
    return answer


def would_send(*addresses: str) -> list[dict[str, Any]]:
    return [{"recipient": address, "wouldSend": True} for address in addresses]


def test_a_mail_that_would_be_sent(api: Api, engine: Engine) -> None:
    answer = try_to_send(api, engine, bccRecipient=BCC)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.body == {"dryRun": True, "wouldSend": True, "recipients": would_send(TO, BCC)}


def test_a_recipient_who_complained_gets_nothing_and_neither_does_the_bcc(api: Api, engine: Engine) -> None:
    api.notify(complaint(api))
    answer = try_to_send(api, engine, bccRecipient=BCC)
    no_copy = "no mail to the recipient, and so no copy"
    assert answer.body == {
        "dryRun": True,
        "wouldSend": False,
        "recipients": [
            {"recipient": TO, "wouldSend": False, "reason": "complaint", "type": "Hard"},
            {"recipient": BCC, "wouldSend": False, "reason": no_copy, "type": "Hard"},
        ],
    }


def test_a_bcc_who_wants_no_mail_is_left_out_alone(api: Api, engine: Engine) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    body = {"RegistrationSource": "x", "Email": BCC, "LimitMailsTemporarilyUntil": until.isoformat()}
    assert api.http("POST", "/api/v1/Contacts", body=body).status == 201
    answer = try_to_send(api, engine, bccRecipient=BCC)
    assert answer.body["wouldSend"] is True
    no_mail = {"recipient": BCC, "wouldSend": False, "reason": "limited temporarily", "type": "Soft"}
    assert answer.body["recipients"] == [*would_send(TO), no_mail]


def test_nobody_is_told_of_twice(api: Api, engine: Engine) -> None:
    assert try_to_send(api, engine, bccRecipient=TO.upper()).body["recipients"] == would_send(TO)


@pytest.mark.parametrize("reason", ["nothing", "complaint", "limit", "bcc"])
def test_what_it_tells_is_what_happens(api: Api, engine: Engine, reason: str) -> None:
    if reason == "complaint":
        api.notify(complaint(api))
    if reason != "nothing":
        create(api, email=BCC if reason == "bcc" else TO, limit_mails_permanently=True)
    members: dict[str, Any] = {"recipient": TO, "bccRecipient": BCC}
    told = try_to_send(api, engine, **members).body["recipients"]
    mailed = send_and_deliver(api, engine, **members)
    assert [each["recipient"] for each in told if each["wouldSend"]] == [each for mail in mailed for each in mail]
    listed = {row["recipient"]: row for row in api.bounces().body["bounces"]}
    for each in told:
        if each["recipient"] in listed:
            assert listed[each["recipient"]]["type"] == each["type"]
            assert listed[each["recipient"]]["errorText"] == f"Not sent: {each['reason']}"


@pytest.mark.parametrize("value", ["false", "False", " FALSE "])
def test_false_is_like_no_header(api: Api, engine: Engine, value: str) -> None:
    answer = api.send(BODY, headers={"polypost-dry-run": value})
    assert list(answer.body) == ["messageId", "date"]
    (body,) = engine.receive("MailQueueUrl")
    assert decode(body).message_id == answer.body["messageId"]


@pytest.mark.parametrize("value", ["", "1", "yes", "true,true", "truе"])
def test_another_value_is_refused_and_nothing_is_sent(api: Api, engine: Engine, value: str) -> None:
    answer = api.send(BODY, headers={"polypost-dry-run": value})
    assert (answer.status, answer.body["message"]) == (400, "Polypost-Dry-Run must be true or false")
    assert engine.receive("MailQueueUrl") == []


@pytest.mark.parametrize("body", [{"sender": "info@elsewhere.example"}, {"recipient": "nobody"}, {"type": "sms"}])
def test_what_would_be_refused_is_refused_in_the_same_words(api: Api, engine: Engine, body: dict[str, Any]) -> None:
    tried = try_to_send(api, engine, **body)
    refused = api.send(send_body(**body))
    assert tried.status == refused.status == 400
    assert tried.body | {"timestamp": ""} == refused.body | {"timestamp": ""}


def test_a_mail_too_large_for_the_queue_is_413(api: Api, engine: Engine) -> None:
    large = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(700_000))
    assert try_to_send(api, engine, bodyContentPlainText=large).status == 413


def test_who_may_not_send_may_not_try(api: Api) -> None:
    header = {"polypost-dry-run": "true"}
    assert api.send(BODY, headers=header, credentials=(api.keyid, "wrong")).status == 401
    create_credential(f"reader-of-{api.space}", api.space, scopes=frozenset({Scope.EVENTS_READ}))
    assert api.send(BODY, headers=header, credentials=(f"reader-of-{api.space}", SECRET)).status == 403


def test_an_idempotency_key_is_neither_used_nor_used_up(api: Api, engine: Engine) -> None:
    key = {"idempotency-key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    assert try_to_send(api, engine, key).body["dryRun"] is True
    accepted = api.send(send_body(), headers=key)
    assert accepted.status == 200
    assert "messageId" in accepted.body
    engine.receive("MailQueueUrl")
    assert try_to_send(api, engine, key).body["dryRun"] is True
    assert try_to_send(api, engine, {"idempotency-key": "no key"}).status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/Contacts"),
        ("POST", "/customers/7/mails"),
        ("DELETE", "/api/v1/Contacts/1"),
        ("GET", "/api-service/custom/sap/v1/bounces"),
    ],
)
def test_an_endpoint_without_a_dry_run_refuses_to_carry_out_what_was_not_meant(
    api: Api, engine: Engine, method: str, path: str
) -> None:
    answer = api.http(method, path, headers={"polypost-dry-run": "true"})
    assert answer.status == 400
    assert "Polypost-Dry-Run is not supported by this endpoint" in str(answer.body)
    assert {call.action for call in engine.calls} <= {"GetItem"}
