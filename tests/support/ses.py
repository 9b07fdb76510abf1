"""SES's notifications, in the shapes of the SES developer guide."""

import json
from typing import Any

from polypost.adapters.mailer import encode_tags
from polypost.models.delivery import MessageRef

BOUNCED_AT = "2026-01-02T03:04:05.678Z"


def mail_object(destination: list[str], ses_message_id: str = "ses-id") -> dict[str, Any]:
    """The `mail` object that both families share."""
    return {
        "timestamp": "2026-01-02T03:04:00.000Z",
        "messageId": ses_message_id,
        "source": "info@example.com",
        "sendingAccountId": "123456789012",
        "destination": destination,
    }


def event(kind: str, message: MessageRef, destination: list[str], **objects: Any) -> dict[str, Any]:
    """An event of event publishing, with the tags of one of our messages."""
    tags = {tag["Name"]: [tag["Value"]] for tag in encode_tags(message)} | {"ses:configuration-set": ["set"]}
    return {"eventType": kind, "mail": mail_object(destination) | {"tags": tags}, **objects}


def bounce_object(
    *recipients: dict[str, Any], bounce_type: str = "Permanent/General", **members: Any
) -> dict[str, Any]:
    """The `bounce` object; recipients as SES lists them."""
    kind, _, sub_type = bounce_type.partition("/")
    return {
        "bounceType": kind,
        "bounceSubType": sub_type,
        "bouncedRecipients": list(recipients),
        "timestamp": BOUNCED_AT,
        "feedbackId": "feedback-1",
        **members,
    }


def bounced(
    address: str, status: str | None = "5.1.1", diagnostic: str | None = "smtp; 550 5.1.1 user unknown"
) -> dict[str, Any]:
    """One of `bouncedRecipients`, with the members that SES knows."""
    members = {"emailAddress": address, "status": status, "diagnosticCode": diagnostic}
    members["action"] = "failed" if status else None
    return {name: value for name, value in members.items() if value is not None}


def complaint_object(address: str, **members: Any) -> dict[str, Any]:
    """The `complaint` object."""
    return {
        "complainedRecipients": [{"emailAddress": address}],
        "timestamp": BOUNCED_AT,
        "feedbackId": "feedback-2",
        "complaintFeedbackType": "abuse",
        **members,
    }


def in_sns_envelope(notification: dict[str, Any] | str) -> str:
    """The body of the SQS message that SNS makes of a notification."""
    message = notification if isinstance(notification, str) else json.dumps(notification)
    return json.dumps(
        {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-central-1:123456789012:topic", "Message": message}
    )
