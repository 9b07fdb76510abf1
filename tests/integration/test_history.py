"""One person's history: what was recorded of a contact by any API, and its erasure."""

import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.exceptions import ReadTimeoutError

from polypost import runtime
from polypost.adapters.dynamodb import from_item
from polypost.adapters.erasure_queue import LONGEST_DELAY
from polypost.adapters.mail_queue import decode
from polypost.models.contacts import claims_of
from polypost.models.delivery import DeliveryEvent, EventKind, Fact, MessageRef
from polypost.models.history import ErasureJob
from polypost.models.suppression import RECIPIENT, Decision, Ground, SuppressionReason
from polypost.usecases.delete_contact import GIVEN_UP
from polypost.usecases.reclassify_events import Change, apply, reclassify_events
from support.intershop import promotion_body
from support.inxmail import send_body
from support.lambda_events import http_event
from support.routes import find_route
from support.ses import bounce_object, bounced, complaint_object, event, in_sns_envelope
from support.stratuscore import entry_body
from support.template_engine import Engine

from .conftest import SECRET, Answer, Api
from .test_interactions import body as interaction_body
from .test_promotion_mails import SENDER, change_settings
from .test_worker import SesAnswers, client_error, expire_leases, recipients

ANN = "ann@example.net"
BOB = "bob@example.net"
GUID = "3d6ab237-6e5e-4e4a-b76a-4ebe7d89b9e0"


def create(api: Api, **members: Any) -> int:
    answer = api.http("POST", "/api/v1/Contacts", body={"RegistrationSource": "test"} | members)
    assert answer.status == 201, answer.body
    return int(answer.body["Id"])


def send(api: Api, engine: Engine, **mail: str) -> MessageRef:
    """Send a mail, and let the worker take it."""
    assert api.send(send_body(**{"recipient": ANN} | mail)).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    assert api.deliver(queued) == []
    return MessageRef(decode(queued).message_id, api.space)


def timeline(api: Api, contact_id: int, query: str = "") -> Answer:
    return api.http("GET", f"/api/v1/Contacts/{contact_id}/timeline", query)


