"""The mail queue's worker: sends each queued mail once."""

from aws_lambda_powertools import Logger

from polypost import runtime
from polypost.adapters.mail_queue import decode
from polypost.errors import Permanent
from polypost.queues.consumer import sqs_batch
from polypost.usecases.deliver_mail import deliver_mail

logger = Logger()


@sqs_batch
def handler(body: str) -> None:
    """Send the mail of one SQS message; what can never be sent goes to the dead-letter queue whole."""
    try:
        deliver_mail(
            decode(body),
            access=runtime.access(),
            logs=runtime.logs(),
            mailer=runtime.mailer(),
            suppressions=runtime.suppressions(),
        )
    except Permanent:
        logger.exception("Moved to the dead-letter queue")
        runtime.mail_dead_letter_queue().put_body(body)
