"""The HTTP API on this machine: SAM CLI's own local API Gateway, made to answer and to build events as AWS does.

SAM's classes read the routes from the template and call the functions. What they do differently from AWS is overridden
here, each in the method that SAM does it in; SAM CLI's version is pinned because of this module.
"""

import base64
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import parse_qsl

from flask import Request, Response
from samcli.lib.providers.provider import Api
from samcli.lib.telemetry.event import EventTracker
from samcli.local.apigw.local_apigw_service import LocalApigwService
from samcli.local.apigw.path_converter import PathConverter
from samcli.local.apigw.route import Route
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound, RequestEntityTooLarge

from polypost_local.aws import ACCOUNT_ID
from polypost_local.functions import EventTooLarge, Stopping
from polypost_local.http_server import TOO_LARGE
from polypost_local.worker import Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_API_ID: Final = "local"
_DEFAULT_ROUTE: Final = "$default"

# The content types whose bodies API Gateway hands over as text; it documents none. Forms and bodies without a type are
# base64, as was measured on AWS: https://github.com/ministackorg/ministack/pull/766
_TEXT_TYPES: Final = frozenset({"application/json", "application/xml", "application/javascript"})

# What API Gateway answers by itself, by status.
_SERVICE_ERRORS: Final[dict[HTTPStatus, bytes]] = {
    HTTPStatus.NOT_FOUND: b'{"message":"Not Found"}',
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR: b'{"message":"Internal Server Error"}',
}

# Headers of one connection, not of the request.
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"})

_log = logging.getLogger(__name__)

Invoke = Callable[[str, str], Answer]


def gateway_application(api: Api, invoke: Invoke, port: int) -> "WSGIApplication":
    """Returns the HTTP API as a WSGI application; it may be called from many threads at once.

    Parameters:
        api: the template's routes
        invoke: runs a function, given its logical id and the event as JSON
        port: TCP port that clients see
    """
    # Each request would count towards a report to AWS, sent by threads of its own.
    EventTracker.track_event = staticmethod(lambda *_, **__: None)
    service = _Gateway(api, _Runner(invoke), port=port)
    service.create()
    return _logged(service.application)


class _Runner:
    """SAM's Lambda runner, with functions that are called in place of containers."""

    def __init__(self, invoke: Invoke) -> None:
        self.call: Final = invoke

    def is_debugging(self) -> bool:
        return False


class _Gateway(LocalApigwService):  # type: ignore[misc]  # SAM CLI has no types
    """An HTTP API with payload format 2.0."""

    @property
    def application(self) -> "WSGIApplication":
        """The API, once `create` has been called."""
        application: WSGIApplication = self._app
        return application

    def create(self) -> None:
        # SAM's own rules for $default know seven methods and take part in its path matching. On AWS $default is what
        # no route matched, so it lives in the error handlers.
        self._default = next((route for route in self.api.routes if route.path == _DEFAULT_ROUTE), None)
        self.api.routes = [route for route in self.api.routes if route is not self._default]
        super().create()
        routing = self._app.url_map
        routing.merge_slashes = False
        for rule in routing.iter_rules():
            # The path with a slash at its end is another path on AWS.
            rule.strict_slashes = True
            # Flask adds HEAD to GET, API Gateway does not.
            if self._route_key("HEAD", rule.endpoint) not in self._dict_of_routes:
                rule.methods.discard("HEAD")

    def _construct_error_handling(self) -> None:
        for unmatched in (NotFound, MethodNotAllowed):
            self._app.register_error_handler(unmatched, self._answer_unmatched)
        for refused in (RequestEntityTooLarge, InternalServerError):
            self._app.register_error_handler(refused, _service_error)

    def _answer_unmatched(self, _error: HTTPException) -> Any:
        if self._default is None:
            return _service_error(NotFound())
        try:
            return self._request_handler()
        except HTTPException as error:
            return _service_error(error)

    def _get_current_route(self, flask_request: Request) -> Route:
        if flask_request.endpoint is None:
            return self._default
        return super()._get_current_route(flask_request)

    def _generate_lambda_event(
        self, flask_request: Request, route: Route, method: str, endpoint: str | None
    ) -> dict[str, Any]:
        if endpoint is None:
            route_key = _DEFAULT_ROUTE
        else:
            route_key = f"{method} {PathConverter.convert_path_to_api_gateway(endpoint)}"
        return _event(flask_request, route_key, self.port)

    def _invoke_lambda_function(
        self, lambda_function_name: str, event: dict[str, Any], tenant_id: str | None = None
    ) -> str:
        try:
            answer = self.lambda_runner.call(lambda_function_name, json.dumps(event))
        except EventTooLarge:
            raise RequestEntityTooLarge from None
        except Stopping:
            raise InternalServerError from None
        if answer.failed:
            raise InternalServerError
        payload: str = answer.payload
        return payload

    @staticmethod
    def _parse_v2_payload_format_lambda_output(
        lambda_output: str, binary_types: list[str], flask_request: Request
    ) -> tuple[int, Headers, bytes]:
        status, headers, body = _read_answer(lambda_output)
        if flask_request.method != "HEAD":
            # The gateway counts the body itself; of an answer without one it knows only what the function says.
            headers.remove("content-length")
        return status, headers, body

    @staticmethod
    def service_response(body: bytes, headers: Headers, status_code: int) -> Response:
        response = Response(body, status=status_code)
        # Flask's own default; what the function leaves out is left out.
        del response.headers["content-type"]
        if "content-length" in headers:
            del response.headers["content-length"]
        response.headers.extend(headers)
        return response


