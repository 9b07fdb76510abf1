"""The mail worker: each mail once, and nothing lost."""

import itertools
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from polypost import runtime
from polypost.adapters import keys
from polypost.adapters.dynamodb import from_item, to_item
from polypost.adapters.logs_table import Claimed, ClaimLost, Leased, Settled
from polypost.adapters.mail_queue import decode, encode
from polypost.mail import mime
from polypost.models.delivery import DeliveryEvent, EventKind, Fact, MessageRef
from polypost.models.mail import Part
from polypost.usecases.deliver_mail import LEASE, MAX_FAILURES
from support.inxmail import send_body
from support.lambda_events import sqs_event
from support.ses import bounce_object, bounced, complaint_object, event, in_sns_envelope
from support.template_engine import Engine

from .conftest import Api

SENT = "POST /v2/email/outbound-emails"
TO, BCC = "max@example.net", "bcc@example.org"


def queue_mail(api: Api, engine: Engine, **mail: str) -> str:
    """Send a mail; the body of the queue's message."""
    assert api.send(send_body(sourceSystem="S", campaignId="C", **mail)).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    engine.calls.clear()
    return queued


def row(message_id: str, key: Callable[[str], keys.Key] = keys.message) -> dict[str, object]:
    """A message's item, or that of its Bcc (`keys.copy`)."""
    answer = runtime.logs()._client.get_item(
        TableName=runtime.logs()._table, Key=to_item(key(message_id)), ConsistentRead=True
    )
    return from_item(answer["Item"]) if "Item" in answer else {}


def expire_leases(queued: str) -> None:
    """Let every claim of a message have ended a moment ago."""
    message_id = decode(queued).message_id
    for key in (keys.message(message_id), keys.copy(message_id)):
        with suppress(runtime.logs()._client.exceptions.ConditionalCheckFailedException):
            runtime.logs()._client.update_item(
                TableName=runtime.logs()._table,
                Key=to_item(key),
                UpdateExpression="SET leaseUntil = :past",
                ConditionExpression="attribute_exists(leaseUntil)",
                ExpressionAttributeValues=to_item({":past": keys.instant(datetime.now(UTC) - timedelta(seconds=1))}),
            )


def tell(api: Api, queued: str, kind: str, recipient: str, **objects: object) -> None:
    """Let SES tell of a mail."""
    message = MessageRef(decode(queued).message_id, api.space, "S", "C")
    assert api.notify(in_sns_envelope(event(kind, message, [recipient], **objects))) == []


