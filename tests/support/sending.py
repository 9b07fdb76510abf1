"""The mail worker on tables and an SES in memory, for thousands of mails in a virtual time."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from polypost.adapters.logs_table import Claimed, Leased, LogsTable, Settled
from polypost.adapters.mail_queue import decode, encode
from polypost.adapters.mailer import Mailer
from polypost.adapters.send_limiter import Moved, SendLimiter
from polypost.adapters.suppressions import Suppressions
from polypost.models.clock import Clock
from polypost.models.delivery import Fact, MessageRef
from polypost.models.mail import Mail, Mailbox, Part, QueuedMail
from polypost.models.send_rate import FIRST_RATE, SendQuota, SendTimes
from polypost.models.suppression import AddressStanding
from polypost.queues.consumer import BatchHandler, sqs_batches
from polypost.usecases.deliver_mail import Delivery, deliver_mails

#: The worker's Timeout in template.yaml, in seconds.
TIMEOUT = 180


def queued_mail(number: int, accepted_at: datetime, bcc: str | None = None) -> QueuedMail:
    """One of many mails, each to an address of its own."""
    mail = Mail(
        sender=Mailbox(address="info@example.com"),
        recipient=Mailbox(address=f"max-{number}@example.net"),
        bcc=bcc,
        subject="Hello",
        text="World",
    )
    message_id = f"{int(accepted_at.timestamp()):08x}{number:016x}"
    return QueuedMail(message_id=message_id, space="acme", accepted_at=accepted_at, mail=mail)


def bodies(mails: list[QueuedMail]) -> list[str]:
    return [encode(mail) for mail in mails]


def worker(delivery: Delivery) -> BatchHandler:
    """The mail worker's handler in a process of its own, on adapters of the test's choice."""

    @sqs_batches(decode=decode)
    def handler(mails: Sequence[QueuedMail], _: Any) -> list[Exception | None]:
        return deliver_mails(mails, delivery.clock.now() + timedelta(seconds=TIMEOUT), delivery)

    return handler


class LimiterInMemory(SendLimiter):
    """The send limiter without a table."""

    def __init__(self) -> None:
        self.writes = 0
        self._times = SendTimes(FIRST_RATE)

    def reserve(self, count: int, now: datetime, latest: datetime, known: SendTimes) -> SendTimes:
        times, taken = self._times, known.begin(now) > now
        still = times.begin(now) > now if taken else times.begin(now) == now
        fits = times.begin(now) <= latest - (count - 1) * known.interval
        return self._write(
            still and (fits or not taken) and times.rate == known.rate and self._is_open(now),
            free_from=times.begin(now) + count * known.interval,
        )

    def ask(self, now: datetime, again_at: datetime) -> SendTimes:
        return self._write(self._times.ask_at is None or self._times.ask_at <= now, ask_at=again_at)

    def learn(self, rate: float, ask_at: datetime) -> SendTimes:
        return self._write(True, rate=rate, ask_at=ask_at)

    def pause(self, now: datetime, until: datetime) -> SendTimes:
        return self._write(self._is_open(now), paused_until=until, ask_at=until)

    def _is_open(self, now: datetime) -> bool:
        return self._times.paused_until is None or self._times.paused_until <= now

    def _write(self, condition: bool, **changes: Any) -> SendTimes:
        self.writes += 1
        if not condition:
            raise Moved(self._times)
        self._times = replace(self._times, **changes)
        return self._times


class LogsInMemory(LogsTable):
    """As much of the Logs table as mails need that nobody refuses."""

    def __init__(self) -> None:
        self.sent: dict[Part, str] = {}
        self._claims: dict[Part, Claimed] = {}
        self._unanswered: set[Claimed] = set()
        self._told: dict[tuple[str, str], Fact] = {}

    def claim(
        self, part: Part, now: datetime, lease: timedelta, expired: Leased | None = None, **_: Any
    ) -> Claimed | Settled | Leased:
        if part in self.sent:
            return Settled(suppressed=False)
        standing = self._claims.get(part)
        if standing is not None and (expired is None or standing.lease_until != expired.lease_until):
            return Leased(standing.lease_until, standing not in self._unanswered)
        claimed = self._claims[part] = Claimed(now + lease, f"{now} {part.address}")
        return claimed

    def release(self, part: Part, claimed: Claimed) -> None:
        del self._claims[part]

    def record_unanswered(self, part: Part, claimed: Claimed) -> None:
        self._unanswered.add(claimed)

    def record_sent(self, part: Part, held: Claimed | Leased, ses_message_id: str, sent_at: datetime) -> None:
        self.sent[part] = ses_message_id

    def tell(self, message_id: str, fact: Fact) -> None:
        """Record what SES tells of a mail."""
        self._told[message_id, fact.recipient] = fact

    def fact_of_ses(self, part: Part) -> Fact | None:
        return self._told.get((part.queued.message_id, part.address))


class NobodySuppressed(Suppressions):
    """An empty Contacts table."""

    def __init__(self) -> None:
        pass

    def standings(self, space: str, addresses: Any) -> dict[str, AddressStanding]:
        return {address: AddressStanding() for address in addresses}


class MailerInMemory(Mailer):
    """An SES that takes each mail, after a while.

    Parameters: says, what GetAccount answers; seconds, how long a call takes, of which the way there is a part that
    differs from call to call.
    """

    def __init__(self, clock: Clock, says: Callable[[], SendQuota], seconds: float = 0.1) -> None:
        self.calls: list[datetime] = []
        self.asked: list[datetime] = []
        self._clock = clock
        self._says = says
        self._seconds = seconds
        self._chance = random.Random(1)  # noqa: S311 - reproducible, not secret

    def send(self, message: MessageRef, part: Part, mime: bytes) -> str:
        way = self._chance.uniform(0, 0.03)
        self._clock.sleep(way)
        self.calls.append(self._clock.now())
        self._clock.sleep(self._seconds - way)
        return f"ses-{len(self.calls)}"

    def quota(self) -> SendQuota:
        self.asked.append(self._clock.now())
        return self._says()
