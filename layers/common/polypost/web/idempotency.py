"""The header `Idempotency-Key`: a POST that is sent again is answered again, and its effect happens once."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from polypost import runtime
from polypost.errors import InvalidRequest, RequestError
from polypost.models.attempts import Attempt
from polypost.web.http import Request, Response

_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,255}")


class _NotStored(RequestError):
    """A refusal that an endpoint returned instead of raising it."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"Answered {int(response.status)}")
        self.response = response


def answer_once(request: Request, space: str, context: Any, serve: Callable[[Request], Response]) -> Response:
    """Answer a request; a POST with a key that was answered before gets the stored response.

    A key is one of its space and its endpoint, and good for 24 hours. Only a 2xx is stored, so after a refusal the
    key is free again.

    Parameters: context, Lambda's, which tells when this run must have ended; serve, answers the request, with every id
    made from the request's attempt.

    Raises: InvalidRequest, for a key that is none; Conflict, for a key that another request was sent with;
    RequestInProgress; Retryable; and whatever `serve` raises.
    """
    key = idempotency_key(request)
    if key is None:
        return serve(request)

    def effect(attempt: Attempt) -> dict[str, Any]:
        response = serve(replace(request, attempt=attempt))
        if not 200 <= response.status < 300:
            raise _NotStored(response)
        return response.to_event()

    try:
        answer = runtime.idempotency().once(
            effect,
            space=space,
            # A route may exist in several spellings of one path.
            endpoint=request.route_key.lower(),
            key=key,
            digest=_digest(request),
            context=context,
        )
    except _NotStored as refusal:
        return refusal.response
    return Response.from_event(answer)


def idempotency_key(request: Request) -> str | None:
    """The key that a request carries; None for one without, and for another method than POST.

    Raises: InvalidRequest, for a key that is none.
    """
    key = request.headers.get(_HEADER.lower()) if request.method == "POST" else None
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidRequest(_HEADER, f"{_HEADER} must be 1 to 255 visible ASCII characters")
    return key


def _digest(request: Request) -> str:
    """What tells one request from another at the same endpoint."""
    asked = [sorted(request.path_parameters.items()), request.raw_query, request.headers.get("content-type", "")]
    # JSON holds no zero byte, so no two requests run together into one.
    return hashlib.sha256(json.dumps(asked).encode() + b"\0" + request.body).hexdigest()