def _service_error(error: HTTPException) -> Response:
    """Returns an answer of API Gateway itself."""
    return Response(
        _SERVICE_ERRORS[HTTPStatus(error.code or 500)],
        status=error.code,
        content_type="application/json",
    )


def _event(flask_request: Request, route_key: str, port: int) -> dict[str, Any]:
    """Returns the event that API Gateway makes of a request, in payload format 2.0.

    Parameters:
        flask_request: with its whole body
        route_key: `GET /path/{name}` or `$default`
        port: TCP port that clients see
    """
    now = datetime.now(UTC)
    headers = {name.lower(): value for name, value in flask_request.headers.items()}
    headers = {name: value for name, value in headers.items() if name not in _HOP_BY_HOP}
    cookies = [cookie for cookie in headers.pop("cookie", "").split("; ") if cookie]
    source_ip = flask_request.remote_addr or ""
    headers["x-forwarded-for"] = ", ".join(filter(None, [headers.get("x-forwarded-for"), source_ip]))
    headers["x-forwarded-port"] = str(port)
    headers["x-forwarded-proto"] = flask_request.scheme
    headers["x-amzn-trace-id"] = f"Root=1-{int(now.timestamp()):08x}-{uuid.uuid4().hex[:24]}"
    headers.setdefault("content-length", "0")
    domain_name = _host_name(headers.get("host", ""))
    raw_query = flask_request.query_string.decode("latin-1")
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(raw_query, keep_blank_values=True):
        query.setdefault(name, []).append(value)

    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        # API Gateway decodes the path of an HTTP API, raw as its name may be; the query stays as it came.
        "rawPath": flask_request.path,
        "rawQueryString": raw_query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": _API_ID,
            "domainName": domain_name,
            "domainPrefix": domain_name.partition(".")[0],
            "http": {
                "method": flask_request.method,
                "path": flask_request.path,
                "protocol": flask_request.environ["SERVER_PROTOCOL"],
                "sourceIp": source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": base64.b64encode(uuid.uuid4().bytes[:11]).decode(),
            "routeKey": route_key,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in query.items()}
    if flask_request.view_args:
        event["pathParameters"] = dict(flask_request.view_args)
    if body := flask_request.get_data():
        event["body"], event["isBase64Encoded"] = _event_body(body, flask_request.mimetype)
    return event


def _event_body(body: bytes, media_type: str) -> tuple[str, bool]:
    """Returns a body as the event has it, and whether that is base64."""
    if media_type.startswith("text/") or media_type in _TEXT_TYPES:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            # JSON cannot hold it otherwise.
            pass
    return base64.b64encode(body).decode(), True


def _host_name(host: str) -> str:
    """Returns the host of a Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _read_answer(payload: str) -> tuple[int, Headers, bytes]:
    """Returns status, headers and body of a function's result.

    Parameters:
        payload: JSON; without `statusCode` in it, all of it is the body

    Errors: InternalServerError, when API Gateway could make no answer of it.
    """
    result = json.loads(payload)
    if not isinstance(result, dict) or "statusCode" not in result:
        body = result if isinstance(result, str) else payload
        return HTTPStatus.OK, Headers({"content-type": "application/json"}), body.encode()

    status = result["statusCode"]
    given = result.get("headers") or {}
    text = result.get("body")
    text = "" if text is None else text
    if not isinstance(given, dict) or not isinstance(text, str):
        _malformed("headers must be an object and the body a string", payload)
    try:
        status = int(status)
        body_bytes = base64.b64decode(text) if result.get("isBase64Encoded") else text.encode()
    except (TypeError, ValueError):
        _malformed("statusCode must be a number and a base64 body readable", payload)
    if not 100 <= status <= 599:
        _malformed("statusCode must be a status of HTTP", payload)

    headers = Headers()
    for name, value in given.items():
        headers[name] = value if isinstance(value, str) else json.dumps(value)
    for cookie in result.get("cookies") or []:
        headers.add("set-cookie", cookie)
    if body_bytes and "content-type" not in headers:
        headers["content-type"] = "text/plain;charset=UTF-8"
    return status, headers, body_bytes


def _malformed(reason: str, payload: str) -> NoReturn:
    _log.error("a function's result is malformed: %s: %s", reason, payload[:500])
    raise InternalServerError


def _logged(application: "WSGIApplication") -> "WSGIApplication":
    """Logs each request in one line, at level INFO."""

    def logged(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        begin = time.monotonic()

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            milliseconds = (time.monotonic() - begin) * 1000
            _log.info(
                "%s %s -> %s (%.0f ms)", environ["REQUEST_METHOD"], environ["REQUEST_URI"], status[:3], milliseconds
            )
            return start_response(status, headers, exc_info)

        return application(environ, start)

    return logged
