"""The AWS services that only the operator's command calls.

CloudFormation for a stack's parts, SES for identities, SQS and CloudWatch for what lies in the queues.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError, ProfileNotFound

from polypost.adapters.clients import translated_errors
from polypost.errors import Permanent, PolypostError

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef


# A person waits: a dropped connection is told within half a minute.
_PATIENT = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2, "mode": "standard"})


# Where SES's DKIM keys lie, unless SES names another zone for the region.
_DKIM_ZONE = "dkim.amazonses.com"


def stack_outputs(stack_name: str) -> dict[str, str]:
    """The outputs of a CloudFormation stack, by name.

    Raises: Permanent, if there is no such stack or no way to AWS; Retryable, if AWS does not answer.
    """
    try:
        with translated_errors("cloudformation.DescribeStacks"):
            client = boto3.client("cloudformation", config=_PATIENT)
            (stack,) = client.describe_stacks(StackName=stack_name)["Stacks"]
    except PolypostError as error:
        # CloudFormation's word for a stack that it does not have.
        if _code(error) == "ValidationError":
            raise Permanent(f"there is no stack {stack_name} in {client.meta.region_name}") from error
        if isinstance(error.__cause__, NoRegionError | NoCredentialsError | ProfileNotFound):
            raise Permanent(f"AWS is not configured here: {error.__cause__}") from error
        raise
    except ValueError as error:
        # What botocore says of an endpoint or a number in the environment that is none.
        raise Permanent(f"AWS is not configured here: {error}") from error
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


@dataclass(frozen=True, slots=True)
class Identity:
    """A domain as SES knows it.

    `status` is SES's word, or `NOT_KNOWN`; `dkim_tokens` name the DKIM records, whose values lie in `dkim_zone`.
    """

    status: str
    dkim_tokens: tuple[str, ...] = ()
    dkim_zone: str = _DKIM_ZONE

    @property
    def verified(self) -> bool:
        """Whether SES sends for the domain."""
        return self.status == "SUCCESS"


class Identities:
    """SES's domain identities (SES v2 API)."""

    def __init__(self) -> None:
        self._client: SESV2Client = boto3.client("sesv2", config=_PATIENT)

    def ensure(self, domain: str) -> Identity:
        """The identity of a domain, made if SES does not know it."""
        try:
            with translated_errors("sesv2.CreateEmailIdentity"):
                self._client.create_email_identity(EmailIdentity=domain)
        except PolypostError as error:
            if _code(error) != "AlreadyExistsException":
                raise
        return self.get(domain)

    def get(self, domain: str) -> Identity:
        """The identity of a domain; one with the status `NOT_KNOWN` where SES has none."""
        try:
            with translated_errors("sesv2.GetEmailIdentity"):
                answer = self._client.get_email_identity(EmailIdentity=domain)
        except PolypostError as error:
            if _code(error) == "NotFoundException":
                return Identity("NOT_KNOWN")
            raise
        dkim = answer.get("DkimAttributes", {})
        return Identity(
            status=answer.get("VerificationStatus", "NOT_STARTED"),
            # With a key of its own a domain has published its record already.
            dkim_tokens=() if dkim.get("SigningAttributesOrigin") == "EXTERNAL" else tuple(dkim.get("Tokens", [])),
            dkim_zone=dkim.get("SigningHostedZone") or _DKIM_ZONE,
        )


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue holds, as SQS estimates it: that wait, that were received, and that are held back."""

    waiting: int
    in_flight: int
    delayed: int

    @property
    def is_empty(self) -> bool:
        """Whether there is no message."""
        return not (self.waiting or self.in_flight or self.delayed)


@dataclass(frozen=True, slots=True)
class Redriven:
    """How many messages were moved so far, and how many of them came back meanwhile."""

    moved: int
    came_back: int


# What SQS receives at once (SQS developer guide, "Message quotas").
_RECEIVED_AT_ONCE = 10

# A received message is nobody else's for so long. Ten sends of a mebibyte take a few seconds.
_HIDDEN_SECONDS = 120

# Any wait makes SQS ask all of its servers, so that nothing means that there is nothing (SQS developer guide, "Amazon
# SQS short and long polling").
_WAIT_SECONDS = 1

# SQS reports a metric every minute, and CloudWatch has it a few minutes later.
_METRIC_WINDOW = timedelta(minutes=15)


class Queues:
    """SQS queues, by their URLs: what lies in them, and the way back from a dead-letter queue."""

    def __init__(self) -> None:
        self._sqs: SQSClient = boto3.client("sqs", config=_PATIENT)

    @cached_property
    def _cloudwatch(self) -> Any:
        return boto3.client("cloudwatch", config=_PATIENT)

    def depth(self, url: str) -> Depth:
        """How many messages a queue holds. Raises: Retryable."""
        with translated_errors("sqs.GetQueueAttributes"):
            answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        attributes = answer["Attributes"]
        return Depth(
            waiting=int(attributes["ApproximateNumberOfMessages"]),
            in_flight=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(attributes["ApproximateNumberOfMessagesDelayed"]),
        )

    def ages(self, urls: Sequence[str]) -> list[timedelta | None]:
        """How long the oldest message of each queue has waited, as SQS last told CloudWatch; None if it told nothing.

        SQS leaves out what was received three times, but not in a dead-letter queue (SQS developer guide, "Available
        CloudWatch metrics").

        Raises: Retryable.
        """
        queries = [
            {
                "Id": f"queue{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/SQS",
                        "MetricName": "ApproximateAgeOfOldestMessage",
                        "Dimensions": [{"Name": "QueueName", "Value": url.rpartition("/")[2]}],
                    },
                    "Period": 60,
                    "Stat": "Maximum",
                },
            }
            for number, url in enumerate(urls)
        ]
        now = datetime.now(UTC)
        with translated_errors("cloudwatch.GetMetricData"):
            answer = self._cloudwatch.get_metric_data(
                MetricDataQueries=queries, StartTime=now - _METRIC_WINDOW, EndTime=now, ScanBy="TimestampDescending"
            )
        newest = {result["Id"]: result["Values"][0] for result in answer["MetricDataResults"] if result["Values"]}
        seconds = [newest.get(query["Id"]) for query in queries]
        return [None if each is None else timedelta(seconds=each) for each in seconds]

    def redrive(self, source: str, target: str, limit: int | None) -> Iterator[Redriven]:
        """Move the messages of a dead-letter queue to another queue, as they are; how far it is, every now and then.

        One is deleted once the other queue has taken it, so that a run that is cut off loses none, and moves one twice
        at most. One that comes back meanwhile is left, so that the run ends.

        StartMessageMoveTask is no help: it moves what another queue put aside, not what SNS or a function did (SQS API
        reference).

        Parameters: limit, how many to move at most.

        Raises: Retryable.
        """
        seen: set[bytes] = set()
        moved = came_back = 0
        with ThreadPoolExecutor(_RECEIVED_AT_ONCE) as pool:
            while limit is None or moved < limit:
                asked = _RECEIVED_AT_ONCE if limit is None else min(_RECEIVED_AT_ONCE, limit - moved)
                found = self._receive(source, asked)
                if not found:
                    return
                # Known by what they say: one that comes back has another id.
                digests = [hashlib.sha256(message["Body"].encode()).digest() for message in found]
                fresh = [message for message, digest in zip(found, digests, strict=True) if digest not in seen]
                list(pool.map(lambda message: self._move(message, source, target), fresh))
                seen.update(digests)
                moved += len(fresh)
                came_back += len(found) - len(fresh)
                yield Redriven(moved, came_back)

    def _receive(self, url: str, number: int) -> "list[MessageTypeDef]":
        with translated_errors("sqs.ReceiveMessage"):
            answer = self._sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=number,
                MessageAttributeNames=["All"],
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=_WAIT_SECONDS,
            )
        return answer.get("Messages", [])

    def _move(self, message: "MessageTypeDef", source: str, target: str) -> None:
        attributes: Any = {
            name: {member: text for member, text in value.items() if not member.endswith("ListValues")}
            for name, value in message.get("MessageAttributes", {}).items()
        }
        with translated_errors("sqs.SendMessage"):
            self._sqs.send_message(QueueUrl=target, MessageBody=message["Body"], MessageAttributes=attributes)
        with translated_errors("sqs.DeleteMessage"):
            self._sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])


def _code(error: PolypostError) -> str | None:
    """AWS's code of an error, if AWS answered with one."""
    cause = error.__cause__
    return cause.response["Error"]["Code"] if isinstance(cause, ClientError) else None
