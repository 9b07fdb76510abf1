"""Send queued mails, each once, and record what became of them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from aws_lambda_powertools import Logger

from polypost.adapters.logs_table import Claimed, ClaimLost, Leased, LogsTable, Settled
from polypost.adapters.mailer import Mailer, MailRefused, QuotaUsedUp
from polypost.adapters.suppressions import Suppressions
from polypost.errors import OutcomeUnknown, Permanent, PolypostError, Retryable, Unsettled
from polypost.mail import mime
from polypost.models.access import SpaceSettings
from polypost.models.clock import Clock
from polypost.models.delivery import BounceType, DeliveryEvent, EventKind, Fact, MessageRef
from polypost.models.mail import Part, QueuedMail
from polypost.models.suppression import Suppression
from polypost.usecases.pace import NoTime, Pace, Slots

logger = Logger()

#: How long a claim holds, and so how long an unanswered call to SES waits for SES to tell of the mail before it is sent
#: again. Longer than the worker's Timeout in template.yaml, so that no two runs hold one part of a message.
LEASE = timedelta(minutes=15)

#: What one call to SES may take: the connect and the read time-out of its client. None begins later before a run's end.
SENDING = timedelta(seconds=13)

#: After how many failures that no rule foresees a message is given up, and again after as many more.
MAX_FAILURES = 10

# Pauses before a call to a table is made again, in seconds: a fault of a moment makes no mail wait, least of all for
# its own lease. One that has taken longer than the patience is an outage.
_PAUSES = (0.05, 0.2, 0.8)
_PATIENCE = timedelta(seconds=2)


class InProgress(Retryable):
    """Another run holds the message, or held it and left no word; it is settled when its lease has ended."""


class FailedTooOften(Permanent):
    """A message that fails in a way that no rule foresees, again and again."""


# What is no fault, and would be the same at once.
_ANSWERS = (ClaimLost, InProgress, NoTime)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the delivery of mails needs.

    Parameters: settings, gives those of a space; threads, how many mails may be at SES at a time.
    """

    settings: Callable[[str], SpaceSettings]
    logs: LogsTable
    mailer: Mailer
    suppressions: Suppressions
    pace: Pace
    clock: Clock
    threads: int


