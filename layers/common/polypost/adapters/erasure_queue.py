"""The queue of erasures: what of deleted contacts is still in the log."""

from typing import TYPE_CHECKING

from pydantic import ValidationError

from polypost.adapters.clients import translated_errors
from polypost.errors import Permanent
from polypost.models.history import ErasureJob

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: The longest that SQS holds a message back, in seconds (SQS developer guide, "Amazon SQS delay queues").
LONGEST_DELAY = 900


class UnreadableJob(Permanent):
    """A queued message that is not of this project's making, or is damaged."""


def decode(body: str) -> ErasureJob:
    """The job of an SQS body.

    Raises: UnreadableJob.
    """
    try:
        return ErasureJob.model_validate_json(body)
    except ValidationError as error:
        raise UnreadableJob("Not an erasure job") from error


class ErasureQueue:
    """Puts erasures into one SQS queue."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._url = queue_url

    def put(self, job: ErasureJob, delay: int) -> None:
        """Queue a job.

        Parameters: delay, in seconds, from 0 to LONGEST_DELAY.

        Raises: Retryable, when SQS did not take it.
        """
        with translated_errors("sqs.SendMessage"):
            self._client.send_message(QueueUrl=self._url, MessageBody=job.model_dump_json(), DelaySeconds=delay)
