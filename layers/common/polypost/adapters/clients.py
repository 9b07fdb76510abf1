"""The one place that builds AWS clients, and that turns their errors into the project's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from polypost.errors import Permanent, Retryable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient

# As many as the worker may have threads (MailBatchConcurrency in template.yaml); each is made when it is needed.
_CONNECTIONS = 50

# Both services answer in milliseconds: a stalled call is given up early and tried anew, and the function still has
# time to say so before its Timeout in template.yaml.
_QUICK = Config(
    connect_timeout=2,
    read_timeout=5,
    max_pool_connections=_CONNECTIONS,
    retries={"total_max_attempts": 2, "mode": "standard"},
)

# botocore's own retry after a read time-out would send the mail twice. Connect and read time-out of a whole batch
# of ten stay below the worker's Timeout in template.yaml.
_ONCE = Config(
    connect_timeout=3,
    read_timeout=10,
    max_pool_connections=_CONNECTIONS,
    retries={"total_max_attempts": 1, "mode": "standard"},
)


def dynamodb() -> "DynamoDBClient":
    """A DynamoDB client that gives up early and retries."""
    return boto3.client("dynamodb", config=_QUICK)


def sqs() -> "SQSClient":
    """An SQS client that gives up early and retries."""
    return boto3.client("sqs", config=_QUICK)


def sesv2() -> "SESV2Client":
    """An SES v2 client that tries once."""
    return boto3.client("sesv2", config=_ONCE)


class ConditionFailed(Permanent):
    """DynamoDB refused a write by the write's own condition.

    `item` is what stood there, in DynamoDB's typed values, where the write asked for it.
    """

    def __init__(self, call: str, item: Any) -> None:
        super().__init__(f"{call}: condition failed")
        self.item = item


@dataclass(frozen=True, slots=True)
class CancellationReason:
    """Why one member of a transaction did not go through.

    `failed` tells whether its own condition did; `item` is what stood there, in DynamoDB's typed values, where the
    write asked for it.
    """

    failed: bool
    item: Any


class TransactionConflict(Retryable):
    """Another write of one of the items was under way; nothing was changed, and the same call may succeed at once."""


class TransactionRefused(Permanent):
    """DynamoDB refused a transaction by a condition; `reasons` has one entry for each member, in their order."""

    def __init__(self, call: str, reasons: tuple[CancellationReason, ...]) -> None:
        super().__init__(f"{call}: condition failed")
        self.reasons = reasons


#: What DynamoDB calls two writes of one item at once, for a transaction and for a single write.
_CONFLICTS = frozenset({"TransactionConflict", "TransactionConflictException", "TransactionInProgressException"})

#: Client errors that say that the call itself is wrong. All others pass: throttling, outages, a role being changed.
_PERMANENT = frozenset({"ValidationException", "InvalidMessageContents", "InvalidParameterValue"})


@contextmanager
def translated_errors(call: str) -> Iterator[None]:
    """Turn what botocore raises into ConditionFailed, TransactionRefused, TransactionConflict, Permanent or Retryable.

    Parameters: call, the service and operation, for the error's text.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ConditionalCheckFailedException":
            raise ConditionFailed(call, error.response.get("Item", {})) from error
        reasons = error.response.get("CancellationReasons", [])
        codes = {code, *(reason["Code"] for reason in reasons)}
        if code == "TransactionCanceledException" and "ConditionalCheckFailed" in codes:
            raise TransactionRefused(
                call,
                tuple(
                    CancellationReason(reason["Code"] == "ConditionalCheckFailed", reason.get("Item", {}))
                    for reason in reasons
                ),
            ) from error
        if codes & _CONFLICTS:
            raise TransactionConflict(f"{call}: {code}") from error
        kind = Permanent if code in _PERMANENT else Retryable
        raise kind(f"{call}: {code}") from error
    except (BotoCoreError, ResponseParserError) as error:
        raise Retryable(f"{call}: {type(error).__name__}") from error