def deliver_mails(mails: Sequence[QueuedMail], ends_at: datetime, delivery: Delivery) -> list[Exception | None]:
    """Claim mails, send them at the account's pace, record them. Doing it again for the same mails is harmless.

    The recipient and the Bcc of a mail are two parts of it, each with its own claim and outcome: what happens to one
    does not touch the other. A part leaves twice only if a call to SES got no answer, and SES tells nothing of it
    before the claim has ended. To a suppressed recipient it does not leave, and is recorded with the reason; a
    suppressed Bcc is left out alone.

    Parameters: ends_at, when this run will be ended.

    Returns what kept each mail from being settled, or None, in the order of the mails: Unsettled, if another try may
    settle it; Permanent, if none will; any other error is counted, and becomes FailedTooOften at last.
    """
    try:
        delivery.pace.check_open()
    except Retryable as closed:
        return [closed for _ in mails]
    # The same mail twice is one mail: the second would wait for the first one's lease.
    runs = {mail.message_id: _Run(mail, delivery) for mail in mails}
    delivery.clock.concurrently([run.prepare for run in runs.values()], delivery.threads)
    ready = [(run, part) for run in runs.values() for part in run.ready]
    slots = Slots(delivery.pace, delivery.clock, wanted=len(ready), block=delivery.threads, latest=ends_at - SENDING)
    delivery.clock.concurrently([partial(run.send, part, slots) for run, part in ready], delivery.threads)
    outcomes = {message_id: run.outcome() for message_id, run in runs.items()}
    return [outcomes[mail.message_id] for mail in mails]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A part that this run has claimed and may send."""

    part: Part
    claimed: Claimed
    mime: bytes


@dataclass(slots=True)
class _Run:
    """One mail in one run: first `prepare`, then `send` for each part that is ready, then `outcome`."""

    mail: QueuedMail
    delivery: Delivery
    ready: list[_Ready] = field(default_factory=list)
    _problems: list[Exception] = field(default_factory=list)
    _erased: Collection[str] = ()
    # A run that was cut off counts once, however often the tables are asked.
    _has_counted: bool = False

    def prepare(self) -> None:
        """Claim the parts that may be sent, and settle those to suppressed addresses."""
        try:
            parts = self.mail.parts
            standings = self._insist(
                partial(self.delivery.suppressions.standings, self.mail.space, [part.address for part in parts])
            )
            self._erased = {
                address for address, standing in standings.items() if standing.is_erased(self.mail.accepted_at)
            }
            # All get the very same message, unless each has a link of their own in it.
            same = None if self.mail.mail.unsubscribe_links else self._mime(parts[0])
            contents = {part.is_copy: same or self._mime(part) for part in parts}
        except Exception as error:
            self._problems.append(error)
            return
        now = self.delivery.clock.now()
        for part in parts:
            # A suppressed recipient stops the mail to its Bcc too.
            suppression = standings[part.address].suppression(now, unsubscribable=self.mail.mail.is_unsubscribable)
            if not self._prepare(part, contents[part.is_copy], suppression):
                break

    def _mime(self, part: Part) -> bytes:
        """What one recipient is sent; each unsubscribes by a link of their own."""
        mail, delivery = self.mail.mail, self.delivery
        one_click = bool(mail.list_unsubscribe) and delivery.settings(self.mail.space).list_unsubscribe_post
        link = mail.unsubscribe_links and mail.unsubscribe_links + delivery.suppressions.unsubscribe_token(
            self.mail.space, part.address, self.mail.message_id
        )
        return mime.build(self.mail, unsubscribe_link=link, one_click=one_click)

    def _prepare(self, part: Part, content: bytes, suppression: Suppression | None) -> bool:
        """Claim one part; whether the mail goes out, for all that is known of this part."""
        try:
            claim = self._insist(partial(self._claim, part))
            if isinstance(claim, Settled):
                return not claim.suppressed
            if suppression is None:
                self.ready.append(_Ready(part, claim, content))
            else:
                event = _suppressed(self._message, part.address, suppression, self.delivery.clock.now())
                self._insist(
                    partial(
                        self.delivery.logs.record_suppressed,
                        part,
                        claim,
                        event,
                        suppression.reason,
                        erased=self._erased,
                    )
                )
        except Exception as error:
            self._problems.append(error)
        return suppression is None

    def _claim(self, part: Part) -> Claimed | Settled:
        """Make a part this run's own.

        Where another run was cut off, this one goes on by SES's own word that it took the part, or else by a new claim.
        """
        logs, now = self.delivery.logs, self.delivery.clock.now()
        claim = logs.claim(part, now, LEASE, erased=self._erased)
        if not isinstance(claim, Leased):
            return claim
        if claim.lease_until >= now:
            wait = (claim.lease_until - now).total_seconds()
            raise InProgress(
                f"Message {self.mail.message_id} is claimed until {claim.lease_until.isoformat()}", wait=wait
            )
        fact = logs.fact_of_ses(part)
        if fact is not None and fact.ses_message_id is not None:
            logs.record_sent(part, claim, fact.ses_message_id, fact.occurred_at)
            return Settled(suppressed=False)
        if claim.cut_off and not self._has_counted:
            self._count_failure("a run that was cut off")
            self._has_counted = True
        taken = logs.claim(part, now, LEASE, expired=claim, erased=self._erased)
        if isinstance(taken, Leased):
            raise InProgress(f"Message {self.mail.message_id} was taken over by another run")
        return taken

    def send(self, ready: _Ready, slots: Slots) -> None:
        """Send one part at its time, and record what SES says."""
        try:
            self._send(ready, slots)
        except Exception as error:
            self._problems.append(error)

    def _send(self, ready: _Ready, slots: Slots) -> None:
        logs, clock = self.delivery.logs, self.delivery.clock
        part, claimed = ready.part, ready.claimed
        try:
            self._insist(slots.wait)
            ses_message_id = self.delivery.mailer.send(self._message, part, ready.mime)
        except MailRefused as refusal:
            event = _rejected(self._message, part.address, str(refusal), clock.now())
            self._insist(partial(logs.record_refused, part, claimed, event, str(refusal), erased=self._erased))
            logger.warning("SES refused a mail", message_id=self.mail.message_id, error=type(refusal).__name__)
        except OutcomeUnknown as unknown:
            self._insist(partial(logs.record_unanswered, part, claimed))
            unknown.wait = (claimed.lease_until - clock.now()).total_seconds()
            raise
        except Exception as error:
            # Surely not sent.
            self._insist(partial(logs.release, part, claimed))
            if isinstance(error, QuotaUsedUp):
                self.delivery.pace.stop_for_the_day()
            raise
        else:
            self._insist(partial(logs.record_sent, part, claimed, ses_message_id, clock.now()))

    def outcome(self) -> Exception | None:
        """What keeps the mail from being settled, if anything does."""
        unforeseen = next((problem for problem in self._problems if not isinstance(problem, PolypostError)), None)
        if unforeseen is not None:
            try:
                self._count_failure(f"{type(unforeseen).__name__}: {unforeseen}")
            except PolypostError as error:
                error.__cause__ = unforeseen
                self._problems.append(error)
        return min(self._problems, key=_urgency, default=None)

    def _count_failure(self, what: str) -> None:
        """Count a failure that no rule foresees. Errors: FailedTooOften, at every tenth of them."""
        failures = self.delivery.logs.count_failure(self.mail.message_id, self.delivery.clock.now())
        if failures % MAX_FAILURES == 0:
            raise FailedTooOften(f"Message {self.mail.message_id} failed {failures} times, at last by {what}")

    def _insist(self, call: Callable[[], Result]) -> Result:
        """Make a call to a table, and make it again for a moment where the table does not answer."""
        clock = self.delivery.clock
        begun = clock.now()
        for pause in _PAUSES:
            try:
                return call()
            except Retryable as error:
                if isinstance(error, _ANSWERS) or clock.now() - begun > _PATIENCE:
                    raise
                clock.sleep(pause)
        return call()

    @property
    def _message(self) -> MessageRef:
        mail = self.mail
        return MessageRef(mail.message_id, mail.space, mail.mail.source_system, mail.mail.campaign_id)


def _urgency(problem: Exception) -> tuple[int, float]:
    """What of several problems decides: what another try may settle, soonest first, before what none will."""
    if isinstance(problem, FailedTooOften):
        return 0, 0
    if isinstance(problem, Unsettled):
        return 1, problem.wait
    return (3 if isinstance(problem, Permanent) else 2), 0


def _rejected(message: MessageRef, address: str, reason: str, now: datetime) -> DeliveryEvent:
    fact = Fact(EventKind.REJECT, address, now, fact_id="refused", error_text=reason)
    return DeliveryEvent(message, fact)


def _suppressed(message: MessageRef, address: str, suppression: Suppression, now: datetime) -> DeliveryEvent:
    fact = Fact(
        EventKind.SUPPRESSED,
        address,
        now,
        fact_id="suppressed",
        type=suppression.type,
        # "Delivery not authorized, message refused" (RFC 3463, section 3.8).
        error_code="5.7.1" if suppression.type is BounceType.HARD else "4.7.1",
        error_text=f"Not sent: {suppression.reason}",
    )
    return DeliveryEvent(message, fact)
