"""What a function behind a queue does with the messages that it could not handle."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from polypost import runtime
from polypost.errors import OutcomeUnknown, Permanent, Retryable
from polypost.queues import consumer
from polypost.queues.consumer import LONGEST_WAIT, seconds_until_next_try, sqs_batch, sqs_batches
from polypost_local.template import read_template
from support.lambda_events import LambdaContext, sqs_event
from support.template_engine import ROOT

DAY = timedelta(days=1)


class Queues:
    """The queue that the messages come from, and the one for dead letters; `broken` makes both fail."""

    def __init__(self) -> None:
        self.delays: dict[str, int] = {}
        self.dead: list[str] = []
        self.broken = False

    def put_off(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:
        assert queue_arn == "arn:aws:sqs:eu-central-1:123456789012:queue"
        self._check()
        self.delays[receipt_handle] = seconds

    def put_body(self, body: str) -> None:
        self._check()
        self.dead.append(body)

    def _check(self) -> None:
        if self.broken:
            raise Retryable("sqs")


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Queues:
    queues = Queues()
    monkeypatch.setattr(runtime, "deferrals", lambda: queues)
    return queues


def event(*bodies: str, receives: int = 1, waited: timedelta = timedelta(0)) -> dict[str, Any]:
    made = sqs_event(*bodies)
    for record in made["Records"]:
        sent = datetime.now(UTC) - waited
        record["attributes"] = {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": str(int(sent.timestamp() * 1000)),
        }
    return made


def failing(error: Exception | None, queues: Queues, **options: Any) -> list[str]:
    """Which messages of a batch of one are wanted again, if it fails with an error."""

    @sqs_batches(decode=json.loads, dead_letters=lambda: queues)  # type: ignore[arg-type, return-value]
    def handler(jobs: Sequence[object], context: object) -> list[Exception | None]:
        return [error for _ in jobs]

    answer = handler(event(options.pop("body", "1"), **options), LambdaContext())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_what_is_done_is_not_wanted_again(queues: Queues) -> None:
    assert failing(None, queues) == []
    assert (queues.delays, queues.dead) == ({}, [])


@pytest.mark.parametrize("error", [Retryable("x"), OutcomeUnknown("x"), RuntimeError("x")])
def test_what_failed_comes_again_soon(queues: Queues, error: Exception) -> None:
    assert failing(error, queues) == ["0"]
    assert queues.delays["receipt-0"] in (1, 2)
    assert queues.dead == []


def test_what_can_never_be_done_is_moved_away_whole(queues: Queues) -> None:
    assert failing(Permanent("x"), queues) == []
    assert queues.dead == ["1"]


def test_what_cannot_be_read_is_no_job(queues: Queues) -> None:
    assert failing(None, queues, body="no JSON") == ["0"]


def test_without_a_queue_for_dead_letters_everything_stays(queues: Queues) -> None:
    def fail(body: str) -> None:
        raise Permanent(body)

    answer = sqs_batch(fail)(event("1", waited=LONGEST_WAIT), LambdaContext())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert queues.delays


def test_after_thirteen_days_a_message_is_moved_as_a_new_one(queues: Queues) -> None:
    assert failing(Retryable("x"), queues, waited=13 * DAY - timedelta(minutes=1)) == ["0"]
    assert queues.dead == []
    assert failing(Retryable("x"), queues, waited=13 * DAY) == []
    assert queues.dead == ["1"]
    # It is moved for waiting and not for its age.
    assert failing(None, queues, waited=13 * DAY) == []
    assert queues.dead == ["1"]


def test_queues_that_do_not_answer_lose_nothing(queues: Queues) -> None:
    queues.broken = True
    for error in (Permanent("x"), Retryable("x"), RuntimeError("x")):
        assert failing(error, queues, waited=13 * DAY) == ["0"]


def test_each_try_is_later_than_the_one_before_and_no_two_are_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = [{seconds_until_next_try(receives, 0) for _ in range(200)} for receives in range(1, 1001)]
    assert tries[0] == {1, 2}
    assert max(tries[3]) <= 16
    assert min(tries[3]) >= 11
    assert len(tries[6]) > 10
    assert all(1260 <= seconds <= 1800 for later in tries[11:] for seconds in later)


def test_a_message_is_left_alone_for_as_long_as_a_try_would_be_in_vain() -> None:
    assert {600 <= seconds_until_next_try(1, 600) <= 660 for _ in range(100)} == {True}
    assert seconds_until_next_try(1, 10**9) <= 1.1 * consumer.LONGEST_DELAY


def test_no_number_of_tries_brings_a_mail_to_the_dead_letter_queue_before_it_has_waited_long_enough() -> None:
    queue = read_template(ROOT / "template.yaml").cloudformation["Resources"]["MailQueue"]["Properties"]
    receives = queue["RedrivePolicy"]["maxReceiveCount"]
    soonest = sum(
        min(2.0 ** min(number, 64), consumer.LONGEST_DELAY) * consumer.LEAST_SHARE for number in range(1, receives)
    )
    assert timedelta(seconds=soonest) > timedelta(seconds=queue["MessageRetentionPeriod"]) > LONGEST_WAIT
    # What is put off once more after thirteen days comes again before SQS would forget it.
    longest_delay = timedelta(seconds=1.1 * consumer.LONGEST_DELAY + queue["VisibilityTimeout"])
    assert LONGEST_WAIT + longest_delay < timedelta(seconds=queue["MessageRetentionPeriod"])
