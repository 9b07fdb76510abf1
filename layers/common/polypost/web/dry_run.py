"""The header `Polypost-Dry-Run`: a client asks what a request would do, and nothing is done."""

from typing import Final

from polypost.errors import InvalidRequest
from polypost.web.http import Request

DRY_RUN: Final = "Polypost-Dry-Run"


def asks_for_dry_run(request: Request) -> bool:
    """Whether a request is not to be carried out.

    Raises: InvalidRequest, for a value that is neither true nor false.
    """
    value = request.headers.get(DRY_RUN.lower(), "false").strip().lower()
    if value not in ("true", "false"):
        raise InvalidRequest(DRY_RUN, f"{DRY_RUN} must be true or false")
    return value == "true"
