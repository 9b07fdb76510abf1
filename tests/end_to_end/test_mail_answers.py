"""Questions about mail on the running stack: what would happen, what did, and what was put aside."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from functools import partial

from polypost.adapters import keys
from polypost.adapters.access_table import AccessTable
from polypost.adapters.mail_queue import encode
from polypost.models.attempts import Attempt
from polypost.models.delivery import MessageRef
from polypost.models.history import ErasureJob
from polypost.models.mail import Mail, Mailbox, QueuedMail
from polypost.models.message_ids import new_message_id
from polypost_local import demo
from support.command import Run, as_json
from support.inxmail import send_body
from support.ses import bounce_object, bounced, event, in_sns_envelope
from support.waiting import eventually

from .conftest import LocalEngine, RunningStack
from .test_inxmail import API, AUTH, listed, mail, send

BOUNCE = "bounce@simulator.amazonses.com"


def new_address() -> str:
    return f"{secrets.token_hex(6)}@example.net"


def address_key(engine: LocalEngine) -> bytes:
    return AccessTable(engine.client("dynamodb"), engine.outputs["AccessTable"]).address_key()


def put(engine: LocalEngine, output: str, body: str) -> None:
    engine.client("sqs").send_message(QueueUrl=engine.outputs[output], MessageBody=body)


def test_a_dry_run_sends_nothing(local_stack: RunningStack) -> None:
    subject = secrets.token_hex(8)
    header = {"Polypost-Dry-Run": "true"}
    body = send_body(subjectContentPlainText=subject)
    answer = local_stack.client.post(f"{API}/send", json=body, auth=AUTH, headers=header)
    assert answer.status_code == 200
    told = [{"recipient": "max@example.net", "wouldSend": True}]
    assert answer.json() == {"dryRun": True, "wouldSend": True, "recipients": told}
    mail(local_stack, send(local_stack))
    assert subject not in [entry["subject"] for entry in local_stack.client.get("/_local/mailbox").json()]


def test_a_test_mail_is_followed_to_its_bounce(run: Run) -> None:
    to = ("send", "--space", demo.SPACE, "--from", "shop@example.com", "--to", BOUNCE, "--wait")
    told = as_json(run, *to)
    assert told["status"] == "bounced"
    assert "there is no such mailbox (5.1.1): smtp; 550 5.1.1 user unknown." in told["why"]
    shown = run("messages", "show", told["messageId"]).stdout
    assert told["why"] in " ".join(shown.split())


def test_every_mail_to_an_address_and_its_standing(
    local_stack: RunningStack, local_engine: LocalEngine, run: Run
) -> None:
    address = new_address()
    mails = partial(as_json, run, "messages", "list", "--space", demo.SPACE, "--to", address)
    first = send(local_stack, recipient=address)
    eventually(lambda: [each["status"] for each in mails()["messages"]] == ["delivered"])
    bounce = event("Bounce", MessageRef(first, demo.SPACE), [address], bounce=bounce_object(bounced(address)))
    local_engine.client("sns").publish(TopicArn=local_engine.outputs["SesTopicArn"], Message=json.dumps(bounce))
    eventually(lambda: listed(local_stack, "bounces", first))
    second = send(local_stack, recipient=address)
    eventually(lambda: [each["messageId"] for each in mails()["messages"]] == [second, first])
    eventually(lambda: mails()["messages"][0]["status"] == "suppressed")
    known = mails()
    assert [each["status"] for each in known["messages"]] == ["suppressed", "bounced"]
    assert known["messages"][0]["why"].startswith("Not sent: an earlier mail to the address bounced for good on ")
    assert f"(message {first}, rule " in known["messages"][0]["why"]
    assert known["standing"]["getsMail"] is False
    assert [each["rule"] for each in known["standing"]["reasons"]] == ["hard bounce"]


def test_a_mail_that_was_put_aside_goes_out_once(
    local_stack: RunningStack, local_engine: LocalEngine, run: Run
) -> None:
    accepted_at = datetime.now(UTC)
    queued = QueuedMail(
        message_id=new_message_id(Attempt.fresh(accepted_at), address_key(local_engine)),
        space=demo.SPACE,
        accepted_at=accepted_at,
        mail=Mail(
            sender=Mailbox(address="info@example.com"),
            recipient=Mailbox(address="max@example.net"),
            subject="Put aside",
            text="Put aside",
        ),
    )
    put(local_engine, "MailDeadLetterQueueUrl", encode(queued))
    assert as_json(run, "messages", "show", queued.message_id)["status"] == "queued"
    assert as_json(run, "queues", "redrive", "mail")["moved"] >= 1
    assert mail(local_stack, queued.message_id)["subject"] == "Put aside"
    # Once more changes nothing.
    put(local_engine, "MailDeadLetterQueueUrl", encode(queued))
    run("queues", "redrive", "mail")
    mail(local_stack, send(local_stack))
    mail(local_stack, queued.message_id)


def test_a_notification_that_sns_put_aside_is_recorded(
    local_stack: RunningStack, local_engine: LocalEngine, run: Run
) -> None:
    address = new_address()
    message_id = send(local_stack, recipient=address)
    mail(local_stack, message_id)
    bounce = event("Bounce", MessageRef(message_id, demo.SPACE), [address], bounce=bounce_object(bounced(address)))
    put(local_engine, "SesEventsDeadLetterQueueUrl", in_sns_envelope(bounce))
    assert as_json(run, "queues", "redrive", "events")["moved"] == 1
    (row,) = eventually(lambda: listed(local_stack, "bounces", message_id))
    assert row["errorCode"] == "5.1.1"


def test_an_erasure_that_was_put_aside_is_done(local_stack: RunningStack, local_engine: LocalEngine, run: Run) -> None:
    address = new_address()
    message_id = send(local_stack, recipient=address)
    shown = partial(as_json, run, "messages", "show", message_id)
    eventually(lambda: shown()["status"] == "delivered")
    address_hash = keys.address_hash(address_key(local_engine), address)
    job = ErasureJob(
        space=demo.SPACE,
        contact_id=2_000_000_000,
        first_place="",
        address_hashes=(address_hash,),
        persons=(keys.person(demo.SPACE, address_hash),),
        requested_at=datetime.now(UTC) + timedelta(seconds=1),
    )
    put(local_engine, "ErasureDeadLetterQueueUrl", job.model_dump_json())
    assert as_json(run, "queues", "redrive", "erasures")["moved"] == 1
    eventually(lambda: shown()["message"]["recipient"] == "")
    known = shown()
    assert address not in json.dumps(known)
    assert known["status"] == "delivered"
