"""Record what SES says became of a message."""

from polypost.adapters import ses_notifications
from polypost.adapters.logs_table import LogsTable
from polypost.adapters.ses_notifications import Notification, UnreadableNotification
from polypost.adapters.suppressions import Suppressions
from polypost.errors import Retryable
from polypost.models.delivery import DeliveryEvent, EventKind, MessageRef
from polypost.models.message_ids import accepted_at
from polypost.models.suppression import Ground, SuppressionReason, ground_in


class UnknownMessage(Retryable):
    """A notification about a message that is not recorded yet, or that another application sent."""


def record_ses_notification(text: str, *, logs: LogsTable, suppressions: Suppressions) -> None:
    """Store each fact of a notification, once, with what it says for or against mail to its recipient.

    Repeats and any order are harmless. A fact about a message that was accepted before its recipient was erased is
    stored without the address.

    Parameters: text, the SNS message.

    Raises: UnreadableNotification; UnknownMessage; Retryable.
    """
    notification = ses_notifications.parse(text)
    if notification is None:
        return
    message = _message(notification, logs)
    standings = suppressions.standings(message.space, {fact.recipient for fact in notification.facts})
    for fact in notification.facts:
        event, standing = DeliveryEvent(message, fact), standings[fact.recipient]
        grounds = standing.grounds
        if fact.kind is EventKind.DELIVERY:
            grounds = standing.without_soft_bounces(before=fact.occurred_at)
        elif ground := lasting_ground(event, logs):
            grounds = standing.with_ground(ground)
        anonymous = standing.is_erased(accepted_at(message.message_id))
        change = suppressions.change(message.space, fact.recipient, standing.grounds, grounds, anonymous=anonymous)
        logs.put_event(event, anonymous=anonymous, suppression=change)


def lasting_ground(event: DeliveryEvent, logs: LogsTable) -> Ground | None:
    """What an event tells against mail to its recipient, as far as no mail has arrived since.

    That ends the count of soft bounces. SES tells of both in any order, so the log is asked.
    """
    ground = ground_in(event)
    if ground is None or ground.reason is not SuppressionReason.REPEATED_SOFT_BOUNCES:
        return ground
    has_arrived = logs.has_arrived_since(event.message.space, event.fact.recipient, ground.at)
    return None if has_arrived else ground


def _message(notification: Notification, logs: LogsTable) -> MessageRef:
    """The message that a notification is about.

    Tags say it, or else our header or SES's id. Whoever may send with the stack's configuration set can write any tags,
    so where the message is recorded the space has to be its own.
    """
    known_by = notification.message.message_id if notification.message else notification.message_id
    recorded = logs.find_message(known_by) if known_by else None
    if notification.message is not None:
        if recorded is not None and recorded.space != notification.message.space:
            raise UnreadableNotification(f"Message {known_by} is of another space than its tags say")
        return notification.message
    if recorded is None and notification.ses_message_id:
        recorded = logs.find_by_ses_id(notification.ses_message_id)
    if recorded is None:
        raise UnknownMessage(f"No message is recorded under SES's id {notification.ses_message_id}")
    return recorded
