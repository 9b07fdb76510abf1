"""The time, and work that waits for it."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

Result = TypeVar("Result")


class Clock:
    """This machine's time and threads. Whatever waits is given one, so that a test can let its own time pass."""

    def now(self) -> datetime:
        """The moment, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Let time pass, in this thread."""
        time.sleep(seconds)

    def concurrently(self, calls: Sequence[Callable[[], Result]], threads: int) -> list[Result]:
        """Make all calls, in their order and some at a time; their results, in the same order.

        Parameters: threads, how many calls may run at a time.
        """
        if min(threads, len(calls)) <= 1:
            return [call() for call in calls]
        with ThreadPoolExecutor(min(threads, len(calls))) as pool:
            return list(pool.map(lambda call: call(), calls))
