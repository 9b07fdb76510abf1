"""SES's mailbox simulator: what the real one publishes after a send, for its own addresses and for any other.

The records have the fields and the values that SES's event publishing gives to a topic:
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

import json
import logging
import queue
import threading
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import getaddresses, parseaddr
from typing import TYPE_CHECKING, Any, Final

from polypost_cli.local_environment import REGION
from polypost_local.aws import ACCOUNT_ID
from polypost_local.ses_mail import SesMail
from polypost_local.stack import EventDestination

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

_SIMULATOR_DOMAIN: Final = "simulator.amazonses.com"
_REPORTING_MTA: Final = "a8-31.smtp-out.eu-central-1.amazonses.com"
_REMOTE_MTA_IP: Final = "127.0.2.0"
_SOURCE_IP: Final = "127.0.3.0"

_SUPPRESSED: Final = (
    "Amazon SES has suppressed sending to this address because it has a recent history of bouncing as an invalid"
    " address. For more information about how to remove an address from the suppression list, see the Amazon SES"
    " Developer Guide: http://docs.aws.amazon.com/ses/latest/DeveloperGuide/remove-from-suppressionlist.html "
)

# SES leaves headers out of a record beyond this size.
_HEADERS_LIMIT_BYTES: Final = 10 * 1024

# The event types as a template names them.
_TEMPLATE_NAMES: Final = {"Send": "send", "Delivery": "delivery", "Bounce": "bounce", "Complaint": "complaint"}

Record = dict[str, Any]

_log = logging.getLogger(__name__)


class Simulator:
    """Publishes records of each mail to the topics that its configuration set names, beside the send's own request."""

    def __init__(self) -> None:
        self._mails: Final[queue.SimpleQueue[SesMail]] = queue.SimpleQueue()

    def receive(self, mail: SesMail) -> None:
        """Takes a mail that SES has accepted."""
        self._mails.put(mail)

    def start(self, destinations: Iterable[EventDestination], sns: "SNSClient") -> None:
        """Begins to publish, in a thread of its own."""
        thread = threading.Thread(target=self._run, args=(tuple(destinations), sns), name="ses-simulator", daemon=True)
        thread.start()

    def _run(self, destinations: tuple[EventDestination, ...], sns: "SNSClient") -> None:
        while True:
            mail = self._mails.get()
            try:
                for destination in destinations:
                    if destination.configuration_set == mail.configuration_set:
                        _publish(mail, destination, sns)
            except Exception:
                _log.exception("the notifications of mail %s could not be published", mail.ses_message_id)


def _publish(mail: SesMail, destination: EventDestination, sns: "SNSClient") -> None:
    for record in records(mail):
        if _TEMPLATE_NAMES[record["eventType"]] in destination.event_types:
            sns.publish(
                TopicArn=destination.topic_arn,
                Subject="Amazon SES Email Event Notification",
                Message=json.dumps(record),
            )


def records(mail: SesMail) -> Iterator[Record]:
    """Yields what SES publishes of a mail, in the order in which it happens: one Send, then each recipient's fate."""
    mail_object = _mail_object(mail)
    yield {"eventType": "Send", "mail": mail_object, "send": {}}
    for recipient in mail.recipients:
        address = parseaddr(recipient)[1]
        local_part, _, domain = address.rpartition("@")
        name = local_part.partition("+")[0].lower() if domain.lower() == _SIMULATOR_DOMAIN else ""
        for event_type, details in _fate(name, address, mail.sent_at):
            yield {"eventType": event_type, event_type.lower(): details, "mail": mail_object}


# How long a mail takes to its recipient. It is short, so that no event that a client can read is of the future.
_ON_THE_WAY: Final = timedelta(milliseconds=2)


def _fate(name: str, address: str, sent_at: datetime) -> Iterator[tuple[str, Record]]:
    """Yields event types and their objects for one recipient.

    Parameters:
        name: local part of a simulator address, lower-case and without its label; empty for any other address
        address: the recipient, as the envelope has it
        sent_at: when SES took the mail
    """
    if name == "bounce":
        yield (
            "Bounce",
            _bounce(
                sent_at,
                "General",
                {
                    "emailAddress": address,
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                },
                remoteMtaIp=_REMOTE_MTA_IP,
                reportingMTA=f"dsn; {_REPORTING_MTA}",
            ),
        )
    elif name == "suppressionlist":
        yield (
            "Bounce",
            _bounce(
                sent_at,
                "Suppressed",
                {"emailAddress": address, "action": "failed", "status": "5.1.1", "diagnosticCode": _SUPPRESSED},
                reportingMTA="dns; amazonses.com",
            ),
        )
    else:
        yield "Delivery", _delivery(sent_at, address)
        if name == "complaint":
            yield "Complaint", _complaint(sent_at, address)
        elif name == "ooto":
            yield "Bounce", _bounce(sent_at, "General", {"emailAddress": address}, bounce_type="Transient")


