"""Runs that are cut off at any of their AWS calls: nothing is half done for good, and no mail leaves twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from polypost import runtime
from polypost.adapters.access_table import AccessTable
from polypost.adapters.logs_table import Claimed, LogsTable
from polypost.adapters.mail_queue import decode
from polypost.adapters.send_limiter import SendLimiter
from polypost.adapters.suppressions import Suppressions
from polypost.errors import Permanent
from polypost.models.access import Credential, Scope, Space, SpaceSettings
from polypost.models.attempts import Attempt
from polypost.models.campaigns import Campaign
from polypost.models.delivery import DeliveryEvent, EventKind, Fact, MessageRecord, MessageRef
from polypost.models.mail import Mail, Mailbox, QueuedMail
from polypost.models.message_ids import new_message_id
from polypost.models.promotions import MailTemplate, TemplateName
from polypost.usecases.deliver_mail import LEASE, Delivery, InProgress, deliver_mails
from polypost.usecases.pace import Pace
from polypost.usecases.send_mail import send_mail
from support.dynamodb import DynamodbEngine, template_tables
from support.stops import Stop, every_stop
from support.template_engine import Engine
from support.virtual import VirtualClock

from .test_worker import BCC, TO, SesAnswers, client_error, recipients

CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
SPACE = Space(id="acme", created_at=CREATED_AT)


@dataclass
class Journey:
    """One mail from its acceptance on, on an engine, in a time that passes by itself.

    Each run is a process of its own, which remembers nothing.
    """

    dynamodb: DynamodbEngine
    engine: Engine
    clock: VirtualClock
    bcc: str | None = None

    def __post_init__(self) -> None:
        self.engine.calls.clear()
        self.access = AccessTable(self.dynamodb.client, self.dynamodb.tables["AccessTable"])
        self.logs = LogsTable(self.dynamodb.client, self.dynamodb.tables["LogsTable"], lambda: b"key")
        self._suppressions = Suppressions(
            self.dynamodb.client, self.dynamodb.tables["ContactsTable"], lambda: b"key", lambda space: SpaceSettings()
        )
        self._mail = Mail(
            sender=Mailbox(address="info@example.com"),
            recipient=Mailbox(address=TO),
            bcc=self.bcc,
            subject="Hello",
            text="World",
        )
        self._attempt = Attempt.fresh(self.clock.now())
        self.queued = QueuedMail(
            message_id=new_message_id(self._attempt, b"key"),
            space=SPACE.id,
            accepted_at=self._attempt.first_seen,
            mail=self._mail,
        )

    def know_its_id(self) -> None:
        """Take the id that the stack's own key gives."""
        own = {"message_id": new_message_id(self._attempt, self.access.address_key())}
        self.queued = self.queued.model_copy(update=own)

    def accept(self) -> None:
        """What the client asks for, and asks for again with the same Idempotency-Key when it gets no answer."""
        send_mail(self._mail, SPACE.id, None, self._attempt, access=self.access, queue=runtime.mail_queue())

    def run(self) -> Exception | None:
        """The worker's run for one message of the queue; what keeps it there."""
        limiter = SendLimiter(self.dynamodb.client, self.dynamodb.tables["LogsTable"])
        pace = Pace(limiter, runtime.mailer().quota, self.clock, fixed_rate=14)
        delivery = Delivery(
            lambda space: SpaceSettings(), self.logs, runtime.mailer(), self._suppressions, pace, self.clock, threads=1
        )
        (problem,) = deliver_mails([self.queued], self.clock.now() + timedelta(seconds=180), delivery)
        return problem

    def run_again(self) -> None:
        """The queue's next try, before any claim has ended."""
        problem = self.run()
        assert problem is None or isinstance(problem, InProgress), problem

    def run_after_the_lease(self) -> None:
        """The try after that, which settles the mail."""
        self.clock.sleep(LEASE.total_seconds() + 1)
        assert self.run() is None

    def leave_claimed(self) -> None:
        """What a run that was cut off leaves, after its lease."""
        for part in self.queued.parts:
            assert isinstance(self.logs.claim(part, self.clock.now(), LEASE), Claimed)
        self.clock.sleep(LEASE.total_seconds() + 1)

    def taken(self) -> list[str]:
        """Whom SES took mails for."""
        return recipients(self.engine)

    def tell(self, kind: EventKind, *addresses: str) -> None:
        """Let SES tell of mails."""
        for address in addresses:
            fact = Fact(kind, address, self.clock.now(), "1", ses_message_id=f"told-{address}")
            self.logs.put_event(DeliveryEvent(MessageRef(self.queued.message_id, SPACE.id), fact))

    def recorded(self) -> list[MessageRecord]:
        """What is recorded of each part."""
        record, _ = self.logs.history(self.queued.message_id)
        assert record is not None
        return [record] if record.copy is None else [record, record.copy]


def stops(journey: DynamodbEngine) -> Iterator[Stop]:
    return every_stop(journey.client, runtime.mailer()._client, runtime.mail_queue()._client)


