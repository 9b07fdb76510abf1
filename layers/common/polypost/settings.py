"""What `template.yaml` tells a function through its environment."""

import os

from polypost.errors import Permanent


def setting(name: str) -> str:
    """The value of an environment variable.

    Raises: Permanent, if the function's Environment in template.yaml does not have it.
    """
    try:
        return os.environ[name]
    except KeyError:
        raise Permanent(f"The function's environment lacks {name}; template.yaml sets it") from None
