"""The AWS services that only the operator's command calls: CloudFormation for a stack's parts, SES for identities."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError, ProfileNotFound

from polypost.adapters.clients import translated_errors
from polypost.errors import Permanent, PolypostError

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client


def stack_outputs(stack_name: str) -> dict[str, str]:
    """The outputs of a CloudFormation stack, by name.

    Raises: Permanent, if there is no such stack or no way to AWS; Retryable, if AWS does not answer.
    """
    try:
        with translated_errors("cloudformation.DescribeStacks"):
            client = boto3.client("cloudformation")
            (stack,) = client.describe_stacks(StackName=stack_name)["Stacks"]
    except PolypostError as error:
        match error.__cause__:
            # CloudFormation's word for a stack that it does not have.
            case ClientError(response={"Error": {"Code": "ValidationError"}}):
                raise Permanent(f"there is no stack {stack_name} in {client.meta.region_name}") from error
            case NoRegionError() | NoCredentialsError() | ProfileNotFound() as cause:
                raise Permanent(f"AWS is not configured here: {cause}") from error
        raise
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


@dataclass(frozen=True, slots=True)
class Identity:
    """A domain as SES knows it: `status` in SES's words, and the tokens of its DKIM records."""

    status: str
    dkim_tokens: tuple[str, ...]

    @property
    def verified(self) -> bool:
        """Whether SES sends for the domain."""
        return self.status == "SUCCESS"


class Identities:
    """SES's domain identities (SES v2 API)."""

    def __init__(self) -> None:
        self._client: SESV2Client = boto3.client("sesv2")

    def ensure(self, domain: str) -> Identity:
        """The identity of a domain, made if SES does not know it."""
        try:
            with translated_errors("sesv2.CreateEmailIdentity"):
                self._client.create_email_identity(EmailIdentity=domain)
        except PolypostError as error:
            match error.__cause__:
                case ClientError(response={"Error": {"Code": "AlreadyExistsException"}}):
                    pass
                case _:
                    raise
        return self.get(domain)

    def get(self, domain: str) -> Identity:
        """The identity of a domain. Raises: Retryable or Permanent, also where SES does not know the domain."""
        with translated_errors("sesv2.GetEmailIdentity"):
            answer = self._client.get_email_identity(EmailIdentity=domain)
        return Identity(
            status=answer.get("VerificationStatus", "NOT_STARTED"),
            dkim_tokens=tuple(answer.get("DkimAttributes", {}).get("Tokens", [])),
        )