def test_a_mail_is_accepted_once_wherever_its_acceptance_stops(dynamodb_engine: DynamodbEngine, engine: Engine) -> None:
    clock = VirtualClock()
    Journey(dynamodb_engine, engine, clock).access.create_space(SPACE)
    Journey(dynamodb_engine, engine, clock).access.put_sender_domain(SPACE.id, "example.com", verified=True)
    for stop in stops(dynamodb_engine):
        journey = Journey(dynamodb_engine, engine, clock)
        journey.know_its_id()
        with stop:
            journey.accept()
        if stop.died:
            journey.accept()
        waiting = [decode(body) for body in engine.receive("MailQueueUrl")]
        assert 1 <= len(waiting) <= 2, stop
        assert set(waiting) == {journey.queued}
        for _ in waiting:
            assert journey.run() is None
        assert journey.taken() == [TO], stop


#: What SES may tell of a mail that it took; a Send event may come late or never.
TOLD = [
    EventKind.SEND,
    EventKind.DELIVERY,
    EventKind.DELIVERY_DELAY,
    EventKind.BOUNCE,
    EventKind.COMPLAINT,
    EventKind.REJECT,
]


@pytest.mark.parametrize("kind", TOLD)
def test_a_mail_leaves_once_wherever_its_run_stops(
    dynamodb_engine: DynamodbEngine, engine: Engine, kind: EventKind
) -> None:
    clock = VirtualClock()
    for stop in stops(dynamodb_engine):
        journey = Journey(dynamodb_engine, engine, clock)
        with stop:
            journey.run()
        journey.run_again()
        journey.tell(kind, *journey.taken())
        journey.run_after_the_lease()
        assert journey.taken() == [TO], stop
        assert all(part.ses_message_id and part.lease_until is None for part in journey.recorded()), stop


def test_a_mail_and_its_bcc_leave_once_wherever_their_run_stops(
    dynamodb_engine: DynamodbEngine, engine: Engine
) -> None:
    clock = VirtualClock()
    for stop in stops(dynamodb_engine):
        journey = Journey(dynamodb_engine, engine, clock, BCC)
        with stop:
            journey.run()
        journey.run_again()
        journey.tell(EventKind.DELIVERY, *journey.taken())
        journey.run_after_the_lease()
        assert journey.taken() == sorted([TO, BCC]), stop
        assert [part.recipient for part in journey.recorded()] == [TO, BCC]
        assert all(part.ses_message_id and part.lease_until is None for part in journey.recorded()), stop


@pytest.mark.parametrize(("bcc", "told"), [(None, [TO]), (None, []), (BCC, [BCC])])
def test_a_mail_leaves_once_wherever_its_take_over_stops(
    dynamodb_engine: DynamodbEngine, engine: Engine, bcc: str | None, told: list[str]
) -> None:
    clock = VirtualClock()
    for stop in stops(dynamodb_engine):
        journey = Journey(dynamodb_engine, engine, clock, bcc)
        journey.leave_claimed()
        journey.tell(EventKind.BOUNCE, *told)
        with stop:
            journey.run()
        journey.run_again()
        journey.tell(EventKind.SEND, *journey.taken())
        journey.run_after_the_lease()
        assert sorted([*told, *journey.taken()]) == sorted(part.address for part in journey.queued.parts), stop
        assert all(part.ses_message_id and part.lease_until is None for part in journey.recorded()), stop


def test_a_mail_leaves_twice_only_if_ses_took_it_and_told_nobody_within_the_lease(
    dynamodb_engine: DynamodbEngine, engine: Engine
) -> None:
    clock = VirtualClock()
    twice = []
    for stop in stops(dynamodb_engine):
        journey = Journey(dynamodb_engine, engine, clock)
        with stop:
            journey.run()
        journey.run_again()
        took, recorded = journey.taken(), journey.recorded() if journey.taken() else []
        journey.run_after_the_lease()
        assert set(journey.taken()) == {TO}
        if len(journey.taken()) > 1:
            assert took == [TO]
            assert recorded[0].ses_message_id is None
            twice.append((stop.requests[-1], stop._moment))
    assert twice == [("SendEmail", "response-received"), ("UpdateItem", "before-send")]


def test_a_refused_mail_is_recorded_whole_wherever_its_run_stops(
    dynamodb_engine: DynamodbEngine, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock()
    SesAnswers(monkeypatch, *[client_error("MessageRejected", message="Address blacklisted.")] * 1000)
    for stop in stops(dynamodb_engine):
        journey = Journey(dynamodb_engine, engine, clock, BCC)
        with stop:
            journey.run()
        journey.run_again()
        journey.run_after_the_lease()
        assert journey.taken() == []
        for part in journey.recorded():
            assert part.failure == "MessageRejected: Address blacklisted.", stop
            assert (part.ses_message_id, part.lease_until) == (None, None)
        _, events = journey.logs.history(journey.queued.message_id)
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
