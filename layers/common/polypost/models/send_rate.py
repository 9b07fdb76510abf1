"""How fast an account may send, and the times at which it does.

SES counts recipients: `MaxSendRate` of them in a second, `Max24HourSend` in the 24 hours before now (SES v2 API
reference, "SendQuota").
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

#: What a new account may send in a second (SES developer guide, "Service quotas"): never too fast until SES has told.
FIRST_RATE = 1.0

#: How late a mail may still use its time. One that is later takes another.
LATENESS = timedelta(milliseconds=50)

# A second's worth of mails is spread over a little more than a second: a mail that is late by LATENESS, and one that
# the network brings sooner than the one before, still leave no second with one mail too many.
_STRETCH = 1.1


@dataclass(frozen=True, slots=True)
class SendQuota:
    """What SES says that the account may send.

    `rate` is in recipients a second, `per_day` in recipients in 24 hours (None without a limit), of which `used` are.
    """

    rate: float
    per_day: float | None
    used: float

    @property
    def is_used_up(self) -> bool:
        return self.per_day is not None and self.used >= self.per_day


@dataclass(frozen=True, slots=True)
class SendTimes:
    """What all workers share: which times are taken, and how fast they follow one another.

    Every time before `free_from` is taken. `rate` is the account's, in recipients a second. SES is to be asked for it
    again at `ask_at`. Nothing is sent before `paused_until`.
    """

    rate: float
    free_from: datetime | None = None
    ask_at: datetime | None = None
    paused_until: datetime | None = None

    @property
    def interval(self) -> timedelta:
        """From one mail's time to the next one's."""
        return timedelta(seconds=_STRETCH / self.rate)

    def begin(self, now: datetime) -> datetime:
        """The first time that is free."""
        return now if self.free_from is None else max(now, self.free_from)

    def fit(self, now: datetime, latest: datetime) -> int:
        """How many free times there are up to a moment."""
        return max(0, (latest - self.begin(now)) // self.interval + 1)
