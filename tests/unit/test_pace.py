"""The account's rate: never above it in any second, and nearly all of it used, with any number of workers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

import pytest

from polypost import runtime
from polypost.adapters.mailer import QuotaUsedUp
from polypost.errors import Retryable
from polypost.models.access import SpaceSettings
from polypost.models.clock import Clock
from polypost.models.delivery import MessageRef
from polypost.models.mail import Part
from polypost.models.send_rate import LATENESS, SendQuota, SendTimes
from polypost.usecases.deliver_mail import Delivery
from polypost.usecases.pace import PAUSE, NoTime, Pace, Slots
from support.lambda_events import LambdaContext
from support.sending import (
    LimiterInMemory,
    LogsInMemory,
    MailerInMemory,
    NobodySuppressed,
    bodies,
    queued_mail,
    worker,
)
from support.virtual import START, VirtualClock, VirtualQueue, busiest_second


@dataclass
class Account:
    """An account with some workers, and a queue full of mail."""

    monkeypatch: pytest.MonkeyPatch
    rate: float = 14
    per_day: float | None = None
    threads: int = 10
    fixed_rate: float = 0

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.queue = VirtualQueue(self.clock)
        self.limiter = LimiterInMemory()
        self.logs = LogsInMemory()
        self.mailer = MailerInMemory(self.clock, self.quota)
        self.numbers = count()
        self.monkeypatch.setattr(runtime, "deferrals", lambda: self.queue)

    def quota(self) -> SendQuota:
        day_ago = self.clock.now() - timedelta(hours=24)
        return SendQuota(self.rate, self.per_day, used=sum(call > day_ago for call in self.mailer.calls))

    def delivery(self) -> Delivery:
        """The adapters of a process of its own."""
        pace = Pace(self.limiter, self.mailer.quota, self.clock, self.fixed_rate)
        return Delivery(
            lambda space: SpaceSettings(), self.logs, self.mailer, NobodySuppressed(), pace, self.clock, self.threads
        )

    def send(self, mails: int, workers: int, copies: int = 0) -> None:
        """Let the workers send mails, of which the first ones have a Bcc."""
        bccs = (f"bcc-{number}@example.org" if number < copies else None for number in range(mails))
        self.queue.send(*bodies([queued_mail(next(self.numbers), START, bcc) for bcc in bccs]))
        self.queue.work_off([worker(self.delivery()) for _ in range(workers)], LambdaContext())

    def share_used(self) -> float:
        """How much of the account's rate was used between the first mail and the last one."""
        calls = self.mailer.calls
        return (len(calls) - 1) / ((calls[-1] - calls[0]).total_seconds() * self.rate)


def test_the_clock_of_these_tests_counts_as_it_should() -> None:
    moments = [START + timedelta(seconds=seconds) for seconds in (0, 0.5, 0.999, 1, 1.2, 3)]
    assert busiest_second(moments) == 4


@pytest.mark.parametrize(
    ("rate", "mails", "workers"),
    [(1, 60, 1), (1, 60, 2), (1, 150, 25), (14, 300, 1), (14, 500, 5), (14, 500, 40), (200, 1500, 10), (200, 1500, 60)],
)
def test_the_rate_is_kept_and_used(monkeypatch: pytest.MonkeyPatch, rate: int, mails: int, workers: int) -> None:
    account = Account(monkeypatch, rate)
    account.send(mails, workers, copies=mails // 10)
    assert len(account.mailer.calls) == mails + mails // 10
    assert busiest_second(account.mailer.calls) <= rate
    assert account.share_used() >= 0.85
    # Well under one write for each mail, although each worker is a new process.
    assert account.limiter.writes <= mails / 4 + 2 * workers


def test_workers_with_one_thread_waste_no_times(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch, 14, threads=1)
    account.send(200, workers=5)
    assert busiest_second(account.mailer.calls) <= 14
    assert account.share_used() >= 0.85


def test_ses_is_asked_for_the_rate_by_one_worker_and_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch, 1)
    account.send(700, workers=5)
    (first, *later) = account.mailer.asked
    assert first == START
    assert len(later) == 2
    assert min(b - a for a, b in zip(account.mailer.asked, later, strict=False)) >= timedelta(minutes=5)


def test_a_rate_that_changes_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch, 1)
    account.send(10, workers=2)
    account.rate = 14
    account.clock.sleep(300)
    account.send(200, workers=2)
    calls = account.mailer.calls[10:]
    assert (calls[-1] - calls[0]).total_seconds() < 200 / (14 * 0.85)


