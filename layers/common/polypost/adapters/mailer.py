"""SES: the one call that makes a mail leave, and what the account may send."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from threading import local
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
)
from botocore.parsers import ResponseParserError

from polypost.adapters.clients import translated_errors
from polypost.adapters.ses_answers import Verdict, answer_for
from polypost.errors import OutcomeUnknown, Permanent, Retryable
from polypost.models.access import SPACE_ID
from polypost.models.delivery import MessageRef
from polypost.models.mail import Part
from polypost.models.message_ids import MESSAGE_ID
from polypost.models.send_rate import SendQuota

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import MessageTagTypeDef

# What goes wrong before a request has left: no connection, or nothing to sign it with. A TLS error is none of them,
# since botocore has one class for those of the handshake and for those that cut off SES's answer.
_NOT_SENT = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)

_LONGEST_REASON = 1000


class MailRefused(Permanent):
    """SES will never send this mail; the text is SES's reason."""


class MailHeld(Retryable):
    """SES refuses the domain, the account or the stack; the mail waits until that is mended."""


class Throttled(Retryable):
    """SES took the mail to come too soon."""


class QuotaUsedUp(Retryable):
    """The account has sent all that it may in 24 hours."""


_ERRORS = {Verdict.HELD: MailHeld, Verdict.THROTTLED: Throttled, Verdict.QUOTA_USED_UP: QuotaUsedUp}


class Mailer:
    """Sends raw messages through one configuration set."""

    def __init__(self, client: "SESV2Client", configuration_set: str) -> None:
        self._client = client
        self._configuration_set = configuration_set
        # Of each thread: whether the request of its call has left.
        self._request = local()
        client.meta.events.register("before-send.sesv2.SendEmail", self._note_that_it_leaves)

    def send(self, message: MessageRef, part: Part, mime: bytes) -> str:
        """Send one part of a message, once; SES's id of it.

        The recipient is the envelope's alone, so that no header shows a Bcc.

        Raises: MailRefused; MailHeld, Throttled, QuotaUsedUp, and Retryable for all else that surely was not sent;
        OutcomeUnknown, if it may have been; Permanent, for a call that botocore itself refuses. Any other error came
        before the request left.
        """
        self._request.left = False
        to, bcc = ([], [part.address]) if part.is_copy else ([part.address], [])
        try:
            answer = self._client.send_email(
                Destination={"ToAddresses": to, "BccAddresses": bcc},
                Content={"Raw": {"Data": mime}},
                EmailTags=encode_tags(message),
                ConfigurationSetName=self._configuration_set,
            )
        except ClientError as error:
            # SES's own words name addresses, which no log line may.
            raise _meaning(error) from None
        except ParamValidationError as error:
            raise Permanent(f"sesv2.SendEmail: {error}") from error
        except _NOT_SENT as error:
            raise Retryable(f"sesv2.SendEmail: {type(error).__name__}") from error
        except (BotoCoreError, ResponseParserError) as error:
            raise OutcomeUnknown(f"sesv2.SendEmail: {type(error).__name__}") from error
        except Exception as error:
            if self._request.left:
                raise OutcomeUnknown(f"sesv2.SendEmail: {type(error).__name__}") from error
            raise
        if not answer.get("MessageId"):
            raise OutcomeUnknown("sesv2.SendEmail: an answer without a MessageId")
        return answer["MessageId"]

    def quota(self) -> SendQuota:
        """What the account may send, and what it has sent.

        Raises: Retryable.
        """
        with translated_errors("sesv2.GetAccount"):
            quota = self._client.get_account().get("SendQuota", {})
        rate, per_day = quota.get("MaxSendRate", 0), quota.get("Max24HourSend", -1)
        if rate <= 0:
            raise Retryable("sesv2.GetAccount: no MaxSendRate in the answer")
        # -1 stands for an unlimited quota.
        return SendQuota(rate, per_day if per_day >= 0 else None, quota.get("SentLast24Hours", 0))

    def _note_that_it_leaves(self, **_: Any) -> None:
        self._request.left = True


def _meaning(error: ClientError) -> Exception:
    """The project's own error for an answer of SES."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")[:_LONGEST_REASON]
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500:
        return OutcomeUnknown(f"sesv2.SendEmail: {code}")
    answer = answer_for(code, message)
    if answer.verdict is Verdict.REFUSED:
        return MailRefused(f"{code}: {message}")
    # SES names addresses, and the text goes into the log.
    without_names = re.sub(r"[^\s<>,:;\"'(@]{1,64}@", "*@", message)
    mend = f" ({answer.mend})" if answer.mend else ""
    return _ERRORS[answer.verdict](f"sesv2.SendEmail: {code}: {without_names}{mend}")


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
