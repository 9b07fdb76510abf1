"""Calls that are made again, for a while, where a stack does not answer."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from polypost.errors import Retryable

_Result = TypeVar("_Result")

# In seconds. botocore has made each try twice.
_PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)


def retried(call: Callable[[], _Result], wait: Callable[[float], object] = time.sleep) -> _Result:
    """What a call gives, which is made again after growing pauses where it raises Retryable.

    Parameters: wait, makes a pause of so many seconds, and gives something true to end the tries.

    Raises: what the last try did.
    """
    for pause in _PAUSES:
        try:
            return call()
        except Retryable:
            if wait(pause):
                raise
    return call()
