"""The header Idempotency-Key: a POST that is sent again is answered again, and its effect happens once."""

import json
import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from polypost import runtime
from polypost.adapters.dynamodb import from_item, to_item
from polypost.adapters.mail_queue import decode
from polypost.dialects import inxmail
from polypost.errors import OutcomeUnknown
from polypost.models.access import Scope, Space
from polypost.models.attempts import Attempt
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response
from support.inxmail import send_body
from support.lambda_events import LambdaContext, http_event
from support.template_engine import ROOT, Engine

from .conftest import CREATED_AT, SECRET, Answer, Api, create_credential
from .test_worker import SENT

SEND = ("inxmail_send", "POST", "/api-service/custom/sap/v1/send")
HOUR = 3600


@pytest.fixture(autouse=True)
def empty_table(engine: Engine) -> None:
    for item in items():
        runtime._dynamodb().delete_item(TableName=os.environ["IDEMPOTENCY_TABLE"], Key={"PK": {"S": item["PK"]}})


def items(kind: str = "") -> list[dict[str, Any]]:
    """What stands in the Idempotency table: responses, attempts, or both."""
    found = runtime._dynamodb().scan(TableName=os.environ["IDEMPOTENCY_TABLE"])["Items"]
    return [item for item in map(from_item, found) if item["PK"].startswith(kind)]


def pass_time(seconds: int) -> None:
    """Make everything in the table so much older. TTL deletes late, so what has expired still stands."""
    for item in items():
        item["expiration"] -= seconds
        if "in_progress_expiration" in item:
            item["in_progress_expiration"] -= seconds * 1000
        runtime._dynamodb().put_item(TableName=os.environ["IDEMPOTENCY_TABLE"], Item=to_item(item))


def send(api: Api, key: str, body: dict[str, Any] | None = None, **options: Any) -> Answer:
    return api.send(body or send_body(), headers={"idempotency-key": key}, **options)


def sent_mails(engine: Engine) -> int:
    return sum(call.action == SENT for call in engine.calls)


class Crash(BaseException):
    """The end of the process, as far as the code can tell: nothing catches it."""


def fail(monkeypatch: pytest.MonkeyPatch, client: Any, operation: str, error: BaseException, after: bool) -> None:
    """Make one operation fail once, before or after it took effect."""
    real = getattr(client, operation)

    def call(**request: Any) -> Any:
        monkeypatch.setattr(client, operation, real)
        if after:
            real(**request)
        raise error

    monkeypatch.setattr(client, operation, call)


def crash_before_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, runtime._dynamodb(), "update_item", Crash(), after=False)


def outage(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, operation)


# --- Replay -----------------------------------------------------------------------------------------------------------


def test_the_same_request_gets_the_same_response_and_has_no_other_effect(api: Api, engine: Engine) -> None:
    headers = {"idempotency-key": "key"}
    first = api.result(*SEND, body=send_body(), headers=headers)
    assert first["statusCode"] == 200
    engine.calls.clear()
    assert api.result(*SEND, body=send_body(), headers=headers) == first
    assert [(call.service, call.action, call.status) for call in engine.calls] == [("dynamodb", "PutItem", 400)]
    assert len(engine.receive("MailQueueUrl")) == 1


def test_what_is_stored_is_the_response_and_no_key_of_the_client(api: Api, engine: Engine) -> None:
    result = api.result(*SEND, body=send_body(), headers={"idempotency-key": "max@example.net"})
    (stored,) = items("RESPONSE#")
    assert json.loads(stored["data"]) == result
    assert "max@example.net" not in str(items())


def test_another_body_is_a_conflict(api: Api, engine: Engine) -> None:
    first = send(api, "key")
    answer = send(api, "key", send_body(subjectContentPlainText="Another"))
    assert answer.status == 409
    assert answer.body["message"] == "Another request was sent with this Idempotency-Key"
    assert "Retry-After" not in answer.headers
    assert len(engine.receive("MailQueueUrl")) == 1
    assert send(api, "key") == first


@pytest.mark.parametrize("changed", [{"query": "a=b"}, {"headers": {"content-type": "text/json"}}])
def test_what_is_asked_is_more_than_the_body(api: Api, changed: dict[str, Any]) -> None:
    body = json.dumps(send_body()).encode()
    request: dict[str, Any] = {"query": "", "headers": {"content-type": "application/json"}, "body": body}
    for asked, status in ((request, 200), (request | changed, 409), (request, 200)):
        headers = asked["headers"] | {"idempotency-key": "key"}
        assert api.call(*SEND, **asked | {"headers": headers}).status == status