def test_an_account_that_is_not_told_of_sends_as_slowly_as_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch, 14)
    tell, account.mailer._says = account.quota, unanswered
    account.send(20, workers=3)
    assert busiest_second(account.mailer.calls) == 1
    account.mailer._says = tell
    account.clock.sleep(60)
    account.send(100, workers=3)
    assert busiest_second(account.mailer.calls) > 10


def test_the_last_rate_is_kept_when_ses_does_not_tell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch, 14)
    account.send(10, workers=1)
    account.mailer._says = unanswered
    account.clock.sleep(600)
    account.mailer.calls.clear()
    account.send(100, workers=3)
    assert account.share_used() >= 0.85
    assert len(account.mailer.asked) == 2


def unanswered() -> SendQuota:
    raise Retryable("sesv2.GetAccount")


def test_a_fixed_rate_is_kept_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch, 5, fixed_rate=5)
    account.send(50, workers=3)
    assert busiest_second(account.mailer.calls) <= 5
    assert account.share_used() >= 0.85
    assert account.mailer.asked == []


@pytest.mark.parametrize("told_by", ["GetAccount", "SendEmail"])
def test_mail_waits_while_the_days_quota_is_used_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, told_by: str
) -> None:
    account = Account(monkeypatch, 14, per_day=20)
    if told_by == "SendEmail":
        take = account.mailer.send

        def send(message: MessageRef, part: Part, mime: bytes) -> str:
            if account.quota().is_used_up:
                raise QuotaUsedUp("Daily message quota exceeded")
            return take(message, part, mime)

        monkeypatch.setattr(account.mailer, "send", send)
    else:
        account.send(20, workers=2)
        account.clock.sleep(300)
    account.send(10 if told_by == "GetAccount" else 30, workers=2)
    calls = account.mailer.calls
    assert len(calls) == 30
    # The quota is one of the 24 hours before now: the first mails are no longer counted when the next ones go out.
    assert timedelta(hours=24) <= calls[20] - calls[0] < timedelta(hours=24) + 2 * PAUSE + timedelta(minutes=30)
    told = [record.getMessage() for record in caplog.records if "quota" in record.getMessage()]
    assert "no mail is sent until 2026-01-02 03:1" in told[0]
    # Once in a pause, and by one worker.
    assert 24 * 6 / 4 <= len([line for line in told if "no mail is sent until" in line]) <= 24 * 6


class SlowMachine(VirtualClock):
    """A clock whose threads wake up late once."""

    late = True

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds + (1 if self.late else 0))
        self.late = False


def test_a_mail_that_is_late_takes_another_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, limiter = SlowMachine(), LimiterInMemory()
    pace = Pace(limiter, lambda: SendQuota(10, None, 0), clock, fixed_rate=10)
    slots = Slots(pace, clock, wanted=2, block=2, latest=START + timedelta(seconds=60))
    for _ in range(2):
        slots.wait()
    times = limiter._times
    assert times.free_from is not None
    # Two times went by unused; the two that were used are the last ones.
    assert times.free_from - clock.now() <= times.interval + LATENESS
    assert clock.now() - START >= timedelta(seconds=1) + times.interval


def test_no_time_is_taken_that_the_run_could_not_wait_for() -> None:
    clock, limiter = Clock(), LimiterInMemory()
    pace = Pace(limiter, lambda: SendQuota(1, None, 0), clock, fixed_rate=1)
    now = clock.now()
    assert len(pace.reserve(10, now + timedelta(seconds=4))) == 4
    writes = limiter.writes
    with pytest.raises(NoTime) as refusal:
        pace.reserve(1, now + timedelta(seconds=4))
    assert refusal.value.wait > 0
    assert limiter.writes == writes


@pytest.mark.parametrize("wanted", [1, 2])
@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_limiter_that_does_not_answer_gives_no_time_twice(wanted: int, failures: int) -> None:
    clock, limiter = VirtualClock(), Hiccups(failures)
    pace = Pace(limiter, lambda: SendQuota(14, None, 0), clock, fixed_rate=0)
    slots = Slots(pace, clock, wanted=wanted, block=10, latest=START + timedelta(seconds=60))
    for _ in range(failures):
        with pytest.raises(Retryable, match="hiccup"):
            slots.wait()
    moments = []
    for _ in range(wanted):
        slots.wait()
        moments.append(clock.now())
    assert moments == sorted(set(moments))
    assert pace.reserve(1, START + timedelta(seconds=60)) > moments[-1:]


class Hiccups(LimiterInMemory):
    """A limiter that does not answer the first few times."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    def reserve(self, count: int, now: datetime, latest: datetime, known: SendTimes) -> SendTimes:
        if self.failures:
            self.failures -= 1
            raise Retryable("hiccup")
        assert count >= 1
        return super().reserve(count, now, latest, known)