def _delivery(sent_at: datetime, address: str) -> Record:
    return {
        "timestamp": _timestamp(sent_at + _ON_THE_WAY),
        "processingTimeMillis": _ON_THE_WAY // timedelta(milliseconds=1),
        "recipients": [address],
        "smtpResponse": "250 2.6.0 Message received",
        "remoteMtaIp": _REMOTE_MTA_IP,
        "reportingMTA": _REPORTING_MTA,
    }


def _bounce(
    sent_at: datetime, subtype: str, recipient: Record, bounce_type: str = "Permanent", **optional: str
) -> Record:
    return {
        "feedbackId": _feedback_id(),
        "bounceType": bounce_type,
        "bounceSubType": subtype,
        "bouncedRecipients": [recipient],
        "timestamp": _timestamp(sent_at + 2 * _ON_THE_WAY),
        **optional,
    }


def _complaint(sent_at: datetime, address: str) -> Record:
    arrival = sent_at + _ON_THE_WAY
    return {
        "feedbackId": _feedback_id(),
        "complaintSubType": None,
        "complainedRecipients": [{"emailAddress": address}],
        "timestamp": _timestamp(arrival + _ON_THE_WAY),
        "userAgent": "Amazon SES Mailbox Simulator",
        "complaintFeedbackType": "abuse",
        "arrivalDate": _timestamp(arrival),
    }


def _mail_object(mail: SesMail) -> Record:
    headers, truncated = _headers(mail.raw)
    mime = mail.mime
    common: Record = {}
    for name, key in (("From", "from"), ("Reply-To", "replyTo"), ("To", "to"), ("Cc", "cc")):
        if addresses := [str(value) for value in mime.get_all(name, [])]:
            common[key] = [part.strip() for part in _split_addresses(addresses)]
    for name, key in (("Date", "date"), ("Message-ID", "messageId"), ("Subject", "subject")):
        if (value := mime.get(name)) is not None:
            common[key] = str(value)
    common.setdefault("messageId", mail.ses_message_id)
    source_address = parseaddr(mail.source or str(mime.get("From", "")))[1]
    return {
        "timestamp": _timestamp(mail.sent_at),
        "source": mail.source or str(mime.get("From", "")),
        "sourceArn": f"arn:aws:ses:{REGION}:{ACCOUNT_ID}:identity/{source_address.rpartition('@')[2]}",
        "sendingAccountId": ACCOUNT_ID,
        "messageId": mail.ses_message_id,
        "destination": [parseaddr(recipient)[1] for recipient in mail.recipients],
        "headersTruncated": truncated,
        "headers": headers,
        "commonHeaders": common,
        "tags": {
            "ses:operation": ["SendRawEmail"],
            "ses:configuration-set": [mail.configuration_set],
            "ses:source-ip": [_SOURCE_IP],
            "ses:from-domain": [source_address.rpartition("@")[2]],
            "ses:caller-identity": ["local"],
            **{name: [value] for name, value in mail.tags.items()},
        },
    }


def _headers(raw: bytes) -> tuple[list[dict[str, str]], bool]:
    """Returns the message's headers as they are written, unfolded, and whether the last of them were left out."""
    kept: list[dict[str, str]] = []
    size = 0
    for name, value in BytesHeaderParser(policy=compat32).parsebytes(raw).items():
        text = "".join(str(value).splitlines())
        size += len(name) + len(text.encode())
        if size > _HEADERS_LIMIT_BYTES:
            return kept, True
        kept.append({"name": name, "value": text})
    return kept, False


def _split_addresses(values: list[str]) -> Iterator[str]:
    for name, address in getaddresses(values):
        yield f"{name} <{address}>" if name else address


def _feedback_id() -> str:
    # The shape of SES's own, which is unique for each feedback.
    return f"0107{uuid.uuid4().hex[:12]}-{uuid.uuid4()}-000000"


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
