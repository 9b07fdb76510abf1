"""Record what SES says became of a message."""

from polypost.adapters import ses_notifications
from polypost.adapters.logs_table import LogsTable
from polypost.errors import Retryable
from polypost.models.delivery import DeliveryEvent, MessageRef


class UnknownMessage(Retryable):
    """A notification about a message that is not recorded yet, or that another application sent."""


def record_ses_notification(text: str, *, logs: LogsTable) -> None:
    """Store each fact of a notification, once; repeats and any order are harmless.

    Parameters: text, the SNS message.

    Raises: UnreadableNotification; UnknownMessage; Retryable.
    """
    notification = ses_notifications.parse(text)
    if notification is None:
        return
    message = notification.message or _find(notification, logs)
    for fact in notification.facts:
        logs.put_event(DeliveryEvent(message, fact))


def _find(notification: ses_notifications.Notification, logs: LogsTable) -> MessageRef:
    message = logs.find_message(notification.message_id) if notification.message_id else None
    message = message or logs.find_by_ses_id(notification.ses_message_id)
    if message is None:
        raise UnknownMessage(f"No message is recorded under SES's id {notification.ses_message_id}")
    return message
