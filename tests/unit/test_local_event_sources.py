"""The local event sources: batches of a queue's messages, and what becomes of them."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from polypost_local.aws import Clients
from polypost_local.aws_server import AwsCall
from polypost_local.event_sources import start_polling
from polypost_local.stack import EventSource
from polypost_local.worker import Answer
from support.local_engine import REGION, running_engine
from support.waiting import PATIENCE, eventually

# How long a message that was received stays invisible, in seconds.
VISIBILITY_SECONDS = 1

Record = dict[str, Any]

NOTHING_FAILED = Answer('{"batchItemFailures": []}', failed=False)


@pytest.fixture(scope="module")
def calls() -> list[AwsCall]:
    """Every call that the module's engine has answered."""
    return []


@pytest.fixture(scope="module")
def clients(calls: list[AwsCall]) -> Iterator[Clients]:
    with running_engine(calls.append) as clients:
        yield clients


@dataclass
class Queue:
    """A queue and the function behind it, which notes its batches and answers as it is told."""

    clients: Clients
    url: str
    arn: str
    stop: threading.Event = field(default_factory=threading.Event)
    batches: list[list[Record]] = field(default_factory=list)

    def poll(self, answer: Callable[[list[Record]], Answer], *, maximum: int = 2, reports: bool = True) -> None:
        """Begin to hand messages to the function."""

        def invoke(function: str, event: str) -> Answer:
            assert function == "Function"
            batch = json.loads(event)["Records"]
            self.batches.append(batch)
            return answer(batch)

        start_polling([EventSource("Function", self.arn, 10, maximum, reports)], self.clients.sqs, invoke, self.stop)

    def send(self, *bodies: str) -> None:
        """Send messages in one go."""
        self.clients.sqs.send_message_batch(
            QueueUrl=self.url,
            Entries=[
                {
                    "Id": str(number),
                    "MessageBody": body,
                    "MessageAttributes": {"Kind": {"DataType": "String", "StringValue": "mail"}},
                }
                for number, body in enumerate(bodies)
            ],
        )

    @property
    def delivered(self) -> list[str]:
        """The bodies of all records that the function got."""
        return sorted(record["body"] for batch in list(self.batches) for record in batch)

    def left(self) -> int:
        """How many messages the queue holds, visible or not."""
        attributes = self.clients.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return sum(
            int(attributes[name]) for name in ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        )


@pytest.fixture
def queue(clients: Clients) -> Iterator[Queue]:
    name = f"queue-{uuid.uuid4()}"
    url = clients.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})[
        "QueueUrl"
    ]
    queue = Queue(clients, url, f"arn:aws:sqs:{REGION}:123456789012:{name}")
    yield queue
    queue.stop.set()
    # Wakes the receive that is under way.
    queue.send("the end")


def test_a_function_gets_records_as_lambda_makes_them(queue: Queue) -> None:
    queue.poll(lambda _: NOTHING_FAILED)
    queue.send("ü")
    eventually(lambda: queue.batches)
    (record,) = queue.batches[0]
    assert record["body"] == "ü"
    assert record["md5OfBody"] == "c03410a5204b21cd8229ff754688d743"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == queue.arn
    assert record["awsRegion"] == "eu-central-1"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert int(record["attributes"]["SentTimestamp"]) > 1_600_000_000_000
    assert record["messageAttributes"]["Kind"]["stringValue"] == "mail"
    assert record["messageId"]
    assert record["receiptHandle"]


def test_a_message_is_delivered_by_the_long_poll_that_it_is_sent_in(queue: Queue, calls: list[AwsCall]) -> None:
    calls.clear()
    queue.poll(lambda _: NOTHING_FAILED)
    # So that the poller waits in its long poll.
    time.sleep(0.3)
    queue.send("aloud")
    eventually(lambda: queue.batches)
    first = next(call for call in calls if call.action == "ReceiveMessage" and queue.url.encode() in call.request)
    assert b"aloud" in first.response


@pytest.mark.parametrize("payload", ['{"batchItemFailures": []}', '{"batchItemFailures": null}', "{}", "null"])
def test_what_succeeded_is_deleted(queue: Queue, payload: str) -> None:
    queue.poll(lambda _: Answer(payload, failed=False))
    queue.send("a", "b")
    eventually(lambda: queue.delivered == ["a", "b"])
    eventually(lambda: queue.left() == 0)


def test_only_what_failed_comes_again(queue: Queue) -> None:
    def answer(batch: list[Record]) -> Answer:
        failures = [{"itemIdentifier": record["messageId"]} for record in batch if record["body"] == "bad"]
        return Answer(json.dumps({"batchItemFailures": failures}), failed=False)

    queue.poll(answer)
    queue.send("good", "bad")
    eventually(lambda: queue.delivered == ["bad", "bad", "good"])
    assert queue.batches[-1][0]["attributes"]["ApproximateReceiveCount"] == "2"


def test_a_function_that_does_not_report_failures_is_not_asked_for_them(queue: Queue) -> None:
    queue.poll(lambda _: Answer('{"batchItemFailures": [{"itemIdentifier": ""}]}', failed=False), reports=False)
    queue.send("a")
    eventually(lambda: queue.delivered == ["a"])
    eventually(lambda: queue.left() == 0)


@pytest.mark.parametrize(
    "answer",
    [
        Answer('{"errorType": "ValueError", "errorMessage": ""}', failed=True),
        Answer('{"batchItemFailures": [{"itemIdentifier": ""}]}', failed=False),
        Answer('{"batchItemFailures": [{"id": "x"}]}', failed=False),
        Answer('{"batchItemFailures": "all"}', failed=False),
        Answer('"text"', failed=False),
    ],
)
def test_a_batch_whose_answer_is_an_error_comes_again_whole(queue: Queue, answer: Answer) -> None:
    queue.poll(lambda _: answer)
    queue.send("a", "b")
    eventually(lambda: queue.delivered == ["a", "a", "b", "b"])


def test_batches_run_at_once_up_to_the_maximum(queue: Queue) -> None:
    go_on = threading.Event()

    def answer(_: list[Record]) -> Answer:
        go_on.wait(PATIENCE)
        return NOTHING_FAILED

    queue.poll(answer, maximum=2)
    for number, body in enumerate("ab"):
        queue.send(body)
        eventually(lambda number=number: len(queue.batches) == number + 1)  # type: ignore[misc]
    queue.send("c")
    time.sleep(0.3)
    assert queue.delivered == ["a", "b"]
    go_on.set()
    eventually(lambda: "c" in queue.delivered)
