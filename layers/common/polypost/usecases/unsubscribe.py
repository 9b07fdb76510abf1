"""Unsubscribe by the link of a mail, and take that back."""

from datetime import datetime, timedelta

from polypost.adapters.access_table import AccessTable
from polypost.adapters.contacts_table import ContactsTable
from polypost.adapters.logs_table import LogsTable
from polypost.adapters.suppressions import Suppressions
from polypost.errors import NotFound, Retryable
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.delivery import EventKind
from polypost.models.message_ids import accepted_at
from polypost.models.suppression import RECIPIENT, Decision, Lifting, SuppressionReason
from polypost.models.unsubscribe_links import Subscription, SubscriptionState

# Tries against other writers of the same address or contact.
_TRIES = 10

_REASON = SuppressionReason.UNSUBSCRIBED

# What tells apart two moments as the tables hold them.
_MILLISECOND = timedelta(milliseconds=1)


def read_subscription(
    token: str, host_space: str | None, *, access: AccessTable, suppressions: Suppressions
) -> SubscriptionState:
    """What a link says of the one who follows it; nothing is changed.

    Parameters: host_space, the space of the host, or None where the host names none.

    Raises: NotFound, for what is no token, one of another space's and one of a deleted space's; Retryable.
    """
    subscription = _find(token, host_space, access, suppressions)
    unsubscribed = suppressions.standing_of(subscription).decision(_REASON) is not None
    return SubscriptionState(_sender(subscription.space, access), unsubscribed)


def change_subscription(
    token: str,
    host_space: str | None,
    now: datetime,
    *,
    unsubscribed: bool,
    access: AccessTable,
    suppressions: Suppressions,
    contacts: ContactsTable,
    logs: LogsTable,
) -> SubscriptionState:
    """Unsubscribe the one who follows a link, or take that back. Doing it again changes nothing.

    It stands in the suppressions of the space, in the log, and in the permission history of the contact that has the
    address, if there is one: in all of them or in none.

    Parameters: as those of `read_subscription`.

    Raises: as `read_subscription`.
    """
    subscription = _find(token, host_space, access, suppressions)
    link = f"link of the mail {subscription.message_id}"
    state = SubscriptionState(_sender(subscription.space, access), unsubscribed, changed=True)
    for _ in range(_TRIES):
        standing = suppressions.standing_of(subscription)
        if (standing.decision(_REASON) is not None) is unsubscribed:
            return state
        row = contacts.holder_of_address(subscription.space, subscription.address_hash)
        # A clock that lags behind does not put a change of mind before the last one.
        known = [*(each.at for each in standing.decisions), *(each.at for each in standing.liftings)]
        at = max([now, *(moment + _MILLISECOND for moment in known)])
        if unsubscribed:
            decision = Decision(_REASON, at, RECIPIENT, message_id=subscription.message_id)
            change = suppressions.ending(subscription, decision, row.contact.profile.email if row else None)
        else:
            lifting = Lifting(frozenset({_REASON}), at, RECIPIENT, note=link)
            change = suppressions.renewal(subscription, standing, lifting)
        kind = EventKind.UNSUBSCRIBE if unsubscribed else EventKind.UNSUBSCRIBE_UNDONE
        # Who was erased is not whoever has the address since.
        anonymous = standing.is_erased(accepted_at(subscription.message_id))
        members = [change, logs.unsubscribe_event(subscription, kind, at, anonymous=anonymous)]
        if row is not None:
            moment = DateTimeOffset.from_datetime(at)
            members += contacts.unsubscribe_entry(
                subscription.space, row, moment, unsubscribed=unsubscribed, source=link
            )
        if suppressions.commit(*members):
            return state
    raise Retryable("The subscription is being changed by others")


def _find(token: str, host_space: str | None, access: AccessTable, suppressions: Suppressions) -> Subscription:
    subscription = suppressions.subscription(token)
    if subscription is None or host_space not in (None, subscription.space) or not access.has_space(subscription.space):
        raise NotFound("No such link exists.")
    return subscription


def _sender(space: str, access: AccessTable) -> str:
    sender = access.settings(space).sender
    return sender.name if sender else ""
