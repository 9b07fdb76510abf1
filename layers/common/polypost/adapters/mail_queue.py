"""The mail queue: accepted mails on their way to the worker."""

import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from pydantic import ValidationError

from polypost.adapters.clients import translated_errors
from polypost.errors import PayloadTooLarge, Permanent
from polypost.models.mail import QueuedMail

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: SQS's limit for a message's body with its attributes (SQS developer guide, "Message quotas").
MAX_BODY_BYTES = 1_048_576


class UnreadableMail(Permanent):
    """A queued message that is not of this project's making, or is damaged."""


def encode(queued: QueuedMail) -> str:
    """A queued mail as an SQS body: deflated JSON in base64.

    SQS refuses some characters and counts bytes; base64 has only good ones, and deflate makes room for it, so that a
    request of 700 KiB always passes.

    Raises: PayloadTooLarge.
    """
    body = b64encode(zlib.compress(queued.model_dump_json(exclude_none=True).encode())).decode()
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge(f"The mail is too large: {len(body)} bytes when encoded, {MAX_BODY_BYTES} are allowed")
    return body


def decode(body: str) -> QueuedMail:
    """The queued mail of an SQS body.

    Raises: UnreadableMail.
    """
    try:
        return QueuedMail.model_validate_json(zlib.decompress(b64decode(body, validate=True)))
    except (ValueError, zlib.error, ValidationError) as error:
        raise UnreadableMail(f"Not a queued mail: {type(error).__name__}") from error


class MailQueue:
    """Puts mails into one SQS queue."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._url = queue_url

    def put(self, queued: QueuedMail) -> None:
        """Queue a mail, in one call.

        Raises: PayloadTooLarge; Retryable, when SQS did not take it.
        """
        self.put_body(encode(queued))

    def put_body(self, body: str) -> None:
        """Queue a body as it is, readable or not."""
        with translated_errors("sqs.SendMessage"):
            self._client.send_message(QueueUrl=self._url, MessageBody=body)
