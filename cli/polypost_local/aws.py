"""AWS clients of the local stack, and the guard that keeps every client in a process on this machine."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.config import Config
from botocore.httpsession import URLLib3Session

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

# The account that the local engine and SAM CLI both pretend to be.
ACCOUNT_ID: Final = "123456789012"

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class ForbiddenHost(Exception):
    """A request would have left this machine."""


@dataclass(frozen=True)
class Clients:
    """The services that the local stack itself calls; clients are safe to share between threads."""

    cloudformation: "CloudFormationClient"
    ses: "SESV2Client"
    sns: "SNSClient"
    sqs: "SQSClient"


def local_clients() -> Clients:
    """Returns clients for the engine that this process's environment names (see `local_environment.isolate`)."""
    session = boto3.Session()
    # Every event source keeps a long poll open, beside the deletes and publishes of the others.
    config = Config(max_pool_connections=50, retries={"total_max_attempts": 1, "mode": "standard"})
    return Clients(
        cloudformation=session.client("cloudformation", config=config),
        ses=session.client("sesv2", config=config),
        sns=session.client("sns", config=config),
        sqs=session.client("sqs", config=config),
    )


def allow_loopback_only() -> None:
    """Makes every AWS client of this process, also those made later, refuse a host that is not this machine.

    A refused request raises ForbiddenHost before a connection is opened.
    """
    send = URLLib3Session.send

    def send_to_loopback(session: URLLib3Session, request: AWSRequest | AWSPreparedRequest) -> AWSResponse:
        host = urlsplit(str(request.url)).hostname
        if host not in _LOOPBACK:
            raise ForbiddenHost(f"the local stack does not call {host}")
        return send(session, request)

    URLLib3Session.send = send_to_loopback  # type: ignore[assignment, method-assign]
