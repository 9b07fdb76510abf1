"""SES: the one call that makes a mail leave."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from polypost.errors import OutcomeUnknown, Permanent, Retryable
from polypost.models.access import SPACE_ID
from polypost.models.delivery import MessageRef
from polypost.models.message_ids import MESSAGE_ID

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import MessageTagTypeDef

#: SES's answers to this one mail. Every other refusal is about the account, the stack or the moment, and passes.
_REFUSALS = frozenset({"MessageRejected", "BadRequestException", "MailFromDomainNotVerifiedException"})

#: What goes wrong before a request has left.
_NOT_SENT = (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError, ProxyConnectionError, SSLError)


class MailRefused(Permanent):
    """SES will never send this mail; the text is SES's reason."""


class Mailer:
    """Sends raw messages through one configuration set."""

    def __init__(self, client: "SESV2Client", configuration_set: str) -> None:
        self._client = client
        self._configuration_set = configuration_set

    def send(self, message: MessageRef, *, to: str, bcc: list[str], mime: bytes) -> str:
        """Send one message, once; SES's id of it.

        The recipients are the envelope's alone, so that no header shows the Bcc.

        Raises: MailRefused, or Permanent for a call that botocore itself refuses; Retryable, if it surely was not
        sent; OutcomeUnknown, if it may have been.
        """
        try:
            answer = self._client.send_email(
                Destination={"ToAddresses": [to], "BccAddresses": bcc},
                Content={"Raw": {"Data": mime}},
                EmailTags=encode_tags(message),
                ConfigurationSetName=self._configuration_set,
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _REFUSALS:
                raise MailRefused(f"{code}: {error.response['Error'].get('Message', '')}") from error
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise OutcomeUnknown(f"sesv2.SendEmail: {code}") from error
            raise Retryable(f"sesv2.SendEmail: {code}") from error
        except ParamValidationError as error:
            raise Permanent(f"sesv2.SendEmail: {error}") from error
        except _NOT_SENT as error:
            raise Retryable(f"sesv2.SendEmail: {type(error).__name__}") from error
        except (BotoCoreError, ResponseParserError) as error:
            raise OutcomeUnknown(f"sesv2.SendEmail: {type(error).__name__}") from error
        return answer["MessageId"]


def encode_tags(message: MessageRef) -> "list[MessageTagTypeDef]":
    """The tags that SES repeats in every event of a message.

    Values may hold `[A-Za-z0-9_-]` alone (SES v2 API reference, "MessageTag"), so free text is base64url.
    """
    tags = {"messageId": message.message_id, "space": message.space}
    if message.source_system is not None:
        tags["sourceSystem"] = urlsafe_b64encode(message.source_system.encode()).decode().rstrip("=")
    if message.campaign_id is not None:
        tags["campaignId"] = urlsafe_b64encode(message.campaign_id.encode()).decode().rstrip("=")
    return [{"Name": name, "Value": value} for name, value in tags.items()]


def decode_tags(tags: dict[str, list[str]]) -> MessageRef | None:
    """The message that an event's tags name, or None where they are not this project's.

    Raises: ValueError, for an id that is none, or free text that is not base64url of UTF-8.
    """
    if "messageId" not in tags or "space" not in tags:
        return None
    for name, pattern in (("messageId", MESSAGE_ID), ("space", SPACE_ID)):
        if not pattern.fullmatch(tags[name][0]):
            raise ValueError(f"{name} {tags[name][0]:.100}")

    def text(name: str) -> str | None:
        if name not in tags:
            return None
        value = tags[name][0]
        return urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode()

    return MessageRef(tags["messageId"][0], tags["space"][0], text("sourceSystem"), text("campaignId"))
