"""Calls at the same time."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from support.waiting import PATIENCE

Result = TypeVar("Result")


def in_parallel(calls: Iterable[Callable[[], Result]]) -> list[Future[Result]]:
    """Call all at once, each in a thread of its own; what came of each, in the order of the calls.

    A future's `result()` raises what its call raised.
    """
    calls = list(calls)
    start = Barrier(len(calls))

    def run(call: Callable[[], Result]) -> Result:
        start.wait(PATIENCE)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return [threads.submit(run, call) for call in calls]
