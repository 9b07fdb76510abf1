"""A message's status: the highest rank of what was recorded, whatever the order."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from polypost.models.delivery import (
    DeliveryEvent,
    EventKind,
    Fact,
    MessageRecord,
    MessageRef,
    MessageStatus,
    status_of,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REF = MessageRef("0" * 24, "demo")
RECORD = MessageRecord(REF, NOW, "info@example.com", "max@example.net", "Subject")


def happened(kind: EventKind) -> DeliveryEvent:
    return DeliveryEvent(REF, Fact(kind, "max@example.net", NOW, "1"))


def test_nothing_recorded_is_queued() -> None:
    assert status_of(None, []) is MessageStatus.QUEUED


def test_the_row_alone() -> None:
    assert status_of(RECORD, []) is MessageStatus.CLAIMED
    assert status_of(replace(RECORD, ses_message_id="x"), []) is MessageStatus.SENT
    assert status_of(replace(RECORD, failure="no"), []) is MessageStatus.REFUSED


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ([EventKind.SEND], MessageStatus.SENT),
        ([EventKind.SEND, EventKind.DELIVERY_DELAY], MessageStatus.DELAYED),
        ([EventKind.SEND, EventKind.DELIVERY_DELAY, EventKind.DELIVERY], MessageStatus.DELIVERED),
        ([EventKind.DELIVERY, EventKind.AUTO_REPLY, EventKind.OPEN], MessageStatus.DELIVERED),
        ([EventKind.SEND, EventKind.REJECT], MessageStatus.REFUSED),
        ([EventKind.SEND, EventKind.DELIVERY, EventKind.BOUNCE], MessageStatus.BOUNCED),
        ([EventKind.DELIVERY, EventKind.BOUNCE, EventKind.COMPLAINT], MessageStatus.COMPLAINED),
        ([EventKind.DELIVERY, EventKind.NOT_SPAM], MessageStatus.DELIVERED),
    ],
)
def test_events_in_any_order(kinds: list[EventKind], status: MessageStatus) -> None:
    for order in itertools.permutations(kinds):
        assert status_of(RECORD, map(happened, order)) is status
        assert status_of(None, map(happened, order)) is status
