"""What every function behind a queue does around its use case.

It reports the messages that failed, says when each comes again, gives up the hopeless ones, and logs a line for each.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSEvent, SQSRecord

from polypost import runtime
from polypost.adapters.mail_queue import MailQueue
from polypost.errors import Permanent, PolypostError, Unsettled

logger = Logger()

BatchHandler = Callable[[dict[str, Any], Any], Mapping[str, Any]]

Job = TypeVar("Job")

#: The longest that a message is put off for, in seconds. SQS moves one away after 1000 receives, and forgets one after
#: 14 days: a thousand times the least that is left of this by chance are more than that.
LONGEST_DELAY = 1800.0
LEAST_SHARE = 0.7

#: How long a message may wait in its queue. A day before SQS would forget it, it is moved as a new message to where
#: messages wait for a person, and may stay there for as long as any other.
LONGEST_WAIT = timedelta(days=13)


def sqs_batch(handle: Callable[[str], None]) -> BatchHandler:
    """Make a Lambda handler of a function that handles the body of one SQS message.

    An error leaves its message in the queue, and the others are handled all the same.

    Source: Lambda developer guide, "Reporting batch item failures for Lambda functions with SQS".
    """

    def one_by_one(bodies: Sequence[str], _: Any) -> list[Exception | None]:
        return [_error(handle, body) for body in bodies]

    return sqs_batches(decode=str)(one_by_one)


def sqs_batches(
    *, decode: Callable[[str], Job], dead_letters: Callable[[], MailQueue] | None = None
) -> Callable[[Callable[[Sequence[Job], Any], Sequence[Exception | None]]], BatchHandler]:
    """Make a Lambda handler of a function that handles a whole batch of SQS messages.

    The function is given the decoded messages and Lambda's context, and returns the error of each, or None.

    Parameters: decode, reads a message's body; dead_letters, gives the queue to which a message is moved at once that
    can never be handled, and one that has waited for LONGEST_WAIT. Without it both stay, until the queue's own rule
    moves them.
    """
    return lambda handle: _batch_handler(handle, decode, dead_letters)


def _batch_handler(
    handle: Callable[[Sequence[Job], Any], Sequence[Exception | None]],
    decode: Callable[[str], Job],
    dead_letters: Callable[[], MailQueue] | None,
) -> BatchHandler:
    @logger.inject_lambda_context(clear_state=True)
    def handler(event: dict[str, Any], context: Any) -> Mapping[str, Any]:
        records = list(SQSEvent(event).records)
        jobs: list[Job] = []
        unreadable: dict[int, Exception] = {}
        for number, record in enumerate(records):
            try:
                jobs.append(decode(record.body))
            except Exception as error:
                unreadable[number] = error
        outcomes = iter(handle(jobs, context))
        failed = []
        for number, record in enumerate(records):
            problem = unreadable[number] if number in unreadable else next(outcomes)
            if problem is not None and not _moved(record, problem, dead_letters):
                _put_off(record, problem)
                failed.append({"itemIdentifier": record.message_id})
        return {"batchItemFailures": failed}

    return handler


def seconds_until_next_try(receives: int, wait: float) -> int:
    """How long to leave a message alone: longer with each receive, and by chance, so that many do not come at once.

    Parameters: receives, how often it was received, from 1 on; wait, how long another try would be in vain, in seconds.
    """
    # Two seconds at most, then four, then eight; the power of a large number would be too large for a float.
    growing = min(2.0 ** min(receives, 64), LONGEST_DELAY) * _by_chance(LEAST_SHARE, 1)
    return round(max(1, growing, min(wait, LONGEST_DELAY) * _by_chance(1, 1.1)))


def _by_chance(least: float, most: float) -> float:
    return random.uniform(least, most)  # noqa: S311 - spreads messages in time, hides nothing


def _error(handle: Callable[[str], None], body: str) -> Exception | None:
    try:
        handle(body)
    except Exception as error:
        return error
    return None


def _moved(record: SQSRecord, error: Exception, dead_letters: Callable[[], MailQueue] | None) -> bool:
    """Whether the message was moved away, since no other try can help it, or it has waited for too long."""
    if dead_letters is None or not (isinstance(error, Permanent) or _waited(record) >= LONGEST_WAIT):
        return False
    try:
        dead_letters().put_body(record.body)
    except PolypostError:
        logger.exception("Could not be moved to the dead-letter queue", sqs_message_id=record.message_id)
        return False
    logger.error("Moved to the dead-letter queue", exc_info=error, **_facts(record, error))
    return True


def _put_off(record: SQSRecord, error: Exception) -> None:
    seconds = seconds_until_next_try(_receives(record), error.wait if isinstance(error, Unsettled) else 0)
    if isinstance(error, Unsettled):
        logger.warning(f"Will be tried again in {seconds} seconds: {error}", **_facts(record, error))
    else:
        logger.error("Left in the queue", exc_info=error, **_facts(record, error))
    try:
        runtime.deferrals().put_off(record.event_source_arn, record.receipt_handle, seconds)
    except PolypostError as refusal:
        logger.warning(
            f"Comes again after the queue's own visibility time-out: {refusal}", sqs_message_id=record.message_id
        )


def _facts(record: SQSRecord, error: Exception) -> dict[str, Any]:
    """What template.yaml's metric filters look for, and what tells one message's lines from another's."""
    waited = int(_waited(record).total_seconds())
    return {"sqs_message_id": record.message_id, "error": type(error).__name__, "waited": waited}


def _receives(record: SQSRecord) -> int:
    return int(record.attributes.get("ApproximateReceiveCount") or 1)


def _waited(record: SQSRecord) -> timedelta:
    """How long a message has been in its queue; one that was moved there from another queue begins anew."""
    sent = record.attributes.get("SentTimestamp")
    return datetime.now(UTC) - datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else timedelta(0)