def test_credentials_are_asked_for_each_time(api: Api) -> None:
    assert send(api, "key").status == 200
    assert send(api, "key", credentials=(api.keyid, "wrong")).status == 401


def test_another_key_is_another_request(api: Api, engine: Engine) -> None:
    assert send(api, "key").body["messageId"] != send(api, "Key").body["messageId"]
    assert len(engine.receive("MailQueueUrl")) == 2


def test_a_key_of_another_space_is_another_key(api: Api, engine: Engine) -> None:
    first = send(api, "key")
    other_space = f"other-{api.space}"
    assert runtime.access().create_space(Space(id=other_space, created_at=CREATED_AT))
    runtime.access().put_sender_domain(other_space, "example.com", verified=True)
    create_credential(f"key-of-{other_space}", other_space)
    other = replace(api, space=other_space, keyid=f"key-of-{other_space}")
    answer = send(other, "key", send_body(subjectContentPlainText="Another"))
    assert answer.status == 200
    assert answer.body["messageId"] != first.body["messageId"]


# --- A key is one for each endpoint -----------------------------------------------------------------------------------

Call = Callable[..., dict[str, Any]]


def an_endpoint(api: Api, serve: Callable[[Request, Caller], Response]) -> Call:
    """An endpoint that no dialect has; give it a route, a key, and what else an event holds."""
    handler = endpoint(inxmail, Scope.MAIL_SEND)(serve)
    token = b64encode(f"{api.keyid}:{SECRET}".encode()).decode()

    def call(route: str, key: str | None = "key", **event: Any) -> dict[str, Any]:
        method, path = route.split()
        headers = {"authorization": f"Basic {token}"} | ({"idempotency-key": key} if key else {})
        return handler(http_event(method, path, headers=headers) | {"routeKey": route, **event}, LambdaContext())

    return call


@pytest.fixture
def derive(api: Api) -> Call:
    """An endpoint whose every effect answers with another id."""
    return an_endpoint(api, lambda request, caller: Response(body=request.attempt.derive("id", 16).hex()))


def test_a_key_at_another_endpoint_is_another_key(derive: Call) -> None:
    assert derive("POST /a") == derive("POST /a")
    assert derive("POST /a") != derive("POST /b")


def test_two_spellings_of_a_path_are_one_endpoint(derive: Call) -> None:
    assert derive("POST /api/v1/Contacts") == derive("POST /api/v1/contacts")


def test_what_a_path_names_is_asked_for_too(derive: Call) -> None:
    first = derive("POST /customers/{customerID}/mails", pathParameters={"customerID": "a"})
    other = derive("POST /customers/{customerID}/mails", pathParameters={"customerID": "A"})
    assert (first["statusCode"], other["statusCode"]) == (200, 409)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_ignore_the_header(derive: Call, engine: Engine, method: str) -> None:
    assert derive(f"{method} /a", "not a key") != derive(f"{method} /a", "not a key")
    assert items() == []


# --- What the header may be -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", " ", "a b", "ü", "a\x7f", "a\n", "x" * 256])
def test_what_is_no_key_is_refused(api: Api, engine: Engine, key: str) -> None:
    answer = send(api, key)
    assert answer.status == 400
    assert answer.body["message"] == "Idempotency-Key must be 1 to 255 visible ASCII characters"
    assert engine.receive("MailQueueUrl") == []


