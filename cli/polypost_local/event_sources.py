"""Lambda's event source mappings: queues are polled, their messages go to functions in batches."""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from polypost_cli.local_environment import REGION
from polypost_local.stack import EventSource
from polypost_local.worker import Answer

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

# A receive's bounds in SQS.
_RECEIVE_LIMIT: Final = 10
_WAIT_SECONDS: Final = 20

# How long to leave a queue alone that could not be read, in seconds.
_PAUSE_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)

Invoke = Callable[[str, str], Answer]


def start_polling(sources: Iterable[EventSource], sqs: "SQSClient", invoke: Invoke, stop: threading.Event) -> None:
    """Polls every queue in threads of its own until told to stop.

    Parameters:
        sources: queues and their functions
        sqs: used by many threads at once
        invoke: runs a function, given its logical id and the event as JSON
        stop: set when polling is to end; a receive under way is not waited for
    """
    for source in sources:
        poller = _Poller(source, sqs, invoke, stop)
        threading.Thread(target=poller.run, name=f"poll-{source.function}", daemon=True).start()


class _Poller:
    """One queue. A single thread receives, since the local engine could give one message to two receivers."""

    def __init__(self, source: EventSource, sqs: "SQSClient", invoke: Invoke, stop: threading.Event) -> None:
        self._source: Final = source
        self._sqs: Final = sqs
        self._invoke: Final = invoke
        self._stop: Final = stop
        self._places: Final = threading.BoundedSemaphore(source.maximum_concurrency)
        self._url: Final = sqs.get_queue_url(QueueName=source.queue_arn.rpartition(":")[2])["QueueUrl"]

    def run(self) -> None:
        while not self._stop.is_set():
            self._places.acquire()
            messages = self._receive()
            if messages:
                threading.Thread(target=self._deliver, args=(messages,), daemon=True).start()
            else:
                self._places.release()

    def _receive(self) -> list["MessageTypeDef"]:
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(self._source.batch_size, _RECEIVE_LIMIT),
                WaitTimeSeconds=_WAIT_SECONDS,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except Exception:
            if not self._stop.wait(_PAUSE_SECONDS):
                _log.exception("the queue of %s could not be read", self._source.function)
            return []
        return answer.get("Messages", [])

    def _deliver(self, messages: list["MessageTypeDef"]) -> None:
        try:
            records = [_record(message, self._source.queue_arn) for message in messages]
            answer = self._invoke(self._source.function, json.dumps({"Records": records}))
            failed = _failed_ids(answer, self._source.reports_item_failures)
            if failed is None:
                return
            done = [message for message in messages if message["MessageId"] not in failed]
            if done:
                self._sqs.delete_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                        for number, message in enumerate(done)
                    ],
                )
        except Exception:
            # The messages stay, and come again after the queue's visibility time-out.
            if not self._stop.is_set():
                _log.exception("a batch for %s could not be delivered", self._source.function)
        finally:
            self._places.release()


def _record(message: "MessageTypeDef", queue_arn: str) -> dict[str, Any]:
    """Returns a message as Lambda's event has it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {
                "dataType": value["DataType"],
                **({"stringValue": value["StringValue"]} if "StringValue" in value else {}),
                "stringListValues": [],
                "binaryListValues": [],
            }
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": hashlib.md5(message["Body"].encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def _failed_ids(answer: Answer, reports_item_failures: bool) -> set[str] | None:
    """Returns the ids of the messages that are to stay in the queue, or None where all of them are.

    As Lambda reads an answer: null, `{}` and an empty list mean success; an item without an id or with an empty one,
    and whatever else has not this form, mean that the whole batch failed.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    if answer.failed:
        return None
    if not reports_item_failures:
        return set()
    result = json.loads(answer.payload) or {}
    failures = (result.get("batchItemFailures") or []) if isinstance(result, dict) else None
    if not isinstance(failures, list):
        return None
    ids = [failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures]
    named = {item for item in ids if isinstance(item, str) and item}
    return named if len(named) == len(set(ids)) else None
