"""Hundreds of mails at once, through an SES and tables that fail now and then: each arrives once, at the right pace."""

import random
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, SSLError

from polypost import runtime
from polypost.adapters import clients
from polypost.adapters.logs_table import LogsTable
from polypost.adapters.mailer import Mailer
from polypost.adapters.send_limiter import SendLimiter
from polypost.adapters.suppressions import Suppressions
from polypost.models.access import SpaceSettings
from polypost.models.clock import Clock
from polypost.models.delivery import EventKind, Fact
from polypost.models.mail import QueuedMail
from polypost.usecases.deliver_mail import LEASE, Delivery, deliver_mails
from polypost.usecases.pace import Pace
from support.dynamodb import DynamodbEngine, local_client
from support.fake_ses import ANSWERED, BROKEN_TLS, CUT_OFF, FAILED, THROTTLED, FakeSes, running_ses
from support.lambda_events import LambdaContext
from support.parallel import in_parallel
from support.sending import LimiterInMemory, LogsInMemory, NobodySuppressed, bodies, queued_mail, worker
from support.virtual import START, VirtualClock, VirtualQueue, busiest_second


def mails(number: int, copies: int = 0) -> list[QueuedMail]:
    """Mails, of which the first ones have a Bcc."""
    bccs = (f"bcc-{n}@example.org" if n < copies else None for n in range(number))
    return [queued_mail(n, START, bcc) for n, bcc in enumerate(bccs)]


def whom(queued: list[QueuedMail]) -> Counter[str]:
    return Counter(part.address for mail in queued for part in mail.parts)


