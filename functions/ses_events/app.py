"""SES's notifications, through SNS and SQS or from SNS directly: records what became of each mail."""

from collections.abc import Mapping
from typing import Any

from polypost import runtime
from polypost.adapters.ses_notifications import unwrap
from polypost.queues.consumer import sqs_batch
from polypost.usecases.record_ses_notification import record_ses_notification


@sqs_batch
def from_queue(body: str) -> None:
    """Record the notification of one SQS message."""
    record_ses_notification(unwrap(body), logs=runtime.logs(), suppressions=runtime.suppressions())


def handler(event: dict[str, Any], context: Any) -> Mapping[str, Any]:
    """Record the notifications of one event."""
    if "Sns" not in event["Records"][0]:
        return from_queue(event, context)
    # SNS invokes with one record; an error makes Lambda invoke again, and at last hand the event to the function's
    # on-failure destination, which whoever subscribes the function itself has to give it.
    for record in event["Records"]:
        text = record["Sns"]["Message"]
        record_ses_notification(text, logs=runtime.logs(), suppressions=runtime.suppressions())
    return {}
