"""The SES simulator: what is published for each of its addresses."""

from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from polypost_local.ses_mail import SesMail
from polypost_local.simulator import records

SENT_AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def mail(*to: str, **fields: Any) -> SesMail:
    message = EmailMessage()
    message["From"] = "Größe <info@example.com>"
    message["To"] = ", ".join(to)
    message["Subject"] = "Grüße"
    message.set_content("text")
    for name, value in fields.pop("headers", {}).items():
        message[name] = value
    values: dict[str, Any] = {
        "ses_message_id": "ses-id",
        "sent_at": SENT_AT,
        "source": "Sender <info@example.com>",
        "to": to,
        "cc": (),
        "bcc": (),
        "tags": {"messageId": "m1", "space": "demo"},
        "configuration_set": "set",
        "raw": message.as_bytes(),
    }
    return SesMail(**(values | fields))


def published(*to: str, **fields: Any) -> list[dict[str, Any]]:
    return list(records(mail(*to, **fields)))


@pytest.mark.parametrize(
    ("recipient", "types"),
    [
        ("success@simulator.amazonses.com", ["Send", "Delivery"]),
        ("bounce@simulator.amazonses.com", ["Send", "Bounce"]),
        ("BOUNCE+label@Simulator.AmazonSES.com", ["Send", "Bounce"]),
        ("complaint@simulator.amazonses.com", ["Send", "Delivery", "Complaint"]),
        ("ooto+a+b@simulator.amazonses.com", ["Send", "Delivery", "Bounce"]),
        ("suppressionlist@simulator.amazonses.com", ["Send", "Bounce"]),
        ("unknown@simulator.amazonses.com", ["Send", "Delivery"]),
        ("bounce@example.com", ["Send", "Delivery"]),
    ],
)
def test_each_address_has_its_fate(recipient: str, types: list[str]) -> None:
    assert [record["eventType"] for record in published(recipient)] == types


def test_the_mail_object_is_that_of_event_publishing() -> None:
    for record in published("max@example.com", bcc=("Archive <archive@example.com>",)):
        described = record["mail"]
        assert described["timestamp"] == "2026-01-02T03:04:05.678Z"
        assert described["source"] == "Sender <info@example.com>"
        assert described["messageId"] == "ses-id"
        assert described["sendingAccountId"] == "123456789012"
        assert described["destination"] == ["max@example.com", "archive@example.com"]
        assert described["headersTruncated"] is False
        assert {"name": "To", "value": "max@example.com"} in described["headers"]
        # As the mail has it, encoded; the common headers are decoded.
        assert {"name": "Subject", "value": "=?utf-8?q?Gr=C3=BC=C3=9Fe?="} in described["headers"]
        assert described["commonHeaders"]["from"] == ["Größe <info@example.com>"]
        assert described["commonHeaders"]["to"] == ["max@example.com"]
        assert described["commonHeaders"]["subject"] == "Grüße"
        assert described["tags"]["messageId"] == ["m1"]
        assert described["tags"]["space"] == ["demo"]
        assert described["tags"]["ses:configuration-set"] == ["set"]


def test_headers_over_ten_kilobytes_are_truncated() -> None:
    long = {"X-Long": "x" * 6000, "X-Longer": "y" * 6000, "X-Last": "z"}
    described = published("max@example.com", headers=long)[0]["mail"]
    assert described["headersTruncated"] is True
    assert [header["name"] for header in described["headers"]][-1] == "X-Long"


def test_a_bounce_is_permanent_and_says_why() -> None:
    bounce = published("bounce+a@simulator.amazonses.com")[1]["bounce"]
    assert (bounce["bounceType"], bounce["bounceSubType"]) == ("Permanent", "General")
    assert bounce["bouncedRecipients"] == [
        {
            "emailAddress": "bounce+a@simulator.amazonses.com",
            "action": "failed",
            "status": "5.1.1",
            "diagnosticCode": "smtp; 550 5.1.1 user unknown",
        }
    ]
    assert bounce["timestamp"] > "2026-01-02T03:04:05.678Z"
    assert bounce["reportingMTA"].startswith("dsn; ")
    assert bounce["remoteMtaIp"]


def test_an_address_on_the_suppression_list_is_a_suppressed_bounce() -> None:
    bounce = published("suppressionlist@simulator.amazonses.com")[1]["bounce"]
    assert (bounce["bounceType"], bounce["bounceSubType"]) == ("Permanent", "Suppressed")
    (recipient,) = bounce["bouncedRecipients"]
    assert recipient["status"] == "5.1.1"
    assert recipient["diagnosticCode"].startswith("Amazon SES has suppressed sending to this address")


def test_an_automatic_reply_is_a_transient_bounce_without_a_status() -> None:
    bounce = published("ooto@simulator.amazonses.com")[2]["bounce"]
    assert (bounce["bounceType"], bounce["bounceSubType"]) == ("Transient", "General")
    assert bounce["bouncedRecipients"] == [{"emailAddress": "ooto@simulator.amazonses.com"}]


def test_a_complaint_follows_the_delivery() -> None:
    _, delivery, complaint = published("complaint@simulator.amazonses.com")
    assert delivery["delivery"]["recipients"] == ["complaint@simulator.amazonses.com"]
    assert delivery["delivery"]["smtpResponse"].startswith("250 ")
    assert complaint["complaint"]["complainedRecipients"] == [{"emailAddress": "complaint@simulator.amazonses.com"}]
    assert complaint["complaint"]["complaintFeedbackType"] == "abuse"
    assert complaint["complaint"]["userAgent"]
    assert complaint["complaint"]["timestamp"] > delivery["delivery"]["timestamp"]


def test_each_recipient_has_a_fate_and_each_feedback_an_id_of_its_own() -> None:
    _, *fates = published(
        "bounce@simulator.amazonses.com",
        "Max <max@example.com>",
        bcc=("bounce+2@simulator.amazonses.com",),
    )
    assert [record["eventType"] for record in fates] == ["Bounce", "Delivery", "Bounce"]
    assert fates[1]["delivery"]["recipients"] == ["max@example.com"]
    assert fates[0]["bounce"]["feedbackId"] != fates[2]["bounce"]["feedbackId"]
