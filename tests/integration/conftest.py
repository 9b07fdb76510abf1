"""The template's own resources on the local engine, and the functions in this process."""

import importlib.util
import json
import os
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from polypost import runtime
from polypost.adapters import clients
from polypost.adapters.mail_queue import decode
from polypost.models.access import Credential, Scope, Space
from polypost.web.auth import secret_digest
from polypost_local.template import Template
from support.dynamodb import DynamodbEngine, local_client, template_tables
from support.lambda_events import LambdaContext, http_event, sqs_event
from support.local_engine import patient_clients, running_moto
from support.ministack import running_ministack
from support.routes import find_route
from support.template_engine import ROOT, Engine, template_engine

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# It holds no test of its own, so pytest would leave its assertions without their values.
pytest.register_assert_rewrite(f"{__package__}.dialect_battery")

SECRET = "secret-of-the-tests"
CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def session_engine() -> Iterator[Engine]:
    with template_engine() as engine:
        for function in engine.stack.functions.values():
            os.environ.update(function.environment)
        with patient_clients():
            for make in (
                runtime._dynamodb,
                runtime.mail_queue,
                runtime.mail_dead_letter_queue,
                runtime.mailer,
                runtime.erasures,
            ):
                make()
        yield engine


@pytest.fixture
def engine(session_engine: Engine) -> Engine:
    """The engine, with tables and queues empty and no call counted yet."""
    session_engine.empty()
    return session_engine


Invoke = Callable[[str, dict[str, Any]], Any]


@pytest.fixture(scope="session")
def invoke(session_engine: Engine) -> Invoke:
    """Call a function's handler, by the name of its folder."""
    handlers: dict[str, Any] = {}

    def call(function: str, event: dict[str, Any]) -> Any:
        if function not in handlers:
            path = ROOT / "functions" / function / "app.py"
            spec = importlib.util.spec_from_file_location(f"functions.{function}.app", path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            handlers[function] = module.handler
        return handlers[function](json.loads(json.dumps(event)), LambdaContext())

    return call


@dataclass(frozen=True)
class Answer:
    """What a client sees of a response."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Api:
    """A client of one space."""

    space: str
    keyid: str
    invoke: Invoke
    template: Template

    def call(
        self,
        function: str,
        method: str,
        path: str,
        query: str = "",
        *,
        body: bytes | dict[str, Any] = b"",
        headers: dict[str, str] | None = None,
        credentials: tuple[str, str] | None = None,
        **event: Any,
    ) -> Answer:
        """Send a request with the space's credentials; a dictionary is sent as JSON."""
        answer = self.result(
            function, method, path, query, body=body, headers=headers, credentials=credentials, **event
        )
        return Answer(answer["statusCode"], answer["headers"], json.loads(answer["body"] or "null"))

    def result(
        self,
        function: str,
        method: str,
        path: str,
        query: str = "",
        *,
        body: bytes | dict[str, Any] = b"",
        headers: dict[str, str] | None = None,
        credentials: tuple[str, str] | None = None,
        **event: Any,
    ) -> dict[str, Any]:
        """Send a request as `call` does; what the function gives to API Gateway."""
        token = b64encode(":".join(credentials or (self.keyid, SECRET)).encode()).decode()
        sent = {"authorization": f"Basic {token}"}
        if isinstance(body, dict):
            sent["content-type"] = "application/json"
            body = json.dumps(body).encode()
        result: dict[str, Any] = self.invoke(
            function, http_event(method, path, query, headers=sent | (headers or {}), body=body, **event)
        )
        return result

    def http(self, method: str, path: str, query: str = "", **options: Any) -> Answer:
        """Send a request to the function that the template routes it to."""
        route = find_route(self.template, method, path)
        options |= {"route": route.path, "path_parameters": route.parameters}
        return self.call(route.function, method, path, query, **options)

    def send(self, body: bytes | dict[str, Any], **options: Any) -> Answer:
        """POST to inxmail's send."""
        return self.call("inxmail_send", "POST", "/api-service/custom/sap/v1/send", body=body, **options)

    def bounces(self, query: str = "", **options: Any) -> Answer:
        """GET inxmail's bounces."""
        return self.call("inxmail_bounces", "GET", "/api-service/custom/sap/v1/bounces", query, **options)

    def complaints(self, query: str = "", **options: Any) -> Answer:
        """GET inxmail's complaints."""
        return self.call("inxmail_complaints", "GET", "/api-service/custom/sap/v1/complaints", query, **options)

    def verified_senders(self, **options: Any) -> Answer:
        """GET inxmail's verifiedSenders."""
        return self.call("inxmail_verified_senders", "GET", "/api-service/custom/sap/v1/verifiedSenders", **options)

    def deliver(self, *bodies: str) -> list[str]:
        """Run the mail worker on a batch; the numbers of the messages that it wants again."""
        return self.failures("mail_worker", *bodies)

    def notify(self, *bodies: str) -> list[str]:
        """Run ses_events on a batch; the numbers of the messages that it wants again."""
        return self.failures("ses_events", *bodies)

    @staticmethod
    def message_id_of(queued: str) -> str:
        """The id in the body of a queue's message."""
        return decode(queued).message_id

    def failures(self, function: str, *bodies: str) -> list[str]:
        """Run a queue's worker on a batch; the numbers of the messages that it wants again."""
        answer = self.invoke(function, sqs_event(*bodies))
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def create_credential(keyid: str, space: str, **members: Any) -> None:
    """Store a credential with every scope, whose secret is SECRET."""
    members = {"created_at": CREATED_AT, "secret_sha256": secret_digest(SECRET), "scopes": frozenset(Scope)} | members
    assert runtime.access().create_credential(Credential(keyid=keyid, space=space, **members))


@pytest.fixture
def api(engine: Engine, invoke: Invoke) -> Api:
    """A client of a space of its own, which may send from example.com."""
    space = f"space-{uuid.uuid4().hex[:12]}"
    assert runtime.access().create_space(Space(id=space, created_at=CREATED_AT))
    runtime.access().put_sender_domain(space, "example.com", verified=True)
    create_credential(f"key-of-{space}", space)
    engine.calls.clear()
    return Api(space, f"key-of-{space}", invoke, engine.template)


@contextmanager
def client_of(engine: AbstractContextManager[str]) -> "Iterator[DynamoDBClient]":
    with engine as endpoint:
        client = local_client(clients.dynamodb, endpoint)
        yield client
        client.close()


# Each engine in a fixture of its own, which lives as long as the session: the parameters of one fixture would start
# and end them with every change between the two.
@pytest.fixture(scope="session")
def moto() -> "Iterator[DynamoDBClient]":
    with client_of(running_moto()) as client:
        yield client


@pytest.fixture(scope="session")
def ministack() -> "Iterator[DynamoDBClient]":
    with client_of(running_ministack()) as client:
        yield client


@pytest.fixture(params=["moto", "ministack"])
def dynamodb_client(request: pytest.FixtureRequest) -> "DynamoDBClient":
    client: DynamoDBClient = request.getfixturevalue(request.param)
    return client


@pytest.fixture
def dynamodb_engine(dynamodb_client: "DynamoDBClient") -> Iterator[DynamodbEngine]:
    """Both DynamoDB engines one after the other, with the template's tables, empty, for the adapters themselves."""
    with template_tables(dynamodb_client) as engine:
        yield engine
