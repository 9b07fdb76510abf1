"""The mails that the local engine's SES has accepted, as they were given to it: raw MIME, envelope and tags."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as email_policy
from functools import cached_property
from typing import Final

from polypost_local.aws_server import AwsCall, Observer

_SEND: Final = "POST /v2/email/outbound-emails"


@dataclass(frozen=True)
class SesMail:
    """One accepted send."""

    # SES's own id.
    ses_message_id: str
    sent_at: datetime
    # The envelope. `source` is what the send named as the sender, with its display name.
    source: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    tags: dict[str, str]
    # Empty where the send named none.
    configuration_set: str
    raw: bytes

    @cached_property
    def mime(self) -> EmailMessage:
        """The message, parsed; its headers come decoded."""
        return BytesParser(policy=email_policy).parsebytes(self.raw)

    @property
    def recipients(self) -> tuple[str, ...]:
        return self.to + self.cc + self.bcc


def mail_observer(*receivers: Callable[[SesMail], None]) -> Observer:
    """Returns an observer of the engine that hands every accepted raw send to receivers, in the order given."""

    def observe(call: AwsCall) -> None:
        if call.action != _SEND or call.status != 200:
            return
        request = json.loads(call.request)
        # Only a raw send holds a whole message.
        if "Raw" not in request["Content"]:
            return
        destination = request.get("Destination", {})
        raw = base64.b64decode(request["Content"]["Raw"]["Data"])
        mail = SesMail(
            ses_message_id=json.loads(call.response)["MessageId"],
            sent_at=datetime.now(UTC),
            source=request.get("FromEmailAddress", ""),
            to=tuple(destination.get("ToAddresses", ())),
            cc=tuple(destination.get("CcAddresses", ())),
            bcc=tuple(destination.get("BccAddresses", ())),
            tags={tag["Name"]: tag["Value"] for tag in request.get("EmailTags", ())},
            configuration_set=request.get("ConfigurationSetName", ""),
            raw=raw,
        )
        for receive in receivers:
            receive(mail)

    return observe