def kinds(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [entry["Kind"] for entry in answer.body]


def log_of(api: Api) -> str:
    """All that the Logs table holds of the space, as one text."""
    return all_of(api, runtime.logs()._table)


def all_of(api: Api, table_name: str) -> str:
    """All that a table holds of the space, as one text."""
    pages = runtime.logs()._client.get_paginator("scan").paginate(TableName=table_name, ConsistentRead=True)
    items = [from_item(item) for page in pages for item in page["Items"]]
    return "\n".join(str(item) for item in items if api.space in str(item))


def delete(api: Api, engine: Engine, contact_id: int) -> list[str]:
    """Delete a contact; the jobs that it queues, as they stand in the queue."""
    engine.receive("ErasureQueueUrl")
    assert api.http("DELETE", f"/api/v1/Contacts/{contact_id}").status == 204
    return received(engine)


def received(engine: Engine) -> list[str]:
    """What was put into the erasure queue, whether or not its time has come."""
    calls = [json.loads(call.request) for call in engine.calls if call.action == "SendMessage"]
    engine.calls.clear()
    queue = engine.stack.outputs["ErasureQueueUrl"]
    return [call["MessageBody"] for call in calls if call["QueueUrl"] == queue]


def erase(api: Api, *jobs: str) -> list[str]:
    return api.failures("contacts_erasure", *jobs)


# --- Timeline ---------------------------------------------------------------------------------------------------------


def test_a_timeline_has_mails_and_what_became_of_them_newest_first(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email="Ann@Example.net")
    message = send(api, engine)
    send(api, engine, recipient=BOB)
    api.notify(in_sns_envelope(event("Bounce", message, [ANN], bounce=bounce_object(bounced(ANN)))))
    answer = timeline(api, contact_id)
    # SES's sample bounced long before this mail was accepted.
    assert kinds(answer) == ["Mail", "Bounce"]
    mail, bounce = answer.body
    assert mail["Details"]["MessageId"] == message.message_id
    assert mail["Details"]["Subject"] == "Hello"
    assert bounce == {
        "At": "2026-01-02T03:04:05.6780000+00:00",
        "Kind": "Bounce",
        "Details": {
            "MessageId": message.message_id,
            "Recipient": ANN,
            "Type": "Hard",
            "ErrorCode": "5.1.1",
            "ErrorText": "smtp; 550 5.1.1 user unknown",
        },
    }
    assert "Link" not in answer.headers


def put_events(api: Api, moments: list[datetime]) -> None:
    for moment in moments:
        ref = MessageRef(secrets.token_hex(12), api.space)
        fact = Fact(EventKind.DELIVERY, ANN, moment, secrets.token_hex(4))
        assert runtime.logs().put_event(DeliveryEvent(ref, fact))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_join_without_gap_or_repeat(api: Api, limit: int) -> None:
    contact_id = create(api, Email=ANN)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    put_events(api, [start + timedelta(seconds=second) for second in (0, 1, 1, 1, 1, 2, 3)])
    found, query = [], f"limit={limit}"
    while query:
        answer = timeline(api, contact_id, query)
        assert answer.status == 200
        assert len(answer.body) <= limit
        found += answer.body
        link = answer.headers.get("Link", "")
        assert link.endswith('>; rel="next"') or link == ""
        query = urlsplit(link.partition(">")[0].strip("<")).query
    assert [entry["At"] for entry in found] == sorted((entry["At"] for entry in found), reverse=True)
    assert len({entry["Details"]["MessageId"] for entry in found}) == len(found) == 7


@pytest.mark.parametrize(
    "query",
    [
        "cursor=WzUsIngiLCJ5Il0%3D",
        f"cursor={'W' * 3000}",
        "cursor=x",
        "cursor=e30%3D",
        "cursor=WzEsMiwzXQ%3D%3D",
        "limit=0",
        "limit=1001",
    ],
)
def test_a_query_that_is_none(api: Api, query: str) -> None:
    answer = timeline(api, create(api, Email=ANN), query)
    assert answer.status == 400
    assert list(answer.body["ModelState"]) == [query.partition("=")[0]]


def test_a_former_address_is_the_contacts_until_another_one_has_it(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    send(api, engine)
    version = api.http("GET", f"/api/v1/Contacts/{contact_id}").body["Version"]
    assert api.http("PUT", f"/api/v1/Contacts/{contact_id}", body={"Version": version, "Email": BOB}).status == 200
    assert kinds(timeline(api, contact_id)) == ["Mail"]
    another = create(api, Email=ANN)
    assert kinds(timeline(api, contact_id)) == []
    assert kinds(timeline(api, another)) == ["Mail"]


def test_another_space_has_its_own_history(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    ref = MessageRef(secrets.token_hex(12), f"another-{api.space}")
    runtime.logs().put_event(DeliveryEvent(ref, Fact(EventKind.DELIVERY, ANN, datetime.now(UTC), "1")))
    assert kinds(timeline(api, contact_id)) == []


def test_nobodys_timeline(api: Api) -> None:
    assert timeline(api, 4711).status == 404


def log_a_mail(api: Api, **members: str) -> Answer:
    """Tell of a mail that another system sent."""
    entry = entry_body((api.keyid, SECRET), Email=ANN, **members)
    return api.http("POST", "/api/v1/contact/coffeepage", body=entry)


def interact(api: Api, contact_id: str) -> str:
    """Create an interaction of somebody's, and follow its link; the link's path."""
    body = interaction_body(api, ContactId=contact_id)
    answer = api.http("POST", "/api/vspinteraction/create", body=body)
    assert answer.status == 200, answer.body
    path = str(urlsplit(answer.body["InteractionUrl"]).path)
    assert api.invoke("interaction_visit", visit_event(api, path))["statusCode"] == 200
    return path


def visit_event(api: Api, path: str) -> dict[str, Any]:
    route = find_route(api.template, "GET", path)
    return http_event("GET", path, route=route.path, path_parameters=route.parameters)


def test_every_api_is_in_the_timeline(api: Api, engine: Engine) -> None:
    contact_id = create(
        api,
        Email=ANN,
        ExternalIds=[{"System": "seethepro", "Id": GUID}, {"System": "intershop", "Id": "customer-1"}],
    )
    assert log_a_mail(api, SubjectLine="Told of").status == 200
    interact(api, GUID)
    change_settings(api.space, sender=SENDER)
    assert api.http("POST", "/customers/customer-1/mails", body=promotion_body()).status == 204
    (queued,) = engine.receive("MailQueueUrl")
    assert api.deliver(queued) == []
    answer = timeline(api, contact_id)
    assert sorted(kinds(answer)) == ["Interaction", "LogEntry", "Mail", "Visit"]
    details = {entry["Kind"]: entry["Details"] for entry in answer.body}
    assert details["Mail"]["SourceSystem"] == "intershop"
    assert details["LogEntry"]["Subject"] == "Told of"
    assert details["Visit"]["InteractionId"] == details["Interaction"]["InteractionId"]
    assert details["Interaction"]["ContactId"] == GUID


# --- Export -----------------------------------------------------------------------------------------------------------


def test_an_export_is_all_that_is_held(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN, LimitMailsPermanently=True, LatestPermissionSource="web form")
    send(api, engine)
    answer = api.http("GET", f"/api/v1/Contacts/{contact_id}/export")
    assert answer.status == 200
    assert list(answer.body) == ["Contact", "PermissionHistory", "Timeline"]
    assert answer.body["Contact"] == api.http("GET", f"/api/v1/Contacts/{contact_id}").body
    (permission,) = answer.body["PermissionHistory"]
    assert permission["LimitMailsPermanently"] is True
    assert permission["LatestPermissionSource"] == "web form"
    assert permission["ChangedBy"] == api.keyid
    assert sorted(entry["Kind"] for entry in answer.body["Timeline"]) == ["Mail", "Suppressed"]


def test_an_export_has_the_whole_mails_that_others_sent(api: Api) -> None:
    contact_id = create(api, Email=ANN)
    body = "Grüße, 你好 " * 50_000
    assert log_a_mail(api, EmailBody=body).status == 200
    (entry,) = api.http("GET", f"/api/v1/Contacts/{contact_id}/export").body["Timeline"]
    assert entry["Details"]["Body"] == body


def test_an_export_that_no_response_can_hold(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    contact_id = create(api, Email=ANN)
    monkeypatch.setattr("polypost.dialects.contacts.history.MAX_RESPONSE_BYTES", 100)
    answer = api.http("GET", f"/api/v1/Contacts/{contact_id}/export")
    assert answer.status == 413
    assert "polypost contacts show" in answer.body["Message"]


# --- Erasure ----------------------------------------------------------------------------------------------------------


def test_a_deleted_contact_is_taken_out_of_the_log(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN, FirstName="Ann", LastName="Leeson")
    other = send(api, engine, recipient=BOB, bccRecipient=ANN)
    message = send(api, engine, subjectContentPlainText="Dear Leeson")
    for notification in (
        event("Send", message, [ANN], send={}),
        event("Bounce", message, [ANN], bounce=bounce_object(bounced(ANN, diagnostic=f"550 <{ANN}> unknown"))),
    ):
        assert api.notify(in_sns_envelope(notification)) == []
    assert ANN in log_of(api)
    (job,) = delete(api, engine, contact_id)
    assert ANN not in job
    assert erase(api, job) == []
    log = log_of(api)
    assert ANN not in log
    assert "Leeson" not in log
    # The mail to the other person is still his, and the bounce still counts.
    assert BOB in log
    assert other.message_id in log
    (row,) = api.bounces().body["bounces"]
    assert (row["messageId"], row["recipient"], row["type"]) == (message.message_id, "", "Hard")
    assert "errorText" not in row


def test_an_erasure_is_done_again_when_all_writers_have_ended(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    message = send(api, engine)
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    calls = [json.loads(call.request) for call in engine.calls if call.action == "SendMessage"]
    assert [call["DelaySeconds"] for call in calls] == [LONGEST_DELAY]
    (second,) = received(engine)
    # What a function writes that looked before the contact was deleted.
    fact = Fact(EventKind.DELIVERY, ANN, datetime.now(UTC), "late")
    runtime.logs().put_event(DeliveryEvent(message, fact))
    assert ANN in log_of(api)
    assert erase(api, second) == []
    assert ANN not in log_of(api)
    assert received(engine) == []


def test_an_event_that_comes_after_the_erasure_is_stored_without_the_address(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    message = send(api, engine)
    (job,) = delete(api, engine, contact_id)
    # One comes before the job is done, one after it.
    delivery = event(
        "Delivery", message, [ANN], delivery={"timestamp": "2026-01-02T03:04:05.678Z", "recipients": [ANN]}
    )
    assert api.notify(in_sns_envelope(delivery)) == []
    assert erase(api, job) == []
    complaint = complaint_object(ANN)
    assert api.notify(in_sns_envelope(event("Complaint", message, [ANN], complaint=complaint))) == []
    assert ANN not in log_of(api)
    (row,) = api.complaints().body["complaints"]
    assert (row["messageId"], row["recipient"]) == (message.message_id, "")
    # Who complained is not mailed again, erased or not, and not as a new contact either.
    create(api, Email=ANN)
    engine.calls.clear()
    send(api, engine)
    assert "POST /v2/email/outbound-emails" not in engine.actions("ses")


def test_a_mail_that_was_queued_before_the_erasure_is_recorded_without_the_address(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    assert api.send(send_body(recipient=ANN, bccRecipient=BOB)).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    assert api.deliver(queued) == []
    assert "POST /v2/email/outbound-emails" in engine.actions("ses")
    assert ANN not in log_of(api)
    assert decode(queued).message_id in log_of(api)


def test_what_other_systems_told_goes_whole(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN, ExternalIds=[{"System": "seethepro", "Id": GUID}])
    log_a_mail(api, EmailBody="x" * 1000)
    path = interact(api, GUID)
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    assert ANN not in log_of(api)
    assert GUID not in log_of(api)
    assert api.invoke("interaction_visit", visit_event(api, path))["statusCode"] == 404
    # Told again, the mail from before the erasure is kept without its recipient, subject and body.
    assert log_a_mail(api, EmailBody="x" * 1000).status == 200
    log = log_of(api)
    assert ANN not in log
    assert "LOGENTRY#" in log
    again = create(api, Email=ANN)
    assert kinds(timeline(api, again)) == []


def test_who_comes_back_has_a_history_of_their_own(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    send(api, engine)
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    (second,) = received(engine)
    again = create(api, Email=ANN)
    assert kinds(timeline(api, again)) == []
    before = ErasureJob.model_validate_json(second).before
    assert before is not None
    engine.calls.clear()
    # The id of a message holds the second of its acceptance.
    message_id = (int(before.timestamp()) + 2).to_bytes(4).hex() + secrets.token_hex(8)
    fact = Fact(EventKind.DELIVERY, ANN, datetime.now(UTC), "new")
    runtime.logs().put_event(DeliveryEvent(MessageRef(message_id, api.space), fact))
    assert erase(api, second) == []
    assert kinds(timeline(api, again)) == ["Delivery"]


def test_whoever_has_the_address_since_keeps_their_log(api: Api, engine: Engine) -> None:
    (job,) = delete(api, engine, create(api, Email=ANN))
    again = create(api, Email=ANN)
    asked = ErasureJob.model_validate_json(job)
    # The queue was slow: the job is done a minute after the deletion.
    late = asked.model_copy(update={"requested_at": asked.requested_at - timedelta(minutes=1)})
    log_a_mail(api, DateSent=f"{datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%d %H:%M:%S}")
    assert erase(api, late.model_dump_json()) == []
    assert kinds(timeline(api, again)) == ["LogEntry"]


def test_a_contact_that_is_made_anew_under_its_id_does_not_stop_the_erasure(api: Api, engine: Engine) -> None:
    key = {"idempotency-key": "again"}
    body = {"RegistrationSource": "test", "Email": ANN}
    contact_id = api.http("POST", "/api/v1/Contacts", body=body, headers=key).body["Id"]
    message = send(api, engine)
    row = runtime.contacts().contact(api.space, contact_id)
    assert row is not None
    (job,) = delete(api, engine, contact_id)
    claims = list(claims_of(row.contact.profile, runtime.access().settings(api.space)))
    runtime.contacts().create(api.space, row.contact, claims, creation=row.creation, changed_by="test")
    assert erase(api, job) == []
    assert ANN not in log_of(api)
    assert message.message_id in log_of(api)


def test_a_mail_that_says_it_was_sent_tomorrow_is_erased_too(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    log_a_mail(api, DateSent=f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d %H:%M:%S}")
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    assert ANN not in log_of(api)


def test_a_former_address_is_marked_as_erased_too(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    message = send(api, engine)
    version = api.http("GET", f"/api/v1/Contacts/{contact_id}").body["Version"]
    assert api.http("PUT", f"/api/v1/Contacts/{contact_id}", body={"Version": version, "Email": BOB}).status == 200
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    api.notify(in_sns_envelope(event("Bounce", message, [ANN], bounce=bounce_object(bounced(ANN)))))
    assert ANN not in log_of(api)


def test_what_ses_said_of_a_refused_mail_is_erased_too(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact_id = create(api, Email=ANN)
    with monkeypatch.context() as patch:
        SesAnswers(patch, *[client_error("MessageRejected", message=f"Address blacklisted: {ANN}")] * 2)
        message = send(api, engine, bccRecipient=BOB)
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    assert ANN not in log_of(api)
    record, _ = runtime.logs().history(message.message_id)
    assert record is not None
    assert record.copy is not None
    assert record.failure == record.copy.failure == "refused"
    assert record.copy.recipient == BOB


@pytest.mark.parametrize("erased", [ANN, BOB])
def test_what_ses_told_of_an_erased_part_still_proves_that_it_took_it(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, erased: str
) -> None:
    contact_id = create(api, Email=erased)
    assert api.send(send_body(recipient=ANN, bccRecipient=BOB)).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    unanswered = ReadTimeoutError(endpoint_url="https://email.example.com")
    SesAnswers(monkeypatch, unanswered, unanswered, sends=True)
    engine.calls.clear()
    assert api.deliver(queued) == ["0"]
    assert recipients(engine) == [ANN, BOB]
    message = MessageRef(decode(queued).message_id, api.space)
    (job,) = delete(api, engine, contact_id)
    # One event comes before the erasure, and one after it.
    for address in (ANN, BOB):
        assert api.notify(in_sns_envelope(event("Send", message, [address], send={}))) == []
        assert erase(api, job) == []
    assert erased not in log_of(api)
    expire_leases(queued)
    assert api.deliver(queued) == []
    assert recipients(engine) == []
    assert erased not in log_of(api)


def test_a_limit_that_was_left_earlier_is_not_shortened(api: Api, engine: Engine) -> None:
    for year in (2040, 2030):
        delete(api, engine, create(api, Email=ANN, LimitMailsTemporarilyUntil=f"{year}-01-01T00:00:00Z"))
    standing = runtime.suppressions().standings(api.space, [ANN])[ANN]
    assert standing.limited_until == datetime(2040, 1, 1, tzinfo=UTC)


# --- Erasure of what keeps mail away ----------------------------------------------------------------------------------


def suppressions_of(api: Api) -> str:
    """All that the Contacts table holds of the space, as one text."""
    return all_of(api, runtime.suppressions()._table)


def suppress(api: Api, why: str) -> None:
    assert api.http("PUT", f"/api/v1/Suppressions/{ANN}", body={"Reason": why}).status == 200


def lift(api: Api, why: str) -> None:
    query = urlencode({"reason": why, "complaint": True})
    assert api.http("DELETE", f"/api/v1/Suppressions/{ANN}", query).status in (200, 204)


def listed(api: Api) -> list[tuple[str | None, list[str]]]:
    entries = api.http("GET", "/api/v1/Suppressions").body
    return [(entry["Address"], [cause["Kind"] for cause in entry["Causes"]]) for entry in entries]


def test_what_keeps_mail_away_outlives_the_person_without_a_name(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN, LimitMailsPermanently=True)
    message = send(api, engine)
    suppress(api, f"{ANN} wrote to us.")
    lift(api, "Ann Leeson called.")
    suppress(api, "Ann Leeson called again.")
    decision = Decision(SuppressionReason.UNSUBSCRIBED, datetime.now(UTC), RECIPIENT, message_id=message.message_id)
    runtime.suppressions().decide(api.space, ANN, decision)
    for notification in (
        event("Bounce", message, [ANN], bounce=bounce_object(bounced(ANN))),
        event("Complaint", message, [ANN], complaint=complaint_object(ANN)),
    ):
        tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
        later = json.loads(json.dumps(notification).replace("2026-01-02", tomorrow))
        assert api.notify(in_sns_envelope(later)) == []
    kinds = ["Complaint", "Manual", "HardBounce", "LimitedPermanently", "Unsubscribed"]
    assert listed(api) == [(ANN, kinds)]
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    held = suppressions_of(api)
    assert ANN not in held
    assert "Leeson" not in held
    assert listed(api) == [(None, kinds)]
    # Whoever asks for the address is told, without what anybody said of the person.
    found = api.http("GET", f"/api/v1/Suppressions/{ANN}").body
    assert {cause["Reason"] for cause in found["Causes"]} == {None, ""}
    assert [lifting["Reason"] for lifting in found["Liftings"]] == [""]
    send(api, engine)
    assert engine.actions("ses") == []


def test_what_ses_tells_after_the_erasure_suppresses_without_the_address(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    message = send(api, engine)
    (job,) = delete(api, engine, contact_id)
    assert api.notify(in_sns_envelope(event("Bounce", message, [ANN], bounce=bounce_object(bounced(ANN))))) == []
    assert erase(api, job) == []
    assert api.notify(in_sns_envelope(event("Complaint", message, [ANN], complaint=complaint_object(ANN)))) == []
    assert ANN not in suppressions_of(api)
    assert listed(api) == [(None, ["Complaint", "HardBounce"])]


def test_what_a_late_function_wrote_of_an_address_goes_with_the_second_pass(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    message = send(api, engine)
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    (second,) = received(engine)
    # Its function looked before the contact was deleted.
    ground = Ground(SuppressionReason.COMPLAINT, datetime.now(UTC), EventKind.COMPLAINT, message.message_id, "1", "x")
    late = runtime.suppressions().change(api.space, ANN, [], [ground], anonymous=False)
    assert late is not None
    runtime.suppressions()._client.transact_write_items(TransactItems=[late])
    assert listed(api) == [(ANN, ["Complaint"])]
    assert erase(api, second) == []
    assert ANN not in suppressions_of(api)
    assert listed(api) == [(None, ["Complaint"])]


def test_who_comes_back_and_is_suppressed_keeps_the_address_through_the_second_pass(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    suppress(api, "Before.")
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    (second,) = received(engine)
    before = ErasureJob.model_validate_json(second).before
    assert before is not None
    again = create(api, Email=ANN, LimitMailsPermanently=True)
    message_id = (int(before.timestamp()) + 2).to_bytes(4).hex() + secrets.token_hex(8)
    decision = Decision(SuppressionReason.UNSUBSCRIBED, datetime.now(UTC), RECIPIENT, "x", message_id)
    runtime.suppressions().decide(api.space, ANN, decision)
    assert erase(api, second) == []
    assert listed(api) == [(ANN, ["Manual", "LimitedPermanently", "Unsubscribed"])]
    found = api.http("GET", f"/api/v1/Suppressions/{ANN}").body["Causes"]
    assert [(cause["Reason"], cause["ContactId"]) for cause in found] == [("", None), (None, again), ("x", None)]


def test_a_contact_of_a_former_address_takes_nothing_of_who_has_it_now(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    version = api.http("GET", f"/api/v1/Contacts/{contact_id}").body["Version"]
    assert api.http("PUT", f"/api/v1/Contacts/{contact_id}", body={"Version": version, "Email": BOB}).status == 200
    create(api, Email=ANN, LimitMailsPermanently=True)
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    assert listed(api) == [(ANN, ["LimitedPermanently"])]


def test_a_timeline_that_is_too_long_ends_earlier(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    contact_id = create(api, Email=ANN)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    put_events(api, [start + timedelta(seconds=second) for second in range(8)])
    monkeypatch.setattr("polypost.dialects.contacts.history.MAX_RESPONSE_BYTES", 500)
    found, query = [], "limit=8"
    while query:
        answer = timeline(api, contact_id, query)
        found += answer.body
        query = urlsplit(answer.headers.get("Link", "").partition(">")[0].strip("<")).query
    assert len({entry["At"] for entry in found}) == len(found) == 8


def test_a_job_waits_for_its_deletion_and_is_dropped_where_none_comes(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    send(api, engine)
    row = runtime.contacts().contact(api.space, contact_id)
    assert row is not None
    address_hashes = runtime.contacts().address_hashes(api.space, row)
    job = ErasureJob(
        space=api.space,
        contact_id=contact_id,
        first_place=row.first_place,
        address_hashes=address_hashes,
        persons=runtime.contacts().persons(api.space, row, address_hashes),
        requested_at=datetime.now(UTC),
    )
    assert erase(api, job.model_dump_json()) == ["0"]
    old = job.model_copy(update={"requested_at": datetime.now(UTC) - GIVEN_UP})
    assert erase(api, old.model_dump_json()) == []
    assert ANN in log_of(api)
    assert received(engine) == []


def test_no_contact_is_deleted_without_its_job(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    contact_id = create(api, Email=ANN)

    def fail(**_: object) -> None:
        raise runtime.erasures()._client.exceptions.ClientError(
            {"Error": {"Code": "ServiceUnavailable", "Message": ""}}, "SendMessage"
        )

    monkeypatch.setattr(runtime.erasures()._client, "send_message", fail)
    assert api.http("DELETE", f"/api/v1/Contacts/{contact_id}").status == 503
    assert api.http("GET", f"/api/v1/Contacts/{contact_id}").status == 200


def test_what_is_no_job_stays_in_the_queue(api: Api) -> None:
    assert erase(api, "{}", "no JSON") == ["0", "1"]


def test_the_evidence_of_a_bounce_is_erased_and_the_bounce_is_not_read_again(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    message = send(api, engine)
    reported = bounced(ANN, f"5.2.2 ({ANN} is full)", f"552 5.2.2 <{ANN}> mailbox of Ann Leeson is full")
    for destination in ([ANN], [BOB, ANN]):
        bounce = bounce_object(reported, feedbackId=f"to {len(destination)}")
        assert api.notify(in_sns_envelope(event("Bounce", message, destination, bounce=bounce))) == []
    bobs = bounce_object(bounced(BOB, diagnostic=f"550 5.1.1 unknown, as {ANN} is"))
    assert api.notify(in_sns_envelope(event("Bounce", message, [BOB, ANN], bounce=bobs))) == []
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    log = log_of(api)
    assert ANN not in log
    assert "Leeson" not in log
    # One comes late.
    late = bounce_object(reported, feedbackId="late")
    assert api.notify(in_sns_envelope(event("Bounce", message, [ANN], bounce=late))) == []
    assert ANN not in log_of(api)
    assert {(row["recipient"], row["type"]) for row in api.bounces().body["bounces"]} == {("", "Soft"), (BOB, "Hard")}
    found = reclassify_events(api.space, None, 5, logs=runtime.logs(), suppressions=runtime.suppressions())
    assert (found.read, found.without_evidence, found.changes) == (4, 4, ())


def test_an_event_that_is_erased_while_it_is_read_again_is_not_brought_back(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=ANN)
    message = send(api, engine)
    api.notify(in_sns_envelope(event("Bounce", message, [ANN], bounce=bounce_object(bounced(ANN)))))
    (old,) = runtime.logs().history(message.message_id)[1]
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    change = Change(old, replace(old, fact=replace(old.fact, type="Soft")))
    assert not apply(change, logs=runtime.logs(), suppressions=runtime.suppressions())
    assert ANN not in log_of(api)
