"""A process that ends at any of its AWS calls, played in this one."""

from collections.abc import Callable, Iterator
from itertools import count
from types import TracebackType
from typing import Any, Final

from botocore.client import BaseClient

# botocore's events around each request that leaves, its own retries too: the process ends before AWS sees the request,
# or when AWS has answered it and nobody reads the answer.
_MOMENTS: Final = ("before-send", "response-received")


class Stopped(BaseException):
    """The process ended here. No Exception, so that no handling of errors goes on after it."""


class Stop:
    """The `with` block that is cut off at one moment of one request, and left there.

    `died` tells afterwards whether it was; a block that makes fewer requests runs to its end. `requests` are the
    operations that it came to, the one at which it ended being the last.
    """

    def __init__(self, clients: tuple[BaseClient, ...], moment: str, number: int) -> None:
        self._clients = clients
        self._moment = moment
        self._number = number
        handlers: tuple[Callable[..., None], ...] = (self._before_send, self._response_received)
        self._handlers: Final = dict(zip(_MOMENTS, handlers, strict=True))
        self.requests: list[str] = []
        self.died = False

    def __repr__(self) -> str:
        return f"{self._moment} {self._number} of {self.requests}"

    def __enter__(self) -> None:
        for client in self._clients:
            for event, handler in self._handlers.items():
                client.meta.events.register(event, handler)

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> bool:
        for client in self._clients:
            for event, handler in self._handlers.items():
                client.meta.events.unregister(event, handler)
        if error is None:
            assert self.requests, "no request was made, so there is nothing to stop at"
            assert not self.died, f"the code went on after its process had ended: {self}"
        return isinstance(error, Stopped)

    def _before_send(self, event_name: str, **_: Any) -> None:
        if not self.died:
            self.requests.append(event_name.rpartition(".")[2])
        self._end_at(_MOMENTS[0])

    def _response_received(self, **_: Any) -> None:
        self._end_at(_MOMENTS[1])

    def _end_at(self, moment: str) -> None:
        self.died = self.died or (moment == self._moment and len(self.requests) == self._number)
        # A process that has ended sends nothing more either, not even from a `finally`.
        if self.died:
            raise Stopped


def every_stop(*clients: BaseClient) -> Iterator[Stop]:
    """Each moment at which a process may end: before its first request, after it, before its second, and so on.

    The last stop is none: the block ran to its end.

        for stop in every_stop(client):
            contact = new_contact()
            with stop:
                table.create(contact)
            ...  # what holds wherever it stopped; and doing it again succeeds

    Each block has to begin in the same state, without what an earlier one stored or remembered: a block that makes
    fewer requests than the one before is an error, since it would end the search early.

    Parameters: clients, those that the code calls AWS with.
    """
    for number in count(1):
        for moment in _MOMENTS:
            stop = Stop(clients, moment, number)
            yield stop
            assert stop.requests, "a stop is a `with` block"
            if not stop.died:
                assert moment == _MOMENTS[0], f"there were {number} requests a moment ago: {stop}"
                return
