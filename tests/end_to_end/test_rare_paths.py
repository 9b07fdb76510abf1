"""What happens seldom, brought about on the running stack: refusals, interrupted runs, feedback notifications."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from polypost.adapters import keys
from polypost.adapters.dynamodb import to_item
from polypost.adapters.mail_queue import encode
from polypost.mail.mime import MESSAGE_ID_HEADER
from polypost.models.access import SpaceSettings
from polypost.models.attempts import Attempt
from polypost.models.history import ErasureJob
from polypost.models.mail import Mail, Mailbox, QueuedMail
from polypost.models.message_ids import new_message_id
from polypost_local import demo
from polypost_local.permissions import PATH as PERMISSIONS
from support.ses import bounce_object, bounced, complaint_object, mail_object
from support.waiting import eventually

from .conftest import LocalEngine, RunningStack
from .test_inxmail import AUTH, listed, mail, send


def test_what_is_no_mail_waits_in_the_dead_letter_queue(local_engine: LocalEngine) -> None:
    sqs = local_engine.client("sqs")
    poison = f"not a mail {secrets.token_hex(4)}"
    sqs.send_message(QueueUrl=local_engine.outputs["MailQueueUrl"], MessageBody=poison)

    def look() -> list[str]:
        answer = sqs.receive_message(
            QueueUrl=local_engine.outputs["MailDeadLetterQueueUrl"], MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return [message["Body"] for message in answer.get("Messages", []) if message["Body"] == poison]

    assert eventually(look)


def needed(stack: RunningStack, function: str, action: str, resource: str) -> bool:
    """Whether a function has made a call."""
    entries = stack.client.get(PERMISSIONS).json()
    return any((e["function"], e["action"], e["resource"]) == (function, action, resource) for e in entries)


def queued_mail(**members: Any) -> QueuedMail:
    """A mail that was accepted an hour ago."""
    accepted_at = datetime.now(UTC) - timedelta(hours=1)
    mail_of_it = {"sender": Mailbox(address="info@example.com"), "recipient": Mailbox(address="max@example.net")}
    return QueuedMail(
        message_id=new_message_id(Attempt.fresh(accepted_at), b"a key"),
        space=demo.SPACE,
        accepted_at=accepted_at,
        mail=Mail.model_validate(mail_of_it | {"subject": "Late", "text": "Late"} | members),
    )


def queue(engine: LocalEngine, queued: QueuedMail) -> None:
    engine.client("sqs").send_message(QueueUrl=engine.outputs["MailQueueUrl"], MessageBody=encode(queued))


def test_what_ses_refuses_is_listed_without_a_type(local_stack: RunningStack, local_engine: LocalEngine) -> None:
    # No API lets such an address in; the engine's SES takes its first part for all of it.
    queued = queued_mail(recipient=Mailbox(address='"max@example"@example.net'))
    queue(local_engine, queued)
    (row,) = eventually(partial(listed, local_stack, "bounces", queued.message_id))
    assert row["errorText"] == "InvalidParameterValue: Missing domain"
    assert "type" not in row


def test_a_mail_waits_while_ses_refuses_its_domain(local_stack: RunningStack, local_engine: LocalEngine) -> None:
    domain = keys.sender_domain(demo.SPACE, "gone.example")
    table = {"TableName": local_engine.outputs["AccessTable"]}
    dynamodb = local_engine.client("dynamodb")
    dynamodb.put_item(**table, Item=to_item(domain | {"domain": "gone.example", "verified": True}))
    message_id = send(local_stack, sender="info@gone.example")
    dynamodb.delete_item(**table, Key=to_item(domain))
    eventually(partial(needed, local_stack, "MailWorker", "ses:SendEmail", "identity/gone.example"))
    # Its DNS records are back.
    local_engine.client("sesv2").create_email_identity(EmailIdentity="gone.example")
    assert mail(local_stack, message_id)["from"] == "info@gone.example"
    assert listed(local_stack, "bounces", message_id) == []


def test_a_mail_whose_run_was_cut_off_goes_out(local_stack: RunningStack, local_engine: LocalEngine) -> None:
    queued = queued_mail()
    claimed = keys.message(queued.message_id) | {
        "space": demo.SPACE,
        "sender": "info@example.com",
        "recipient": "max@example.net",
        "subject": "Late",
        "acceptedAt": keys.instant(queued.accepted_at),
        "leaseUntil": keys.instant(queued.accepted_at + timedelta(minutes=15)),
    }
    local_engine.client("dynamodb").put_item(TableName=local_engine.outputs["LogsTable"], Item=to_item(claimed))
    queue(local_engine, queued)
    assert mail(local_stack, queued.message_id)["subject"] == "Late"


def test_a_notification_waits_for_its_message(local_stack: RunningStack, local_engine: LocalEngine) -> None:
    address, queued = f"{secrets.token_hex(4)}@example.net", queued_mail()
    headers = [{"name": MESSAGE_ID_HEADER, "value": queued.message_id}]
    notification = {
        "notificationType": "Bounce",
        "mail": mail_object([address]) | {"messageId": "unknown", "headers": headers},
        "bounce": bounce_object(bounced(address)),
    }
    local_engine.client("sns").publish(TopicArn=local_engine.outputs["SesTopicArn"], Message=json.dumps(notification))
    queue_name = local_engine.outputs["SesEventsQueueUrl"].rpartition("/")[2]
    eventually(partial(needed, local_stack, "SesEvents", "sqs:ChangeMessageVisibility", queue_name))
    queue(local_engine, queued)
    assert eventually(partial(listed, local_stack, "bounces", queued.message_id))


def test_an_erasure_waits_for_its_deletion(local_stack: RunningStack, local_engine: LocalEngine) -> None:
    contact = local_stack.client.post("/api/v1/Contacts", json={"RegistrationSource": "test"}, auth=AUTH).json()
    row = local_engine.client("dynamodb").get_item(
        TableName=local_engine.outputs["ContactsTable"], Key=to_item(keys.contact(demo.SPACE, contact["Id"]))
    )
    job = ErasureJob(
        space=demo.SPACE,
        contact_id=contact["Id"],
        first_place=row["Item"]["firstPlace"]["S"],
        address_hashes=(),
        persons=(),
        requested_at=datetime.now(UTC),
    )
    url = local_engine.outputs["ErasureQueueUrl"]
    local_engine.client("sqs").send_message(QueueUrl=url, MessageBody=job.model_dump_json())
    eventually(partial(needed, local_stack, "ContactsErasure", "sqs:ChangeMessageVisibility", url.rpartition("/")[2]))
    assert local_stack.client.delete(f"/api/v1/Contacts/{contact['Id']}", auth=AUTH).status_code == 204


@pytest.mark.parametrize("by", ["header", "SES's id"])
def test_a_feedback_notification_finds_its_message(
    local_stack: RunningStack, local_engine: LocalEngine, by: str
) -> None:
    # Of its own, since it gets no more mail after this.
    address = f"{secrets.token_hex(4)}@example.net"
    message_id = send(local_stack, sourceSystem="feedback", recipient=address)
    mail(local_stack, message_id)

    def ses_id() -> Any:
        row = local_engine.client("dynamodb").get_item(
            TableName=local_engine.outputs["LogsTable"], Key=to_item(keys.message(message_id))
        )
        return row.get("Item", {}).get("sesMessageId", {}).get("S")

    mail_of_ses = mail_object([address], eventually(ses_id))
    if by == "header":
        mail_of_ses |= {"messageId": "unknown", "headers": [{"name": MESSAGE_ID_HEADER, "value": message_id}]}
    notification = {
        "notificationType": "Bounce",
        "mail": mail_of_ses,
        "bounce": bounce_object(bounced(address)),
    }
    local_engine.client("sns").publish(TopicArn=local_engine.outputs["SesTopicArn"], Message=json.dumps(notification))
    (row,) = eventually(partial(listed, local_stack, "bounces", message_id))
    assert row["sourceSystem"] == "feedback"


def report(
    engine: LocalEngine, message_id: str, address: str, told: dict[str, Any], event_type: str = "Bounce"
) -> None:
    """Let SES tell of a bounce, or of a complaint, of one of the demo space's messages."""
    tags = {"messageId": [message_id], "space": [demo.SPACE], "ses:configuration-set": ["x"]}
    notification = {
        "eventType": event_type,
        "mail": mail_object([address]) | {"tags": tags},
        event_type.lower(): told,
    }
    engine.client("sns").publish(TopicArn=engine.outputs["SesTopicArn"], Message=json.dumps(notification))


