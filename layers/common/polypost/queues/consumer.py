"""What every function behind a queue does around its use case: partial batch failures, and a log line for each."""

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from polypost.errors import OutcomeUnknown, Retryable

logger = Logger()

BatchHandler = Callable[[dict[str, Any], Any], Mapping[str, Any]]


def sqs_batch(handle: Callable[[str], None]) -> BatchHandler:
    """Make a Lambda handler of a function that handles the body of one SQS message.

    An error leaves its message in the queue, and the others are handled all the same.

    Source: Lambda developer guide, "Reporting batch item failures for Lambda functions with SQS".
    """
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)

    def logged(record: SQSRecord) -> None:
        logger.append_keys(sqs_message_id=record.message_id)
        try:
            handle(record.body)
        except (Retryable, OutcomeUnknown) as error:
            logger.warning(f"Will be tried again: {error}")
            raise
        except Exception:
            logger.exception("Left in the queue")
            raise

    @logger.inject_lambda_context(clear_state=True)
    def handler(event: dict[str, Any], context: Any) -> Mapping[str, Any]:
        return process_partial_response(event, logged, processor, context)

    return handler
