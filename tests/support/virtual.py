"""Time that passes only while everybody waits, and a queue that lives in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from itertools import count
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from polypost.models.clock import Clock

Result = TypeVar("Result")

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

# How soon a message is seen that has become visible, at the least and at the most.
_POLL_SECONDS = (0.2, 10.0)

# A thread whose turn has not come by then never gets it, in seconds of the real time.
_PATIENCE = 600


class VirtualClock(Clock):
    """A clock that jumps to the next moment that a thread waits for, as soon as all threads wait.

    One thread runs at a time, in the order in which they came to wait: each run of a test is the same. What a thread
    does beside waiting, its calls to an engine too, takes no time.
    """

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._lock = Lock()
        self._running = 1
        self._waiting: list[tuple[datetime, int, Event]] = []
        self._numbers = count()

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        turn = self._wait_until(self._now + timedelta(seconds=seconds))
        self._give_way()
        assert turn.wait(_PATIENCE), "nobody lets time pass"

    def concurrently(self, calls: Sequence[Callable[[], Result]], threads: int) -> list[Result]:
        if min(threads, len(calls)) <= 1:
            return [call() for call in calls]
        results: dict[int, Result] = {}
        errors: list[BaseException] = []
        pending = iter(enumerate(calls))
        turns = [self._wait_until(self._now) for _ in range(min(threads, len(calls)))]
        left = count(len(turns) - 1, -1)
        done = Event()

        def work(turn: Event) -> None:
            assert turn.wait(_PATIENCE), "nobody lets time pass"
            try:
                for number, call in pending:
                    results[number] = call()
            except BaseException as error:
                errors.append(error)
            if next(left) == 0:
                heappush(self._waiting, (self._now, next(self._numbers), done))
            self._give_way()

        workers = [Thread(target=work, args=(turn,)) for turn in turns]
        for worker in workers:
            worker.start()
        self._give_way()
        assert done.wait(_PATIENCE), "nobody lets time pass"
        for worker in workers:
            worker.join()
        if errors:
            raise errors[0]
        return [results[number] for number in range(len(calls))]

    def _wait_until(self, moment: datetime) -> Event:
        turn = Event()
        with self._lock:
            heappush(self._waiting, (moment, next(self._numbers), turn))
        return turn

    def _give_way(self) -> None:
        """Let the thread run whose moment is next; it is this thread's last act before it waits."""
        with self._lock:
            self._running -= 1
            if self._running == 0 and self._waiting:
                moment, _, turn = heappop(self._waiting)
                self._now = max(self._now, moment)
                self._running = 1
                turn.set()


@dataclass
class _Message:
    body: str
    visible_at: datetime
    receives: int = 0


@dataclass
class VirtualQueue:
    """An SQS queue, and Lambda's event source that reads it with some workers at a time.

    It stands in for `runtime.deferrals()` too, since what a worker puts off comes back to it.

    Parameters: visibility, the queue's own time-out in seconds.
    """

    clock: Clock
    visibility: float = 360
    left: dict[str, _Message] = field(default_factory=dict)
    delays: list[int] = field(default_factory=list)
    _sent: int = 0

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self._sent += 1
            self.left[str(self._sent)] = _Message(body, self.clock.now())

    def put_off(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:
        """As the adapter does it."""
        self.delays.append(seconds)
        self.left[receipt_handle].visible_at = self.clock.now() + timedelta(seconds=seconds)

    def work_off(self, handlers: Sequence[Callable[[dict[str, Any], Any], Any]], context: Any) -> None:
        """Let workers, each with its own handler, take batches of ten until the queue is empty."""

        def work(handler: Callable[[dict[str, Any], Any], Any]) -> None:
            while self.left:
                batch = self._receive()
                if not batch:
                    self._wait()
                    continue
                answer = handler({"Records": [self._record(receipt) for receipt in batch]}, context)
                failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
                for receipt in batch:
                    if receipt not in failed:
                        del self.left[receipt]

        self.clock.concurrently([partial(work, handler) for handler in handlers], len(handlers))

    def _wait(self) -> None:
        soonest = min((message.visible_at for message in self.left.values()), default=self.clock.now())
        least, most = _POLL_SECONDS
        self.clock.sleep(max(least, min(most, (soonest - self.clock.now()).total_seconds() / 2)))

    def _receive(self) -> list[str]:
        now = self.clock.now()
        batch = [receipt for receipt, message in self.left.items() if message.visible_at <= now][:10]
        for receipt in batch:
            self.left[receipt].visible_at = now + timedelta(seconds=self.visibility)
            self.left[receipt].receives += 1
        return batch

    def _record(self, receipt: str) -> dict[str, Any]:
        message = self.left[receipt]
        return {
            "messageId": receipt,
            "receiptHandle": receipt,
            "body": message.body,
            "attributes": {"ApproximateReceiveCount": str(message.receives)},
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:MailQueue",
        }


def busiest_second(moments: Sequence[datetime]) -> int:
    """How many moments lie in that window of one second that has the most of them."""
    ordered, first, most = sorted(moments), 0, 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= timedelta(seconds=1):
            first += 1
        most = max(most, last - first + 1)
    return most