def test_an_address_that_bounces_softly_time_and_again_gets_no_more_mail(
    local_stack: RunningStack, local_engine: LocalEngine
) -> None:
    address = f"{secrets.token_hex(4)}@example.net"
    first = send(local_stack, recipient=address)
    assert mail(local_stack, first)
    # Its own delivery has to come first, or it may end the count.
    eventually(partial(delivered, local_engine, first))
    for number in range(SpaceSettings().soft_bounce_limit):
        at = (datetime.now(UTC) + timedelta(minutes=number)).isoformat()
        full = bounce_object(bounced(address, "4.2.2", "452 mailbox full"), timestamp=at, feedbackId=f"soft-{number}")
        report(local_engine, first, address, full)
    eventually(lambda: len(listed(local_stack, "bounces", first)) == SpaceSettings().soft_bounce_limit)
    second = send(local_stack, recipient=address)
    (row,) = eventually(partial(listed, local_stack, "bounces", second))
    assert (row["type"], row["errorText"]) == ("Hard", "Not sent: repeated soft bounces")


def delivered(engine: LocalEngine, message_id: str) -> list[Any]:
    found = engine.client("dynamodb").query(
        TableName=engine.outputs["LogsTable"],
        KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
        ExpressionAttributeValues=to_item(
            {
                ":pk": keys.message(message_id)["PK"],
                ":sk": keys.events_of_kind(demo.SPACE, message_id, "delivery")["SK"],
            }
        ),
    )
    return list(found["Items"])


def test_a_notification_that_sns_repeats_is_listed_once(local_stack: RunningStack, local_engine: LocalEngine) -> None:
    address = f"{secrets.token_hex(4)}@example.net"
    message_id = send(local_stack, recipient=address)
    mail_of_ses = mail_object([address]) | {
        "tags": {"messageId": [message_id], "space": [demo.SPACE], "ses:configuration-set": ["x"]}
    }
    notification = {"eventType": "Complaint", "mail": mail_of_ses, "complaint": complaint_object(address)}
    for _ in range(3):
        local_engine.client("sns").publish(
            TopicArn=local_engine.outputs["SesTopicArn"], Message=json.dumps(notification)
        )
    assert len(eventually(partial(listed, local_stack, "complaints", message_id))) == 1