class SesAnswers:
    """Makes SES's next answers errors, as botocore raises them; then SES is itself again.

    Parameters: to, whose mails are answered so, or None for all; sends, whether SES takes the mail all the same.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *errors: Exception, to: str | None = None, sends: bool = False
    ) -> None:
        client = runtime.mailer()._client
        real = client.send_email
        pending = list(errors)

        def send_email(**request: Any) -> object:
            if pending and (to is None or to in itertools.chain(*request["Destination"].values())):
                if sends:
                    real(**request)
                raise pending.pop(0)
            return real(**request)

        monkeypatch.setattr(client, "send_email", send_email)


def client_error(code: str, status: int = 400, message: str = "the reason") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "SendEmail",
    )


def recipients(engine: Engine) -> list[str]:
    """Whom SES took mails for, in no order."""
    destinations = [
        json.loads(call.request)["Destination"] for call in engine.calls if call.action == SENT and call.status == 200
    ]
    return sorted(address for destination in destinations for field in destination.values() for address in field)


def test_a_sent_mail_is_recorded(api: Api, engine: Engine) -> None:
    queued = queue_mail(api, engine)
    assert api.deliver(queued) == []
    item = row(decode(queued).message_id)
    assert item["sesMessageId"]
    assert "leaseUntil" not in item
    assert (item["space"], item["sourceSystem"], item["campaignId"]) == (api.space, "S", "C")
    assert (item["sender"], item["recipient"], item["subject"]) == ("info@example.com", "max@example.net", "Hello")


def test_the_same_queue_message_again_sends_nothing(api: Api, engine: Engine) -> None:
    queued = queue_mail(api, engine)
    assert api.deliver(queued, queued) == []
    assert api.deliver(queued) == []
    assert engine.actions("ses").count(SENT) == 1


def test_a_message_claimed_by_another_run_is_left_to_it(api: Api, engine: Engine) -> None:
    queued = queue_mail(api, engine)
    now = datetime.now(UTC)
    assert isinstance(runtime.logs().claim(Part(decode(queued), TO), now, LEASE), Claimed)
    assert api.deliver(queued) == ["0"]
    assert engine.actions("ses") == []


@pytest.mark.parametrize(
    "error",
    [
        client_error("TooManyRequestsException", 429),
        client_error("SendingPausedException"),
        client_error("AccessDeniedException", 403),
        ConnectTimeoutError(endpoint_url="https://email.example.com"),
        EndpointConnectionError(endpoint_url="https://email.example.com"),
        NoCredentialsError(),
    ],
    ids=lambda error: type(error).__name__ + str(getattr(error, "response", "")),
)
def test_what_ses_surely_did_not_take_is_sent_at_the_next_try(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    queued = queue_mail(api, engine)
    SesAnswers(monkeypatch, error)
    assert api.deliver(queued) == ["0"]
    assert engine.actions("ses") == []
    assert api.deliver(queued) == []
    assert engine.actions("ses").count(SENT) == 1


@pytest.mark.parametrize(
    ("code", "message"), [("MessageRejected", "the reason"), ("BadRequestException", "Illegal address")]
)
def test_a_refused_mail_is_listed_without_a_type_and_not_tried_again(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: str, message: str
) -> None:
    queued = queue_mail(api, engine, bccRecipient=BCC)
    SesAnswers(monkeypatch, *[client_error(code, message=message)] * 2)
    assert api.deliver(queued) == []
    assert api.deliver(queued) == []
    assert engine.actions("ses") == []
    for key in (keys.message, keys.copy):
        assert row(decode(queued).message_id, key)["failure"] == f"{code}: {message}"
    bounces = api.bounces().body["bounces"]
    assert {bounce["recipient"] for bounce in bounces} == {TO, BCC}
    for bounce in bounces:
        assert bounce["errorText"] == f"{code}: {message}"
        assert "type" not in bounce
        assert bounce["messageId"] == decode(queued).message_id
    assert [record.error for record in caplog.records if hasattr(record, "error")] == ["MailRefused"] * 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("MessageRejected", "Email address is not verified. The following identities failed the check: example.com"),
        ("MessageRejected", "Sending paused for this account."),
        ("MailFromDomainNotVerifiedException", "the reason"),
        ("AccountSuspendedException", "the reason"),
        ("NotFoundException", "Configuration set <set> does not exist."),
        ("BadRequestException", "the reason"),
    ],
)
def test_a_refusal_of_the_domain_the_account_or_the_stack_lets_the_mail_wait(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: str, message: str
) -> None:
    queued = queue_mail(api, engine)
    SesAnswers(monkeypatch, *[client_error(code, message=message)] * (MAX_FAILURES + 1))
    for _ in range(MAX_FAILURES + 1):
        assert api.deliver(queued) == ["0"]
    assert api.bounces().body["bounces"] == []
    assert {record.error for record in caplog.records if hasattr(record, "error")} == {"MailHeld"}
    # Its cause is mended.
    assert api.deliver(queued) == []
    assert recipients(engine) == [TO]


def test_a_refused_mail_whose_bcc_is_its_recipient_is_listed_once(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = queue_mail(api, engine, bccRecipient="MAX@example.net")
    SesAnswers(monkeypatch, client_error("MessageRejected"))
    assert api.deliver(queued) == []
    assert len(api.bounces().body["bounces"]) == 1


UNANSWERED = [
    ReadTimeoutError(endpoint_url="https://email.example.com"),
    client_error("InternalFailure", 500),
    ResponseParserError("cut off"),
    SSLError(endpoint_url="https://email.example.com", error=Exception("EOF occurred in violation of protocol")),
]
UNANSWERED_NAMES = ["time-out", "500", "cut off", "TLS"]


@pytest.mark.parametrize("error", UNANSWERED, ids=UNANSWERED_NAMES)
def test_an_unanswered_call_waits_for_the_lease(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    queued = queue_mail(api, engine)
    SesAnswers(monkeypatch, error)
    assert api.deliver(queued) == ["0"]
    assert api.deliver(queued) == ["0"]
    assert engine.actions("ses") == []


@pytest.mark.parametrize("error", UNANSWERED, ids=UNANSWERED_NAMES)
def test_an_unanswered_call_that_ses_took_is_not_repeated(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    queued = queue_mail(api, engine)
    SesAnswers(monkeypatch, error, sends=True)
    assert api.deliver(queued) == ["0"]
    tell(api, queued, "Send", TO, send={})
    expire_leases(queued)
    assert api.deliver(queued) == []
    assert recipients(engine) == [TO]
    assert row(decode(queued).message_id)["sesMessageId"] == "ses-id"


TOLD: dict[str, dict[str, object]] = {
    "Send": {"send": {}},
    "Delivery": {"delivery": {"timestamp": "2026-01-02T03:04:05.678Z", "recipients": [BCC]}},
    "Bounce": {"bounce": bounce_object(bounced(BCC))},
    "Complaint": {"complaint": complaint_object(BCC)},
    "DeliveryDelay": {
        "deliveryDelay": {
            "timestamp": "2026-01-02T03:04:05.678Z",
            "delayType": "MailboxFull",
            "delayedRecipients": [{"emailAddress": BCC}],
        }
    },
    "Reject": {"reject": {"reason": "Bad content"}},
}


@pytest.mark.parametrize("kind", TOLD)
def test_whatever_ses_tells_of_a_part_proves_that_it_took_it(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    queued = queue_mail(api, engine, bccRecipient=BCC)
    SesAnswers(monkeypatch, *UNANSWERED[:2], sends=True)
    assert api.deliver(queued) == ["0"]
    tell(api, queued, kind, BCC, **TOLD[kind])
    expire_leases(queued)
    assert api.deliver(queued) == []
    # Nobody has told of the other part.
    assert recipients(engine) == sorted([BCC, TO, TO])
    assert row(decode(queued).message_id, keys.copy)["sesMessageId"] == "ses-id"


def test_of_a_mail_to_one_address_everything_is_its_own(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = queue_mail(api, engine)
    SesAnswers(monkeypatch, UNANSWERED[0], sends=True)
    assert api.deliver(queued) == ["0"]
    # A bounce may name the address that the mail was forwarded to.
    tell(api, queued, "Bounce", TO, bounce=bounce_object(bounced("elsewhere@example.org")))
    expire_leases(queued)
    assert api.deliver(queued) == []
    assert recipients(engine) == [TO]


@pytest.mark.parametrize("kind", [EventKind.REJECT, EventKind.SUPPRESSED])
def test_what_was_recorded_in_sess_place_proves_nothing(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, kind: EventKind
) -> None:
    queued = queue_mail(api, engine)
    SesAnswers(monkeypatch, UNANSWERED[0])
    assert api.deliver(queued) == ["0"]
    fact = Fact(kind, TO, datetime.now(UTC), fact_id="ours")
    runtime.logs().put_event(DeliveryEvent(MessageRef(decode(queued).message_id, api.space), fact))
    expire_leases(queued)
    assert api.deliver(queued) == []
    assert recipients(engine) == [TO]


def test_an_unanswered_call_that_ses_did_not_take_is_repeated_after_the_lease(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = queue_mail(api, engine)
    SesAnswers(monkeypatch, ReadTimeoutError(endpoint_url="https://email.example.com"))
    assert api.deliver(queued) == ["0"]
    expire_leases(queued)
    assert api.deliver(queued) == []
    assert engine.actions("ses").count(SENT) == 1
    assert row(decode(queued).message_id)["sesMessageId"]


def test_an_answer_without_an_id_is_none(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    queued = queue_mail(api, engine)
    with monkeypatch.context() as patch:
        patch.setattr(runtime.mailer()._client, "send_email", lambda **_: {})
        assert api.deliver(queued) == ["0"]
    assert api.deliver(queued) == ["0"]
    assert recipients(engine) == []


# --- Two parts: the recipient and the Bcc -----------------------------------------------------------------------------


@pytest.mark.parametrize("troubled", [TO, BCC])
@pytest.mark.parametrize(
    "error", [client_error("TooManyRequestsException", 429), UNANSWERED[0], RuntimeError("no rule foresees it")]
)
def test_what_happens_to_one_part_does_not_touch_the_other(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, troubled: str, error: Exception
) -> None:
    queued = queue_mail(api, engine, bccRecipient=BCC)
    SesAnswers(monkeypatch, error, to=troubled)
    assert api.deliver(queued) == ["0"]
    assert recipients(engine) == [({TO, BCC} - {troubled}).pop()]
    expire_leases(queued)
    assert api.deliver(queued) == []
    assert api.deliver(queued) == []
    assert recipients(engine) == sorted([TO, BCC])


def test_each_part_is_found_by_sess_id(api: Api, engine: Engine) -> None:
    queued = queue_mail(api, engine, bccRecipient=BCC)
    assert api.deliver(queued) == []
    message_id = decode(queued).message_id
    ids = {str(row(message_id, key)["sesMessageId"]) for key in (keys.message, keys.copy)}
    assert len(ids) == 2
    for ses_message_id in ids:
        assert runtime.logs().find_by_ses_id(ses_message_id) == MessageRef(message_id, api.space, "S", "C")
    record, _ = runtime.logs().history(message_id)
    assert record is not None
    assert record.copy is not None
    assert (record.recipient, record.copy.recipient) == (TO, BCC)
    assert {record.ses_message_id, record.copy.ses_message_id} == ids


def test_a_bcc_goes_out_although_the_recipient_bounced_meanwhile(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = queue_mail(api, engine, bccRecipient=BCC)
    SesAnswers(monkeypatch, client_error("TooManyRequestsException", 429), to=BCC)
    assert api.deliver(queued) == ["0"]
    tell(api, queued, "Bounce", TO, bounce=bounce_object(bounced(TO)))
    assert runtime.suppressions().standings(api.space, [TO])[TO].bounced
    assert api.deliver(queued) == []
    assert recipients(engine) == sorted([TO, BCC])


def test_a_bcc_waits_while_nobody_knows_whether_the_recipient_is_suppressed(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = queue_mail(api, engine, bccRecipient=BCC)
    # Another run has claimed the recipient's part, and its suppression is newer than that.
    assert isinstance(runtime.logs().claim(decode(queued).parts[0], datetime.now(UTC), LEASE), Claimed)
    tell(api, queued, "Complaint", TO, complaint=complaint_object(TO))
    assert api.deliver(queued) == ["0"]
    expire_leases(queued)
    # SES's complaint proves that it took the recipient's part.
    assert api.deliver(queued) == []
    assert recipients(engine) == [BCC]


# --- Claims -----------------------------------------------------------------------------------------------------------


def test_of_two_runs_that_see_a_dead_lease_one_goes_on(api: Api, engine: Engine) -> None:
    part = Part(decode(queue_mail(api, engine)), TO)
    start, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    first = runtime.logs().claim(part, start, LEASE)
    assert isinstance(first, Claimed)
    dead = runtime.logs().claim(part, later, LEASE)
    assert dead == Leased(first.lease_until, cut_off=True)
    takers = [runtime.logs().claim(part, later, LEASE, expired=dead) for _ in range(2)]
    assert [isinstance(taker, Claimed) for taker in takers] == [True, False]


def test_a_run_that_lost_its_claim_frees_and_records_nothing(api: Api, engine: Engine) -> None:
    part, logs, now = Part(decode(queue_mail(api, engine)), TO), runtime.logs(), datetime.now(UTC)
    lost = logs.claim(part, now, LEASE)
    assert isinstance(lost, Claimed)
    logs.release(part, lost)
    standing = logs.claim(part, now, LEASE)
    assert isinstance(standing, Claimed)
    # The first run's writes come late, or a second time.
    logs.release(part, lost)
    logs.record_unanswered(part, lost)
    message = MessageRef(part.queued.message_id, api.space)
    event_of_ours = DeliveryEvent(message, Fact(EventKind.REJECT, TO, now, fact_id="refused"))
    for record in (
        partial(logs.record_sent, part, lost, "ses-id", now),
        partial(logs.record_refused, part, lost, event_of_ours, "no"),
        partial(logs.record_suppressed, part, lost, event_of_ours, "no"),
    ):
        with pytest.raises(ClaimLost):
            record()
    item = row(part.queued.message_id)
    assert item["claim"] == standing.claim
    assert not item.keys() & {"sesMessageId", "failure", "suppression"}
    assert api.bounces().body["bounces"] == []
    logs.record_sent(part, standing, "ses-id", now)
    assert logs.claim(part, now, LEASE) == Settled(suppressed=False)


def test_an_outcome_whose_answer_was_lost_is_recorded(api: Api, engine: Engine) -> None:
    logs, now = runtime.logs(), datetime.now(UTC)
    for name in ("record_sent", "record_refused", "record_suppressed"):
        part = Part(decode(queue_mail(api, engine)), TO)
        claimed = logs.claim(part, now, LEASE)
        assert isinstance(claimed, Claimed)
        message = MessageRef(part.queued.message_id, api.space)
        fact = Fact(EventKind.REJECT, TO, now, fact_id="refused")
        outcome = ("ses-id", now) if name == "record_sent" else (DeliveryEvent(message, fact), "no")
        for _ in range(2):
            getattr(logs, name)(part, claimed, *outcome)


def test_one_bad_message_does_not_hold_up_the_batch(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = queue_mail(api, engine), queue_mail(api, engine, recipient="ann@example.net")
    SesAnswers(monkeypatch, client_error("TooManyRequestsException", 429), to=TO)
    assert api.deliver(first, second) == ["0"]
    assert engine.actions("ses").count(SENT) == 1


@pytest.mark.parametrize("body", ["", "nonsense", "bm9uc2Vuc2U=", json.dumps({"type": "email"})])
def test_what_is_no_mail_goes_to_the_dead_letter_queue_whole(api: Api, engine: Engine, body: str) -> None:
    good = queue_mail(api, engine)
    if not body:
        body = encode(decode(good))[:-8]
    assert api.deliver(body, good) == []
    assert engine.receive("MailDeadLetterQueueUrl") == [body]
    assert engine.actions("ses").count(SENT) == 1


def test_what_can_never_be_sent_goes_to_the_dead_letter_queue_whole(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = queue_mail(api, engine)
    SesAnswers(monkeypatch, ParamValidationError(report="no"))
    assert api.deliver(queued) == []
    assert engine.receive("MailDeadLetterQueueUrl") == [queued]


def test_a_mail_with_members_of_a_later_version_is_kept_whole(api: Api, engine: Engine) -> None:
    mail = json.loads(zlib.decompress(b64decode(queue_mail(api, engine))))
    mail["mail"]["cc"] = "eva@example.net"
    body = b64encode(zlib.compress(json.dumps(mail).encode())).decode()
    assert api.deliver(body) == []
    assert engine.receive("MailDeadLetterQueueUrl") == [body]
    assert engine.actions("ses") == []


def test_a_claim_whose_answer_was_lost_is_still_ours(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    queued = queue_mail(api, engine)
    client = runtime.logs()._client
    real = client.update_item

    def twice(**request: object) -> object:
        # botocore's retry: the first write took effect, its answer never came.
        if request.get("ConditionExpression"):
            real(**request)  # type: ignore[arg-type]
        return real(**request)  # type: ignore[arg-type]

    monkeypatch.setattr(client, "update_item", twice)
    assert api.deliver(queued) == []
    assert engine.actions("ses").count(SENT) == 1


def test_a_claim_released_while_it_was_looked_at_is_tried_again(api: Api, engine: Engine) -> None:
    part = Part(decode(queue_mail(api, engine)), TO)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    first = runtime.logs().claim(part, start, LEASE)
    assert isinstance(first, Claimed)
    runtime.logs().release(part, first)
    taken = runtime.logs().claim(part, start, LEASE, expired=Leased(first.lease_until, cut_off=True))
    assert isinstance(taken, Leased)
    assert isinstance(runtime.logs().claim(part, start, LEASE), Claimed)


def test_a_claim_whose_call_failed_does_not_hold_up_the_mail(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = queue_mail(api, engine)
    client = runtime.logs()._client
    real, failures = client.update_item, [EndpointConnectionError(endpoint_url="https://dynamodb.example.com")]

    def update_item(**request: Any) -> object:
        answer = real(**request)
        if failures and "leaseUntil" in request.get("ExpressionAttributeNames", {}).values():
            # The write took effect, and its answer never came.
            raise failures.pop()
        return answer

    monkeypatch.setattr(client, "update_item", update_item)
    assert api.deliver(queued) == []
    assert failures == []
    assert api.deliver(queued) == []
    assert recipients(engine) == [TO]


def test_sess_own_word_is_read_consistently(api: Api, engine: Engine) -> None:
    part = Part(decode(queue_mail(api, engine)), TO)
    runtime.access().address_key()
    engine.calls.clear()
    assert runtime.logs().fact_of_ses(part) is None
    (call,) = engine.calls
    assert json.loads(call.request)["ConsistentRead"] is True


# --- What no rule foresees --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["before the claim", "at SES"])
def test_a_message_that_fails_without_end_is_moved_away_after_ten_times(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    poison, good = queue_mail(api, engine, subjectContentPlainText="poison"), queue_mail(api, engine)
    with monkeypatch.context() as patch:
        if where == "at SES":
            SesAnswers(patch, *[RuntimeError("of its own kind")] * MAX_FAILURES)
        else:
            real = mime.build

            def build(queued: Any, **options: Any) -> bytes:
                if queued.mail.subject == "poison":
                    raise RuntimeError("of its own kind")
                return real(queued, **options)

            patch.setattr(mime, "build", build)
        for _ in range(MAX_FAILURES - 1):
            assert api.deliver(poison) == ["0"]
        assert engine.receive("MailDeadLetterQueueUrl") == []
        assert api.deliver(poison) == []
        assert engine.receive("MailDeadLetterQueueUrl") == [poison]
        assert f"failed {MAX_FAILURES} times, at last by RuntimeError: of its own kind" in caplog.text
        assert api.deliver(good) == []
    # Moved back, it has as many tries again.
    assert api.deliver(poison) == []
    assert recipients(engine) == [TO, TO]


def test_runs_that_are_cut_off_are_counted(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    queued = queue_mail(api, engine)
    part = Part(decode(queued), TO)
    SesAnswers(monkeypatch, *[client_error("TooManyRequestsException", 429)] * (MAX_FAILURES - 1))
    for _ in range(MAX_FAILURES - 1):
        assert isinstance(runtime.logs().claim(part, datetime.now(UTC), LEASE), Claimed)
        expire_leases(queued)
        assert api.deliver(queued) == ["0"]
    assert isinstance(runtime.logs().claim(part, datetime.now(UTC), LEASE), Claimed)
    expire_leases(queued)
    assert api.deliver(queued) == []
    assert engine.receive("MailDeadLetterQueueUrl") == [queued]
    assert recipients(engine) == []


def test_calls_without_an_answer_are_no_failures_of_the_mail(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = queue_mail(api, engine)
    SesAnswers(monkeypatch, *[UNANSWERED[0]] * (MAX_FAILURES + 1))
    for _ in range(MAX_FAILURES + 1):
        assert api.deliver(queued) == ["0"]
        expire_leases(queued)
    assert api.deliver(queued) == []
    assert recipients(engine) == [TO]


def test_what_could_not_be_sent_is_put_off(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    client, queue = engine.clients.sqs, engine.stack.outputs["MailQueueUrl"]
    assert api.send(send_body()).status == 200
    (message,) = client.receive_message(QueueUrl=queue, VisibilityTimeout=360)["Messages"]
    batch = sqs_event(message["Body"])
    (record,) = batch["Records"]
    record |= {"receiptHandle": message["ReceiptHandle"], "eventSourceARN": engine.stack.outputs["MailQueueArn"]}
    SesAnswers(monkeypatch, client_error("TooManyRequestsException", 429))
    assert api.invoke("mail_worker", batch)["batchItemFailures"] == [{"itemIdentifier": "0"}]
    (again,) = client.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    assert again["Body"] == message["Body"]
