"""Waiting for what comes sooner or later, however busy the machine is."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

# What has not come by then never will, in seconds.
PATIENCE = 60.0


def eventually(look: Callable[[], Found], seconds: float = PATIENCE) -> Found:
    """What a look finds, as soon as it finds something; what is false is nothing."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing came in time"
        time.sleep(0.02)
    return found
