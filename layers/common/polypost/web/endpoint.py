"""What every HTTP function does around its use case: tenancy, credentials, errors, a log line."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol

from aws_lambda_powertools import Logger

from polypost import runtime
from polypost.errors import InvalidRequest, RequestError, Retryable
from polypost.models.access import Scope
from polypost.settings import setting
from polypost.web.auth import Caller, Credentials, authenticate, space_of_host
from polypost.web.dry_run import DRY_RUN, asks_for_dry_run
from polypost.web.http import Request, Response
from polypost.web.idempotency import answer_once, idempotency_key

logger = Logger()

Event = Mapping[str, Any]
LambdaHandler = Callable[[Event, Any], dict[str, Any]]


class ServerError(RequestError):
    """A request that failed through no fault of its own; the log says why."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self) -> None:
        super().__init__("The request could not be processed.")


class Unavailable(RequestError):
    """A request that may succeed if it is sent again."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The service is temporarily unavailable; please send the request again.")


class ErrorEncoder(Protocol):
    """Who words an error."""

    def encode_error(self, request: Request, error: RequestError) -> Response:
        """An error in the words, and in the format, of what the request was meant for."""


class Dialect(ErrorEncoder, Protocol):
    """What a dialect's module gives to every function that speaks it."""

    #: The WWW-Authenticate of a 401, which has to name a scheme (RFC 9110, section 15.5.2).
    CHALLENGE: str

    def credentials(self, request: Request) -> Credentials:
        """The credentials that a request carries. Raises: Unauthenticated."""


def endpoint(
    dialect: Dialect, scope: Scope, *, dry_run: Callable[[Request, Caller], Response] | None = None
) -> Callable[[Callable[[Request, Caller], Response]], LambdaHandler]:
    """Make a Lambda handler of a function that answers an authenticated request, with replay safety for its POSTs.

    The order is the documents': an unknown space is told before the credentials are looked at.

    Parameters: dialect, whose credentials and errors the endpoint speaks; scope, what the caller must be allowed;
    dry_run, answers in the function's place where the client only wants to know, and changes nothing. An endpoint
    without one refuses such a request, since carrying it out would be the opposite of what was asked.
    """

    def decorate(serve: Callable[[Request, Caller], Response]) -> LambdaHandler:
        def answer(request: Request, context: Any) -> Response:
            access = runtime.access()
            host_space = space_of_host(request.domain_name, setting("BASE_DOMAIN"), access)
            now = datetime.now(UTC)
            caller = authenticate(dialect.credentials(request), host_space, scope, access, now)
            logger.append_keys(space=caller.space, keyid=caller.keyid)
            if not asks_for_dry_run(request):
                return answer_once(request, caller.space, context, lambda attempted: serve(attempted, caller))
            if dry_run is None:
                raise InvalidRequest(DRY_RUN, f"{DRY_RUN} is not supported by this endpoint")
            logger.append_keys(dry_run=True)
            # Refused as it would be otherwise; no response is looked up, and none is stored.
            idempotency_key(request)
            return dry_run(request, caller)

        return _handler(lambda request: dialect, answer, dialect.CHALLENGE)

    return decorate


def public_endpoint(
    encoder_of: Callable[[Request], ErrorEncoder],
) -> Callable[[Callable[[Request], Response]], LambdaHandler]:
    """Make a Lambda handler of a function that answers a request from anybody.

    Parameters: encoder_of, tells who words a request's errors.
    """

    return lambda serve: _handler(encoder_of, lambda request, context: serve(request))


def _handler(
    encoder_of: Callable[[Request], ErrorEncoder], serve: Callable[[Request, Any], Response], challenge: str = ""
) -> LambdaHandler:
    @logger.inject_lambda_context(clear_state=True)
    def handler(event: Event, context: Any) -> dict[str, Any]:
        request = Request.from_event(event)

        def refuse(error: RequestError) -> Response:
            response = encoder_of(request).encode_error(request, error)
            headers = {"WWW-Authenticate": challenge} if error.status is HTTPStatus.UNAUTHORIZED else error.headers
            return replace(response, headers={**response.headers, **headers})

        try:
            response = serve(request, context)
        except RequestError as error:
            response = refuse(error)
        except Retryable:
            logger.exception("A service did not answer")
            response = refuse(Unavailable())
        except Exception:
            logger.exception("The request failed")
            response = refuse(ServerError())
        if request.method == "HEAD":
            response = response.to_head()
        # Not the path: a customer's number, or an address, may stand in it.
        logger.info("Answered", route=request.route_key, status=int(response.status))
        return response.to_event()

    return handler
