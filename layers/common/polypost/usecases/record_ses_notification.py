"""Record what SES says became of a message."""

from polypost.adapters import ses_notifications
from polypost.adapters.logs_table import LogsTable
from polypost.adapters.suppressions import Suppressions
from polypost.errors import Retryable
from polypost.models.delivery import DeliveryEvent, MessageRef
from polypost.models.message_ids import accepted_at
from polypost.models.suppression import reason_in


class UnknownMessage(Retryable):
    """A notification about a message that is not recorded yet, or that another application sent."""


def record_ses_notification(text: str, *, logs: LogsTable, suppressions: Suppressions) -> None:
    """Store each fact of a notification, once, and suppress whom it says to; repeats and any order are harmless.

    A fact about a message that was accepted before its recipient was erased is stored without the address.

    Parameters: text, the SNS message.

    Raises: UnreadableNotification; UnknownMessage; Retryable.
    """
    notification = ses_notifications.parse(text)
    if notification is None:
        return
    message = notification.message or _find(notification, logs)
    standings = suppressions.standings(message.space, {fact.recipient for fact in notification.facts})
    for fact in notification.facts:
        reason = reason_in(fact)
        logs.put_event(
            DeliveryEvent(message, fact),
            anonymous=standings[fact.recipient].is_erased(accepted_at(message.message_id)),
            suppression=suppressions.write(message.space, fact.recipient, reason) if reason else None,
        )


def _find(notification: ses_notifications.Notification, logs: LogsTable) -> MessageRef:
    message = logs.find_message(notification.message_id) if notification.message_id else None
    message = message or logs.find_by_ses_id(notification.ses_message_id)
    if message is None:
        raise UnknownMessage(f"No message is recorded under SES's id {notification.ses_message_id}")
    return message
