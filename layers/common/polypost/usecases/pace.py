"""Send no faster than the account may, with all workers together."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from aws_lambda_powertools import Logger

from polypost.adapters.send_limiter import Moved, SendLimiter
from polypost.errors import PolypostError, Retryable
from polypost.models.clock import Clock
from polypost.models.send_rate import LATENESS, SendQuota, SendTimes

logger = Logger()

# How long what SES said of the account is good for, and after how long to ask again when it did not answer.
_GOOD_FOR = timedelta(minutes=5)
_ASK_AGAIN = timedelta(minutes=1)

#: How long nothing is sent once the day's quota is used up. It is a quota of the 24 hours before now, so a part of it
#: comes back all the time.
PAUSE = timedelta(minutes=10)


class NoTime(Retryable):
    """No time to send at that this run could wait for."""


class Pace:
    """The account's pace, as one worker knows it from its calls to the limiter.

    Parameters: quota, asks SES what the account may send; fixed_rate, in recipients a second, the rate to keep to
    without asking, or 0.
    """

    def __init__(self, limiter: SendLimiter, quota: Callable[[], SendQuota], clock: Clock, fixed_rate: float) -> None:
        self._limiter = limiter
        self._quota = quota
        self._clock = clock
        self._fixed_rate = fixed_rate
        self._known: SendTimes | None = None

    def check_open(self) -> None:
        """Find out, without a call, whether it is known that nothing may be sent.

        Raises: NoTime.
        """
        if self._known is not None:
            _check_open(self._known, self._clock.now())

    def reserve(self, count: int, latest: datetime) -> list[datetime]:
        """The next free times, at least one; they are nobody else's.

        Parameters: count, how many are wanted; latest, the moment that none of them may be after.

        Raises: NoTime; Retryable.
        """
        while True:
            times = self._known = self._up_to_date()
            now = self._clock.now()
            _check_open(times, now)
            fitting = min(count, times.fit(now, latest))
            if fitting == 0:
                ahead = (times.begin(now) - latest).total_seconds()
                raise NoTime(f"Every time to send at up to {latest.isoformat()} is taken", wait=ahead)
            try:
                self._known = self._limiter.reserve(fitting, now, latest, times)
            except Moved as moved:
                self._known = moved.times
                continue
            end = self._known.begin(now)
            return [end - number * times.interval for number in range(fitting, 0, -1)]

    def stop_for_the_day(self) -> None:
        """Let no worker send for a while: SES has said that the day's quota is used up.

        Raises: Retryable.
        """
        now = self._clock.now()
        until = now + PAUSE
        try:
            self._known = self._limiter.pause(now, until)
        except Moved as moved:
            self._known = moved.times
            return
        logger.error(
            f"SES's quota of 24 hours is used up: no mail is sent until {until:%Y-%m-%d %H:%M:%S} UTC, then SES is "
            "asked again",
            error="QuotaUsedUp",
        )

    def _up_to_date(self) -> SendTimes:
        """What is known of the account, asked for anew where that is due."""
        known, now = self._known, self._clock.now()
        if self._fixed_rate:
            if known is None or known.rate != self._fixed_rate:
                return self._limiter.learn(self._fixed_rate, now)
            return known
        if known is not None and known.ask_at is not None and now < known.ask_at:
            return known
        try:
            known = self._limiter.ask(now, now + _ASK_AGAIN)
        except Moved as moved:
            return moved.times
        try:
            quota = self._quota()
        except PolypostError as error:
            logger.warning(f"SES did not tell the account's rate; it stays at {known.rate:g} a second: {error}")
            return known
        known = self._limiter.learn(quota.rate, now + _GOOD_FOR)
        if quota.is_used_up:
            self.stop_for_the_day()
            return self._known or known
        return known


def _check_open(times: SendTimes, now: datetime) -> None:
    if times.paused_until is not None and now < times.paused_until:
        left = (times.paused_until - now).total_seconds()
        raise NoTime(f"No mail is sent until {times.paused_until.isoformat()}", wait=left)


class Slots:
    """Times to send at for one batch: taken from the pace in blocks, so that many mails cost one write.

    Parameters: wanted, how many mails need one; block, how many to take at once, which is how many of them can be sent
    at the same time: the others could not keep to theirs; latest, the moment after which none may be sent.
    """

    def __init__(self, pace: Pace, clock: Clock, *, wanted: int, block: int, latest: datetime) -> None:
        self._pace = pace
        self._clock = clock
        self._wanted = wanted
        self._block = block
        self._latest = latest
        self._taken: deque[datetime] = deque()
        self._refusal: NoTime | None = None
        self._lock = Lock()

    def wait(self) -> None:
        """Return at a time that is the caller's alone.

        Raises: NoTime; Retryable.
        """
        while True:
            slot = self._next()
            self._clock.sleep(max(0.0, (slot - self._clock.now()).total_seconds()))
            self._pace.check_open()
            if self._clock.now() - slot <= LATENESS:
                return
            # This machine was too slow. Sent now, the mail would come at another one's time.
            with self._lock:
                self._wanted += 1

    def _next(self) -> datetime:
        with self._lock:
            now = self._clock.now()
            while self._taken and now - self._taken[0] > LATENESS:
                self._taken.popleft()
            if self._refusal is not None and not self._taken:
                raise self._refusal
            if not self._taken:
                try:
                    self._taken.extend(self._pace.reserve(max(1, min(self._wanted, self._block)), self._latest))
                except NoTime as refusal:
                    self._refusal = refusal
                    raise
            # Not before, since whoever gets no time may ask for one again.
            self._wanted -= 1
            return self._taken.popleft()