class Taken(list[str]):
    """An SES that takes all mails; whom it took them for, and when."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.moments: list[datetime] = []
        self._clock = clock
        self.mailer = Mailer(local_client(clients.sesv2, "http://127.0.0.1:9"), "set")
        self.mailer._client.send_email = self._send_email  # type: ignore[method-assign]

    def _send_email(self, **request: Any) -> Any:
        self.moments.append(self._clock.now())
        self += [address for addresses in request["Destination"].values() for address in addresses]
        return {"MessageId": f"ses-{len(self)}"}


def on_tables(engine: DynamodbEngine, clock: Clock, mailer: Mailer, fixed_rate: float, threads: int) -> Delivery:
    """The adapters of a process of its own."""
    contacts, logs = engine.tables["ContactsTable"], engine.tables["LogsTable"]
    return Delivery(
        lambda space: SpaceSettings(),
        LogsTable(engine.client, logs, lambda: b"key"),
        mailer,
        Suppressions(engine.client, contacts, lambda: b"key", lambda space: SpaceSettings()),
        Pace(SendLimiter(engine.client, logs), mailer.quota, clock, fixed_rate),
        clock,
        threads,
    )


def fate(number: int) -> str:
    """What becomes of a call: one in ten fails, one in fifty is taken and cut off, another one breaks TLS."""
    if number % 10 == 3:
        return FAILED
    if number % 50 == 25:
        return CUT_OFF
    return BROKEN_TLS if number % 50 == 45 else ANSWERED


def test_five_hundred_mails_arrive_once_through_an_ses_that_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock, logs, limiter = VirtualClock(), LogsInMemory(), LimiterInMemory()
    queue = VirtualQueue(clock)
    monkeypatch.setattr(runtime, "deferrals", lambda: queue)

    def tell(tags: dict[str, str], recipient: str) -> None:
        logs.tell(
            tags["messageId"], Fact(EventKind.DELIVERY, recipient, clock.now(), "1", ses_message_id=f"ses-{recipient}")
        )

    ses = FakeSes(clock, rate=14, fate=fate, tell=tell)
    sent = mails(500, copies=50)
    with running_ses(ses, tmp_path) as client:
        mailer = Mailer(client, "set")
        queue.send(*bodies(sent))
        paces = [Pace(limiter, mailer.quota, clock, fixed_rate=0) for _ in range(5)]
        handlers = [
            worker(Delivery(lambda space: SpaceSettings(), logs, mailer, NobodySuppressed(), pace, clock, threads=10))
            for pace in paces
        ]
        queue.work_off(handlers, LambdaContext())
    assert Counter(ses.taken) == whom(sent)
    assert logs.sent.keys() == {part for mail in sent for part in mail.parts}
    assert all(ses_message_id == f"ses-{part.address}" for part, ses_message_id in logs.sent.items())
    assert {ANSWERED, FAILED, CUT_OFF, BROKEN_TLS} == set(ses.fates)
    assert busiest_second(ses.calls) <= 14
    # Each part was called for once before those came again of which SES had said nothing.
    first = ses.calls[: len(logs.sent)]
    assert len(first) / (first[-1] - first[0]).total_seconds() >= 0.85 * 14
    # Those that SES had failed at are sent when their claims have ended; a few fail once more, and then again.
    assert ses.calls[-1] - START <= 8 * LEASE


def test_each_way_to_fail_is_the_error_that_boto3_makes_of_it(tmp_path: Path) -> None:
    fates = iter([BROKEN_TLS, CUT_OFF, FAILED, ANSWERED])
    ses = FakeSes(Clock(), rate=3, fate=lambda _: next(fates), tell=lambda *_: None)
    with running_ses(ses, tmp_path) as client:
        send = partial(
            client.send_email,
            Destination={"ToAddresses": ["max@example.net"]},
            Content={"Raw": {"Data": b"x"}},
            EmailTags=[],
        )
        for error in (SSLError, ConnectionClosedError, ClientError, client.exceptions.TooManyRequestsException):
            with pytest.raises(error):
                send()
    assert ses.taken == ["max@example.net"] * 2
    assert ses.fates[-1] == THROTTLED


def test_mails_are_sent_soon_although_the_table_fails(
    dynamodb_engine: DynamodbEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock()
    queue, taken = VirtualQueue(clock), Taken(clock)
    monkeypatch.setattr(runtime, "deferrals", lambda: queue)
    chance = random.Random(1)  # noqa: S311 - reproducible, not secret
    sent = mails(150)

    def failing(real: Any) -> Any:
        def call(**request: Any) -> Any:
            if chance.random() < 0.15:
                raise EndpointConnectionError(endpoint_url="https://dynamodb.example.com")
            return real(**request)

        return call

    for name in ("update_item", "batch_get_item", "query", "transact_write_items"):
        monkeypatch.setattr(dynamodb_engine.client, name, failing(getattr(dynamodb_engine.client, name)))
    queue.send(*bodies(sent))
    processes = [on_tables(dynamodb_engine, clock, taken.mailer, fixed_rate=14, threads=10) for _ in range(5)]
    queue.work_off([worker(process) for process in processes], LambdaContext())
    assert Counter(taken) == whom(sent)
    assert taken.moments[-1] - taken.moments[0] < timedelta(seconds=30)
    assert busiest_second(taken.moments) <= 14


# Its threads run at once, in a process of its own.
@pytest.mark.parametrize("dynamodb_client", ["ministack"], indirect=True)
def test_two_workers_race_for_two_hundred_messages(dynamodb_engine: DynamodbEngine) -> None:
    clock = Clock()
    taken, sent = Taken(clock), mails(200, copies=20)

    def work(number: int) -> None:
        # The queue delivers each message to each worker, in another order.
        mine = random.Random(number).sample(sent, len(sent))  # noqa: S311 - reproducible, not secret
        process = on_tables(dynamodb_engine, clock, taken.mailer, fixed_rate=1000, threads=4)
        while mine:
            batch, mine = mine[:10], mine[10:]
            problems = deliver_mails(batch, clock.now() + timedelta(seconds=180), process)
            # What the other worker is at comes again.
            mine += [mail for mail, problem in zip(batch, problems, strict=True) if problem is not None]

    for run in in_parallel([partial(work, number) for number in range(2)]):
        run.result()
    assert Counter(taken) == whom(sent)
