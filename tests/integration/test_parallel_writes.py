"""Writers that meet: of many runs at once one alone gets what only one may have."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from polypost.adapters.access_table import AccessTable
from polypost.adapters.logs_table import Claimed, Leased, LogsTable, Settled
from polypost.models.access import Space
from polypost.models.campaigns import Campaign
from polypost.models.delivery import DeliveryEvent, EventKind, Fact, MessageRef
from polypost.models.mail import Mail, Mailbox, QueuedMail
from support.dynamodb import DynamodbEngine
from support.parallel import in_parallel

RUNS = 64
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(minutes=15)
QUEUED = QueuedMail(
    message_id="6b01e348c54d1998f7ccb798",
    space="acme",
    accepted_at=NOW,
    mail=Mail(
        sender=Mailbox(address="info@example.com"),
        recipient=Mailbox(address="max@example.net"),
        subject="Hello",
        text="World",
    ),
)

(PART,) = QUEUED.parts


@pytest.fixture
def access(dynamodb_engine: DynamodbEngine) -> AccessTable:
    return AccessTable(dynamodb_engine.client, dynamodb_engine.tables["AccessTable"])


@pytest.fixture
def logs(dynamodb_engine: DynamodbEngine) -> LogsTable:
    return LogsTable(dynamodb_engine.client, dynamodb_engine.tables["LogsTable"], lambda: b"key")


def test_one_run_claims_a_message(logs: LogsTable) -> None:
    (claim,) = claims([run.result() for run in in_parallel([partial(logs.claim, PART, NOW, LEASE)] * RUNS)])
    assert claim.lease_until == NOW + LEASE


def test_one_run_takes_over_a_lease_that_has_ended(logs: LogsTable) -> None:
    assert isinstance(logs.claim(PART, NOW, LEASE), Claimed)
    later = NOW + 2 * LEASE
    take_over = partial(logs.claim, PART, later, LEASE, expired=Leased(NOW + LEASE, cut_off=True))
    (claim,) = claims([run.result() for run in in_parallel([take_over] * RUNS)])
    assert claim.lease_until == later + LEASE


def claims(results: list[Claimed | Settled | Leased]) -> list[Claimed]:
    """Those that made a claim; all others see it."""
    made = [result for result in results if isinstance(result, Claimed)]
    assert results.count(Leased(made[0].lease_until, cut_off=True)) == len(results) - len(made)
    return made


def test_an_event_is_new_once(logs: LogsTable) -> None:
    message = MessageRef(QUEUED.message_id, QUEUED.space)
    event = DeliveryEvent(message, Fact(EventKind.BOUNCE, "max@example.net", NOW, fact_id="feedback-1"))
    news = [run.result() for run in in_parallel([partial(logs.put_event, event)] * RUNS)]
    assert news.count(True) == 1
    assert logs.history(QUEUED.message_id) == (None, [event])


def test_a_space_is_created_once_and_the_key_for_addresses_with_the_first(access: AccessTable) -> None:
    spaces = [Space(id=f"space-{number % 8}", created_at=NOW) for number in range(RUNS)]

    def create(space: Space) -> tuple[bool, bytes]:
        return access.create_space(space), access.address_key()

    created = [run.result() for run in in_parallel([partial(create, space) for space in spaces])]
    assert sum(new for new, _ in created) == 8
    assert len({key for _, key in created}) == 1
    assert access.spaces() == spaces[:8]


def test_a_campaign_is_created_once_and_never_over_one_with_a_page(access: AccessTable) -> None:
    access.create_space(Space(id="acme", created_at=NOW))
    key = access.campaign_key("acme", "Spring")
    meant = Campaign(key, "Spring", "https://shop.example/")

    def set_page() -> bool:
        access.put_campaign("acme", meant)
        return False

    def create() -> bool:
        return access.create_campaign("acme", Campaign(key, "spring"))

    created = [run.result() for run in in_parallel([set_page, *[create] * RUNS])]
    assert created.count(True) <= 1
    assert access.campaigns("acme") == [meant]
