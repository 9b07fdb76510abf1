"""Runs that are cut off at any of their AWS calls: nothing is half done for good, and no mail leaves twice."""

import json
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from polypost import runtime
from polypost.adapters.access_table import AccessTable
from polypost.adapters.logs_table import Claimed, LogsTable
from polypost.adapters.suppressions import Suppressions
from polypost.errors import Permanent
from polypost.models.access import Credential, Scope, Space, SpaceSettings
from polypost.models.campaigns import Campaign
from polypost.models.delivery import DeliveryEvent, EventKind, Fact, MessageRecord, MessageRef
from polypost.models.mail import Mail, Mailbox, QueuedMail
from polypost.models.promotions import MailTemplate, TemplateName
from polypost.usecases import deliver_mail
from support.dynamodb import DynamodbEngine, template_tables
from support.stops import every_stop
from support.template_engine import Engine

from .test_worker import SENT, expire_leases

CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
SPACE = Space(id="acme", created_at=CREATED_AT)
TO, BCC = "max@example.net", "bcc@example.org"


class Delivery:
    """One mail, its runs of the use case, and SES, which tells of the mails that it took."""

    def __init__(self, dynamodb: DynamodbEngine, engine: Engine, sender: str = "info@example.com") -> None:
        engine.calls.clear()
        self._engine = engine
        self._logs = LogsTable(dynamodb.client, dynamodb.tables["LogsTable"], lambda: b"key")
        self._suppressions = Suppressions(
            dynamodb.client, dynamodb.tables["ContactsTable"], lambda: b"key", lambda space: SpaceSettings()
        )
        mail = Mail(
            sender=Mailbox(address=sender), recipient=Mailbox(address=TO), bcc=BCC, subject="Hello", text="World"
        )
        self._queued = QueuedMail(
            message_id=secrets.token_hex(12), space=SPACE.id, accepted_at=datetime.now(UTC), mail=mail
        )

    def run(self) -> None:
        deliver_mail.deliver_mail(
            self._queued,
            access=runtime.access(),
            logs=self._logs,
            mailer=runtime.mailer(),
            suppressions=self._suppressions,
        )

    def run_at_once(self) -> None:
        """The queue's next try, before any lease has ended."""
        with suppress(deliver_mail.InProgress):
            self.run()

    def run_after_the_lease(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            expire_leases(patch)
            self.run()

    def leave_claimed(self) -> None:
        """What a run that was cut off leaves, after its lease."""
        begin = datetime.now(UTC) - 2 * deliver_mail.LEASE
        assert isinstance(self._logs.claim(self._queued, begin, deliver_mail.LEASE), Claimed)

    def taken(self) -> list[str]:
        """SES's ids of the mails that it took."""
        calls = [call for call in self._engine.calls if call.action == SENT and call.status == 200]
        return [json.loads(call.response)["MessageId"] for call in calls]

    def notify(self, *ses_message_ids: str) -> None:
        """Let the Send events arrive."""
        for ses_message_id in ses_message_ids:
            fact = Fact(EventKind.SEND, TO, datetime.now(UTC), ses_message_id, ses_message_id=ses_message_id)
            self._logs.put_event(DeliveryEvent(MessageRef(self._queued.message_id, SPACE.id), fact))

    def recorded(self) -> tuple[MessageRecord, list[DeliveryEvent]]:
        record, events = self._logs.history(self._queued.message_id)
        assert record is not None
        return record, events


def test_a_mail_leaves_once_wherever_its_run_stops(dynamodb_engine: DynamodbEngine, engine: Engine) -> None:
    for stop in every_stop(dynamodb_engine.client, runtime.mailer()._client):
        delivery = Delivery(dynamodb_engine, engine)
        with stop:
            delivery.run()
        delivery.run_at_once()
        delivery.notify(*delivery.taken())
        delivery.run_after_the_lease()
        (ses_message_id,) = delivery.taken()
        record, _ = delivery.recorded()
        assert (record.ses_message_id, record.lease_until) == (ses_message_id, None), stop


@pytest.mark.parametrize("took", [["ses-id"], []], ids=["SES took it", "SES did not take it"])
def test_a_mail_leaves_once_wherever_its_take_over_stops(
    dynamodb_engine: DynamodbEngine, engine: Engine, took: list[str]
) -> None:
    for stop in every_stop(dynamodb_engine.client, runtime.mailer()._client):
        delivery = Delivery(dynamodb_engine, engine)
        delivery.leave_claimed()
        delivery.notify(*took)
        with stop:
            delivery.run()
        delivery.run_at_once()
        delivery.notify(*delivery.taken())
        delivery.run_after_the_lease()
        (ses_message_id,) = took + delivery.taken()
        record, _ = delivery.recorded()
        assert (record.ses_message_id, record.lease_until) == (ses_message_id, None), stop


def test_a_refused_mail_is_recorded_whole_wherever_its_run_stops(
    dynamodb_engine: DynamodbEngine, engine: Engine
) -> None:
    for stop in every_stop(dynamodb_engine.client, runtime.mailer()._client):
        delivery = Delivery(dynamodb_engine, engine, sender="info@unverified.example")
        with stop:
            delivery.run()
        delivery.run_at_once()
        delivery.run_after_the_lease()
        assert delivery.taken() == []
        record, events = delivery.recorded()
        assert record.failure is not None, stop
        assert (record.ses_message_id, record.lease_until) == (None, None)
        assert sorted(event.fact.recipient for event in events) == sorted([TO, BCC])


def address_key(access: AccessTable) -> bytes | None:
    try:
        return access.address_key()
    except Permanent:
        return None


def test_a_space_has_its_address_key_wherever_its_creation_stops(dynamodb_engine: DynamodbEngine) -> None:
    client = dynamodb_engine.client
    for stop in every_stop(client):
        with template_tables(client) as stack:
            # What a warm function remembers would hide what is stored.
            accesses = [AccessTable(client, stack.tables["AccessTable"]) for _ in range(3)]
            with stop:
                accesses[0].create_space(SPACE)
            existed, key = accesses[1].has_space(SPACE.id), address_key(accesses[1])
            assert key is not None or not existed, stop
            assert accesses[1].create_space(SPACE) is not existed, stop
            assert accesses[2].spaces() == [SPACE], stop
            assert accesses[2].address_key() == key or key is None, stop


def test_a_space_goes_at_once_and_whole_wherever_its_deletion_stops(dynamodb_engine: DynamodbEngine) -> None:
    client = dynamodb_engine.client
    credentials = [
        Credential(keyid=keyid, space=SPACE.id, created_at=CREATED_AT, secret_sha256="00", scopes=frozenset(Scope))
        for keyid in ("key-1", "key-2")
    ]
    for stop in every_stop(client):
        with template_tables(client) as stack:
            access = AccessTable(client, stack.tables["AccessTable"])
            access.create_space(SPACE)
            for credential in credentials:
                access.create_credential(credential)
            for domain in ("a.example", "b.example"):
                access.put_sender_domain(SPACE.id, domain, verified=True)
            access.put_campaign(SPACE.id, Campaign("key", "Spring"))
            access.put_template(SPACE.id, TemplateName.PROMOTION_CODE, MailTemplate(subject="s", text="t", html="h"))
            with stop:
                access.delete_space(SPACE.id, CREATED_AT + timedelta(days=1))
            untouched = access.credentials(SPACE.id) == credentials and len(access.sender_domains(SPACE.id)) == 2
            assert untouched or access.space(SPACE.id) is None, stop
            access.delete_space(SPACE.id, CREATED_AT + timedelta(days=2))
            assert access.spaces() == [], stop
            assert access.credentials(SPACE.id) == [], stop
            assert access.sender_domains(SPACE.id) == [], stop
            assert access.campaigns(SPACE.id) == [], stop
            assert access.template(SPACE.id, TemplateName.PROMOTION_CODE) is None, stop
            assert not access.create_space(SPACE), stop
