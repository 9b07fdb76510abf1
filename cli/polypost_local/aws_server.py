"""The AWS engine of the local stack: moto's server on a loopback port, with every call observable."""

import copy
import hashlib
import io
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from moto import backends
from moto.cloudwatch.models import MetricDatum
from moto.core.common_models import CloudWatchMetricProvider
from moto.core.utils import utcnow
from moto.dynamodb import models as dynamodb_models
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.ses import models as ses_models
from moto.sqs.models import sqs_backends

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AwsCall:
    """One call that the engine has answered."""

    # The access key: a function's logical id in the template, or `LocalStack` for the stack's own calls.
    caller: str
    # As the signature names it, such as `dynamodb`, `sqs` or `ses`.
    service: str
    # The operation where the protocol names it (`PutItem`, `Publish`), else method and path
    # (`POST /v2/email/outbound-emails`).
    action: str
    request: bytes
    status: int
    response: bytes


class _EmailIdentity(ses_models.EmailIdentity):
    """An identity with the tokens of its DKIM records, which moto leaves out."""

    def __init__(self, email_identity: str, *options: Any, **more_options: Any) -> None:
        super().__init__(email_identity, *options, **more_options)
        digests = (hashlib.sha256(f"{number}{email_identity}".encode()).hexdigest()[:32] for number in range(3))
        self.dkim_attributes["Tokens"] = list(digests)


ses_models.EmailIdentity = _EmailIdentity  # type: ignore[misc]


class _QueueAges(CloudWatchMetricProvider):
    """How long the oldest message of each queue has waited: a metric that SQS tells CloudWatch and moto's does not."""

    @staticmethod
    def get_cloudwatch_metrics(account_id: str, region: str) -> list[MetricDatum]:
        now = utcnow()
        return [
            MetricDatum(
                namespace="AWS/SQS",
                name="ApproximateAgeOfOldestMessage",
                value=now.replace(tzinfo=UTC).timestamp() - min(sent) / 1000,
                dimensions=[{"Name": "QueueName", "Value": queue.name}],
                # Of the last whole minute, as SQS tells it.
                timestamp=now - timedelta(minutes=1),
                unit="Seconds",
            )
            for queue in sqs_backends[account_id][region].queues.values()
            if (sent := [message.sent_timestamp or 0 for message in queue._messages])
        ]


_transact_write_items = dynamodb_models.DynamoDBBackend.transact_write_items


def _transact_write_items_on_items(
    backend: dynamodb_models.DynamoDBBackend, transact_items: list[dict[str, Any]]
) -> None:
    """Moto's transaction, undone by the items that it touches where it fails.

    Moto itself copies every table whole before each transaction, which takes a second with ten thousand contacts.
    """
    before = []
    for member in transact_items:
        for operation in member.values():
            table = backend.tables.get(operation["TableName"])
            key = operation.get("Key", operation.get("Item", {}))
            if table is not None and table.hash_key_attr in key:
                hash_key = DynamoType(key[table.hash_key_attr])
                range_key = DynamoType(key[table.range_key_attr]) if table.range_key_attr in key else None
                before.append((table, hash_key, range_key, copy.deepcopy(table.get_item(hash_key, range_key))))
    try:
        _transact_write_items(backend, transact_items)
    except Exception:
        for table, hash_key, range_key, item in before:
            if item is None:
                table.delete_item(hash_key, range_key)
            else:
                table.put_item(item.to_json()["Attributes"], overwrite=True)
        raise


dynamodb_models.DynamoDBBackend.transact_write_items = _transact_write_items_on_items  # type: ignore[method-assign, assignment]
# The copy of a table, which moto puts in the table's place where a transaction fails.
Table.__deepcopy__ = lambda table, memo: table  # type: ignore[attr-defined]

# Moto reads its own folder at each request, to see which services there are.
_services: Final = frozenset(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: _services

Observer = Callable[[AwsCall], None]


def aws_application(observers: Iterable[Observer]) -> "WSGIApplication":
    """Returns the engine as a WSGI application.

    Parameters:
        observers: called with every call after it was answered, in the thread that answers it; they must be quick
    """
    return _ObservedEngine(DomainDispatcherApplication(create_backend_app), tuple(observers))


class _ObservedEngine:
    """Moto behind a lock for DynamoDB, telling observers of each call."""

    def __init__(self, engine: "WSGIApplication", observers: tuple[Observer, ...]) -> None:
        self._engine: Final = engine
        self._observers: Final = observers
        # Moto's transactions and conditions are not atomic between threads. Only DynamoDB may be locked: a publish to
        # SNS delivers within the call, and a receive from SQS waits.
        self._dynamodb: Final = threading.Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(request)
        statuses: list[int] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            statuses.append(int(status.split(maxsplit=1)[0]))
            return start_response(status, headers, exc_info)

        target = environ.get("HTTP_X_AMZ_TARGET", "")
        with self._dynamodb if target.startswith("DynamoDB") else nullcontext():
            response = b"".join(self._engine(environ, start))
        caller, service = _caller_and_service(environ.get("HTTP_AUTHORIZATION", ""))
        call = AwsCall(caller, service, _action(environ, target, request), request, statuses[-1], response)
        for observer in self._observers:
            try:
                observer(call)
            except Exception:
                _log.exception("an observer of %s failed", call.action)
        return [response]


def _caller_and_service(authorization: str) -> tuple[str, str]:
    # AWS4-HMAC-SHA256 Credential=InxmailSend/20260102/eu-central-1/sqs/aws4_request, SignedHeaders=…
    _, _, credential = authorization.partition("Credential=")
    scope = credential.partition(",")[0].split("/")
    return (scope[0], scope[3]) if len(scope) == 5 else ("", "")


def _action(environ: "WSGIEnvironment", target: str, request: bytes) -> str:
    if target:
        return target.rpartition(".")[2]
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(request.decode()).get("Action", [""])[0]
    return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
