"""The mail worker: each mail once, and nothing lost."""

import json
import zlib
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta

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
from polypost.adapters.logs_table import Claimed, Leased
from polypost.adapters.mail_queue import decode, encode
from polypost.models.delivery import MessageRef
from polypost.usecases import deliver_mail
from support.inxmail import send_body
from support.ses import event, in_sns_envelope
from support.template_engine import Engine

from .conftest import Api

SENT = "POST /v2/email/outbound-emails"


def queue_mail(api: Api, engine: Engine, **mail: str) -> str:
    """Send a mail; the body of the queue's message."""
    assert api.send(send_body(sourceSystem="S", campaignId="C", **mail)).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    engine.calls.clear()
    return queued


def row(message_id: str) -> dict[str, object]:
    """A message's item."""
    answer = runtime.logs()._client.get_item(
        TableName=runtime.logs()._table, Key=to_item(keys.message(message_id)), ConsistentRead=True
    )
    return from_item(answer["Item"]) if "Item" in answer else {}


class SesAnswers:
    """Makes SES's next answers errors, as botocore raises them; then SES is itself again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *errors: Exception, sends: bool = False) -> None:
        client = runtime.mailer()._client
        real = client.send_email
        pending = list(errors)

        def send_email(**request: object) -> object:
            if pending:
                if sends:
                    real(**request)  # type: ignore[arg-type]
                raise pending.pop(0)
            return real(**request)  # type: ignore[arg-type]

        monkeypatch.setattr(client, "send_email", send_email)


def client_error(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "the reason"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "SendEmail",
    )


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
    assert isinstance(runtime.logs().claim(decode(queued), now, deliver_mail.LEASE), Claimed)
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
        SSLError(endpoint_url="https://email.example.com", error=Exception("handshake")),
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


@pytest.mark.parametrize("code", ["MessageRejected", "BadRequestException", "MailFromDomainNotVerifiedException"])
def test_a_refused_mail_is_listed_without_a_type_and_not_tried_again(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    queued = queue_mail(api, engine, bccRecipient="bcc@example.org")
    SesAnswers(monkeypatch, client_error(code))
    assert api.deliver(queued) == []
    assert api.deliver(queued) == []
    assert engine.actions("ses") == []
    assert row(decode(queued).message_id)["failure"] == f"{code}: the reason"
    bounces = api.bounces().body["bounces"]
    assert {bounce["recipient"] for bounce in bounces} == {"max@example.net", "bcc@example.org"}
    for bounce in bounces:
        assert bounce["errorText"] == f"{code}: the reason"
        assert "type" not in bounce
        assert bounce["messageId"] == decode(queued).message_id


def test_a_refused_mail_whose_bcc_is_its_recipient_is_listed_once(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = queue_mail(api, engine, bccRecipient="MAX@example.net")
    SesAnswers(monkeypatch, client_error("MessageRejected"))
    assert api.deliver(queued) == []
    assert len(api.bounces().body["bounces"]) == 1


def expire_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next run look at the clock after the lease has ended."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Later":
            return super().now(UTC) + deliver_mail.LEASE + timedelta(seconds=1)

    monkeypatch.setattr(deliver_mail, "datetime", Later)


UNANSWERED = [
    ReadTimeoutError(endpoint_url="https://email.example.com"),
    client_error("InternalFailure", 500),
    ResponseParserError("cut off"),
]


@pytest.mark.parametrize("error", UNANSWERED, ids=["time-out", "500", "cut off"])
def test_an_unanswered_call_waits_for_the_lease(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    queued = queue_mail(api, engine)
    SesAnswers(monkeypatch, error)
    assert api.deliver(queued) == ["0"]
    assert api.deliver(queued) == ["0"]
    assert engine.actions("ses") == []


@pytest.mark.parametrize("error", UNANSWERED, ids=["time-out", "500", "cut off"])
def test_an_unanswered_call_that_ses_took_is_not_repeated(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    queued = queue_mail(api, engine)
    SesAnswers(monkeypatch, error, sends=True)
    assert api.deliver(queued) == ["0"]
    message = MessageRef(decode(queued).message_id, api.space, "S", "C")
    assert api.notify(in_sns_envelope(event("Send", message, ["max@example.net"], send={}))) == []
    expire_leases(monkeypatch)
    assert api.deliver(queued) == []
    assert engine.actions("ses").count(SENT) == 1
    assert row(message.message_id)["sesMessageId"] == "ses-id"


def test_an_unanswered_call_that_ses_did_not_take_is_repeated_after_the_lease(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = queue_mail(api, engine)
    SesAnswers(monkeypatch, ReadTimeoutError(endpoint_url="https://email.example.com"))
    assert api.deliver(queued) == ["0"]
    expire_leases(monkeypatch)
    assert api.deliver(queued) == []
    assert engine.actions("ses").count(SENT) == 1
    assert row(decode(queued).message_id)["sesMessageId"]


def test_of_two_runs_that_see_a_dead_lease_one_goes_on(api: Api, engine: Engine) -> None:
    queued = decode(queue_mail(api, engine))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    first = runtime.logs().claim(queued, start, timedelta(minutes=1))
    assert isinstance(first, Claimed)
    later = start + timedelta(minutes=2)
    takers = [runtime.logs().claim(queued, later, timedelta(minutes=1), expired=first.lease_until) for _ in range(2)]
    assert [isinstance(taker, Claimed) for taker in takers] == [True, False]


def test_one_bad_message_does_not_hold_up_the_batch(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = queue_mail(api, engine), queue_mail(api, engine)
    SesAnswers(monkeypatch, client_error("TooManyRequestsException", 429))
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
    queued = decode(queue_mail(api, engine))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    first = runtime.logs().claim(queued, start, timedelta(minutes=1))
    assert isinstance(first, Claimed)
    runtime.logs().release(queued.message_id)
    taken = runtime.logs().claim(queued, start, timedelta(minutes=1), expired=first.lease_until)
    assert isinstance(taken, Leased)
    assert isinstance(runtime.logs().claim(queued, start, timedelta(minutes=1)), Claimed)


def test_sess_own_word_is_read_consistently(api: Api, engine: Engine) -> None:
    assert runtime.logs().send_fact(api.space, "0" * 24) is None
    (call,) = engine.calls
    assert json.loads(call.request)["ConsistentRead"] is True
