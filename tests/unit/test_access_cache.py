"""What is remembered of the Access table, in a process with threads."""

import sys
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any, cast

import pytest

from polypost.adapters import access_table
from polypost.adapters.access_table import AccessTable
from support.parallel import in_parallel


class EverySpace:
    """A client that finds whatever it is asked for."""

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {"Item": {"settings": {"M": {}}}}


@pytest.fixture
def busy_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("busy_threads")
def test_threads_may_share_what_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_table, "CACHE_SECONDS", 1e-4)
    access = AccessTable(cast(Any, EverySpace()), "table")

    def read(seed: int) -> None:
        dice = Random(seed)  # noqa: S311
        for _ in range(1000):
            access.settings(f"s{dice.randrange(300)}")

    for outcome in in_parallel([partial(read, seed) for seed in range(8)]):
        outcome.result()
