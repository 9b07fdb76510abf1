"""Received SQS messages that are to come again later."""

from typing import TYPE_CHECKING

from polypost.adapters.clients import translated_errors

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Deferrals:
    """Puts off messages of any queue that Lambda reads."""

    def __init__(self, client: "SQSClient") -> None:
        self._client = client

    def put_off(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:
        """Let a message come again after a while, instead of after its queue's visibility time-out.

        Parameters: receipt_handle, as Lambda's event has it; seconds, from now, at most 43,200.

        Raises: Retryable or Permanent, when SQS did not do it.
        """
        *_, account, name = queue_arn.split(":")
        # SQS finds a queue by its account and name, at any of its endpoints.
        url = f"{self._client.meta.endpoint_url}/{account}/{name}"
        with translated_errors("sqs.ChangeMessageVisibility"):
            self._client.change_message_visibility(
                QueueUrl=url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )
