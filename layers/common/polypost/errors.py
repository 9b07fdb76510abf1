"""What can go wrong, sorted by what a caller may do about it.

`Retryable` means that the same call may succeed later; `Permanent` means that it never will. `RequestError` is the
permanent kind that an API client is told about: it carries the HTTP status, and each dialect words its body.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

_LONGEST_EXCERPT: Final = 200


def excerpt(text: str) -> str:
    """As much of a client's text as an error repeats: 200 characters, so that no answer grows with its request."""
    return text if len(text) <= _LONGEST_EXCERPT else f"{text[: _LONGEST_EXCERPT - 1]}…"


class PolypostError(Exception):
    """Every error that this project raises on purpose."""


class Unsettled(PolypostError):
    """Something that another try may settle.

    Parameters: wait, the seconds before which another try would be in vain; 0 where nobody knows.
    """

    def __init__(self, *args: object, wait: float = 0) -> None:
        super().__init__(*args)
        self.wait = wait


class Retryable(Unsettled):
    """The same call may succeed later; nothing was changed, or repeating the change is harmless."""


class Permanent(PolypostError):
    """The same call can never succeed."""


class OutcomeUnknown(Unsettled):
    """The call may have taken effect: no answer came. Repeating it blindly would do it twice."""


class RequestError(Permanent):
    """A request that is answered with an error, and that changed nothing.

    `headers` are the answer's beside those of the dialect: what HTTP itself says of the error.

    Parameters: message, for the client, in plain words; what it repeats of the request is an `excerpt`.
    """

    status = HTTPStatus.BAD_REQUEST
    headers: Mapping[str, str] = {}

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(RequestError):
    """A value that the API does not accept.

    Parameters: field, the name on the wire of what is wrong, or an empty string for the body as a whole; message,
    in plain words, naming the field.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field

    @property
    def problems(self) -> Mapping[str, Sequence[str]]:
        """All that is wrong: the messages of each field, by its name on the wire."""
        return {self.field: (self.message,)}

    @property
    def all_messages(self) -> str:
        """All that is wrong, as one text: for a dialect whose errors have room for one."""
        return " ".join(message for messages in self.problems.values() for message in messages)


class InvalidFields(InvalidRequest):
    """Several values that the API does not accept; as an `InvalidRequest` it is the first of them.

    Parameters: problems, the messages of each wrong field, at least one, by its name on the wire.
    """

    def __init__(self, problems: Mapping[str, Sequence[str]]) -> None:
        field, messages = next(iter(problems.items()))
        super().__init__(field, messages[0])
        self._problems = problems

    @property
    def problems(self) -> Mapping[str, Sequence[str]]:
        return self._problems


class InvalidDate(InvalidRequest):
    """A date parameter that is none, or that asks for something impossible."""


class Unauthenticated(RequestError):
    """Credentials that are missing, wrong, expired, or of another space: one message, so that none tells which."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self) -> None:
        super().__init__("Missing or invalid credentials.")


class Forbidden(RequestError):
    """Valid credentials that lack the scope."""

    status = HTTPStatus.FORBIDDEN


class NotFound(RequestError):
    """Nothing stands at this path."""

    status = HTTPStatus.NOT_FOUND


class UnknownPath(NotFound):
    """No endpoint stands at this path.

    Parameters: closest, the path of the endpoint that was probably meant, if there is one.
    """

    def __init__(self, closest: str | None = None) -> None:
        self.hint = f" Did you mean {closest}?" if closest else ""
        super().__init__(f"No resource stands at this path.{self.hint}")


class UnknownSpace(NotFound):
    """The host names a space that does not exist (inxmail-commerce-sap, "All Requests", 404)."""

    def __init__(self) -> None:
        super().__init__("Unknown tenant.")


class MethodNotAllowed(RequestError):
    """The path exists, for other methods.

    Parameters: method, the one that was used; allowed, the methods that the path answers to.
    """

    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        self.method = excerpt(method)
        super().__init__(f"Request method '{self.method}' not supported; allowed: {', '.join(allowed)}")
        self.headers = {"Allow": ", ".join(allowed)}


class Conflict(RequestError):
    """A request against the present state of what it is about."""

    status = HTTPStatus.CONFLICT


class RequestInProgress(Conflict):
    """A request that was sent before under the same Idempotency-Key and has no answer yet."""

    headers: Mapping[str, str] = {"Retry-After": "5"}

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is in progress; please send it again in a few seconds.")


class PayloadTooLarge(RequestError):
    """A request too large to be queued or stored whole."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(RequestError):
    """A request body in a format that the endpoint does not read."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class UnsupportedCharset(UnsupportedMediaType):
    """A request body of a format that the endpoint reads, in a charset that it does not."""


class CompressedBody(UnsupportedMediaType):
    """A request body with a content coding, such as gzip; no endpoint reads one.

    Source: RFC 9110, section 15.5.16.
    """

    headers: Mapping[str, str] = {"Accept-Encoding": "identity"}

    def __init__(self) -> None:
        super().__init__("A body with a Content-Encoding is not supported; send it uncompressed.")