@pytest.mark.parametrize("key", ["!", "~" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
def test_keys(api: Api, engine: Engine, key: str) -> None:
    assert send(api, key) == send(api, key)
    assert len(engine.receive("MailQueueUrl")) == 1


def test_without_the_header_the_table_is_not_asked(api: Api, engine: Engine) -> None:
    assert api.send(send_body()).status == 200
    assert os.environ["IDEMPOTENCY_TABLE"] not in str([call.request for call in engine.calls])
    assert items() == []


LOADS = """
import importlib.util, json, sys
sys.path.append("tests")
from support.lambda_events import LambdaContext
spec = importlib.util.spec_from_file_location("app", "functions/inxmail_send/app.py")
app = importlib.util.module_from_spec(spec)
spec.loader.exec_module(app)
status = app.handler(json.load(sys.stdin), LambdaContext())["statusCode"]
print(json.dumps([status, any(name.startswith("aws_lambda_powertools.utilities.idempotency") for name in sys.modules)]))
"""


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "key"}])
def test_only_a_request_with_the_header_loads_the_utility(api: Api, headers: dict[str, str]) -> None:
    token = b64encode(f"{api.keyid}:{SECRET}".encode()).decode()
    headers = headers | {"authorization": f"Basic {token}", "content-type": "application/json"}
    event = http_event("POST", SEND[2], headers=headers, body=json.dumps(send_body()).encode())
    done = subprocess.run(
        [sys.executable, "-c", LOADS], input=json.dumps(event), capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [200, "idempotency-key" in headers]


# --- What is not stored -----------------------------------------------------------------------------------------------


def test_a_refusal_leaves_nothing_and_the_key_free(api: Api, engine: Engine) -> None:
    refused = send(api, "key", send_body(sender="info@example.org"))
    assert refused.status == 400
    assert items() == []
    assert send(api, "key").status == 200
    assert len(engine.receive("MailQueueUrl")) == 1


def test_a_refusal_that_was_returned_is_not_stored_either(api: Api, engine: Engine) -> None:
    answers = [Response(HTTPStatus.CONFLICT, "taken", {"A": "b"}), Response(HTTPStatus.CREATED, "made")]
    call = an_endpoint(api, lambda request, caller: answers.pop(0))
    refused = call("POST /a")
    assert (refused["statusCode"], refused["headers"], refused["body"]) == (409, {"A": "b"}, "taken")
    assert items() == []
    assert [call("POST /a")["body"] for _ in range(2)] == ["made", "made"]


def test_a_refusal_is_told_though_its_traces_cannot_be_deleted(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = runtime._dynamodb()

    def delete_item(**request: Any) -> None:
        raise outage("DeleteItem")

    monkeypatch.setattr(client, "delete_item", delete_item)
    assert send(api, "key", send_body(sender="info@example.org")).status == 400
    pass_time(20)
    assert send(api, "key", send_body(sender="info@example.org")).status == 400


@pytest.mark.parametrize("error", [OutcomeUnknown("no answer"), LookupError("a bug")])
def test_after_an_error_the_next_try_is_the_same_attempt(api: Api, error: Exception) -> None:
    attempts: list[Attempt] = []

    def serve(request: Request, caller: Caller) -> Response:
        attempts.append(request.attempt)
        if len(attempts) == 1:
            raise error
        return Response()

    call = an_endpoint(api, serve)
    assert [call("POST /a")["statusCode"] for _ in range(2)] == [500, 200]
    assert attempts[0] == attempts[1]


def test_a_refusal_after_a_crash_keeps_the_attempt(api: Api) -> None:
    attempts: list[Attempt] = []

    def serve(request: Request, caller: Caller) -> Response:
        attempts.append(request.attempt)
        if len(attempts) == 1:
            raise Crash
        return Response(HTTPStatus.CONFLICT if len(attempts) == 2 else HTTPStatus.OK)

    call = an_endpoint(api, serve)
    with pytest.raises(Crash):
        call("POST /a")
    pass_time(20)
    assert [call("POST /a")["statusCode"] for _ in range(2)] == [409, 200]
    assert attempts[0] == attempts[1] == attempts[2]


# --- In flight --------------------------------------------------------------------------------------------------------


def test_what_is_in_flight_is_told_to_come_again(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    client = runtime.mail_queue()._client
    real = client.send_message
    queueing, go_on = threading.Event(), threading.Event()

    def send_message(**request: Any) -> Any:
        queueing.set()
        assert go_on.wait(30)
        return real(**request)

    monkeypatch.setattr(client, "send_message", send_message)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, api, "key")
        try:
            assert queueing.wait(30)
            second = send(api, "key")
            another_body = send(api, "key", send_body(subjectContentPlainText="Another"))
        finally:
            go_on.set()
    assert second.status == 409
    assert 0 < int(second.headers["Retry-After"]) < 29
    assert "Idempotency-Key is in progress" in second.body["message"]
    assert (another_body.status, "Retry-After" in another_body.headers) == (409, False)
    assert first.result().status == 200
    assert send(api, "key") == first.result()
    assert len(engine.receive("MailQueueUrl")) == 1


# --- A crash between the effect and its record ------------------------------------------------------------------------


def test_after_a_crash_the_mail_goes_out_once(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    crash_before_the_record(monkeypatch)
    with pytest.raises(Crash):
        send(api, "key")
    # The run that crashed might be at it still, until the function's time-out has passed.
    assert send(api, "key").headers["Retry-After"]
    pass_time(20)
    answer = send(api, "key")
    assert answer.status == 200
    assert send(api, "key") == answer

    first, second = map(decode, queued := engine.receive("MailQueueUrl"))
    assert first == second
    assert answer.body["messageId"] == first.message_id
    assert datetime.fromisoformat(answer.body["date"]) == first.accepted_at.replace(
        microsecond=first.accepted_at.microsecond // 1000 * 1000
    )
    assert api.deliver(*queued) == []
    assert sent_mails(engine) == 1


def test_after_a_crash_another_body_has_ids_of_its_own(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_before_the_record(monkeypatch)
    with pytest.raises(Crash):
        send(api, "key")
    assert send(api, "key", send_body(subjectContentPlainText="Another")).status == 409
    pass_time(20)
    assert send(api, "key", send_body(subjectContentPlainText="Another")).status == 200
    queued = engine.receive("MailQueueUrl")
    assert len({decode(body).message_id for body in queued}) == 2
    assert api.deliver(*queued) == []
    assert sent_mails(engine) == 2


def test_a_mail_that_was_queued_without_an_answer_goes_out_once(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, runtime.mail_queue()._client, "send_message", ReadTimeoutError(endpoint_url="x"), after=True)
    assert send(api, "key").status == 503
    assert send(api, "key").status == 200
    queued = engine.receive("MailQueueUrl")
    assert len(queued) == 2
    assert api.deliver(*queued) == []
    assert sent_mails(engine) == 1


def test_a_response_that_cannot_be_stored_is_given(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, runtime._dynamodb(), "update_item", outage("UpdateItem"), after=False)
    answer = send(api, "key")
    assert answer.status == 200
    pass_time(20)
    assert send(api, "key") == answer
    assert len({decode(body).message_id for body in engine.receive("MailQueueUrl")}) == 1


@pytest.mark.parametrize("call", [1, 2])
def test_nothing_happens_while_the_table_does_not_answer(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    client = runtime._dynamodb()
    real = client.put_item
    calls: list[int] = []

    def put_item(**request: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            raise outage("PutItem")
        return real(**request)

    monkeypatch.setattr(client, "put_item", put_item)
    assert send(api, "key").status == 503
    assert engine.receive("MailQueueUrl") == []
    assert send(api, "key").status == 200


def test_an_attempt_whose_put_was_repeated_is_found(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore repeats a put that got no answer, and the second one meets the first."""
    client = runtime._dynamodb()
    real = client.put_item

    def put_item(**request: Any) -> Any:
        if request["Item"]["PK"]["S"].startswith("ATTEMPT#"):
            real(**request)
        return real(**request)

    monkeypatch.setattr(client, "put_item", put_item)
    refused = send(api, "key", send_body(sender="info@example.org"))
    assert refused.status == 400
    assert items() == []
    assert send(api, "key").status == 200


# --- 24 hours ---------------------------------------------------------------------------------------------------------


def test_a_key_is_good_for_24_hours(api: Api, engine: Engine) -> None:
    first = send(api, "key")
    # The attempt has expired by then; the response has not.
    pass_time(24 * HOUR - 10)
    assert send(api, "key") == first
    pass_time(20)
    second = send(api, "key")
    assert second.status == 200
    queued = engine.receive("MailQueueUrl")
    assert [decode(body).message_id for body in queued] == [first.body["messageId"], second.body["messageId"]]
    assert api.deliver(*queued) == []
    assert sent_mails(engine) == 2


def test_an_attempt_ends_before_its_response(api: Api, engine: Engine) -> None:
    assert send(api, "key").status == 200
    (attempt,) = items("ATTEMPT#")
    (response,) = items("RESPONSE#")
    assert 30 < response["expiration"] - attempt["expiration"] < 90


def test_a_crash_of_the_day_before_is_forgotten(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    crash_before_the_record(monkeypatch)
    with pytest.raises(Crash):
        send(api, "key")
    pass_time(24 * HOUR + 1)
    assert send(api, "key").status == 200
    assert len({decode(body).message_id for body in engine.receive("MailQueueUrl")}) == 2
