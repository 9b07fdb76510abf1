"""The AWS services that only the operator's command calls: CloudFormation for a stack's parts, SES for identities."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError, ProfileNotFound

from polypost.adapters.clients import translated_errors
from polypost.errors import Permanent, PolypostError

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client


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


def _code(error: PolypostError) -> str | None:
    """AWS's code of an error, if AWS answered with one."""
    cause = error.__cause__
    return cause.response["Error"]["Code"] if isinstance(cause, ClientError) else None
