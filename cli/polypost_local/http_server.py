"""HTTP/1.1 server for WSGI applications: one thread per connection, kept alive, whole requests, loopback only."""

import errno
import io
import json
import logging
import socket
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

from polypost_local.errors import LocalStackError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST: Final = "127.0.0.1"

# What API Gateway takes as a body; what it is refused with does not depend on the application behind.
BODY_LIMIT_BYTES: Final = 10 * 1024 * 1024

# API Gateway's own words. Python's for the same statuses have changed with HTTP's.
TOO_LARGE: Final = b'{"message":"Request Entity Too Large"}'
BAD_REQUEST: Final = b'{"message":"Bad Request"}'

_BLOCK_BYTES: Final = 64 * 1024
_DISCARD_LIMIT_BYTES: Final = 10 * BODY_LIMIT_BYTES

_log = logging.getLogger(__name__)


class PortInUse(LocalStackError):
    """The port cannot be listened on: another process does, or it is not allowed."""


def listen(port: int) -> socket.socket:
    """Returns a socket that listens on the loopback interface; connections wait in it until a server takes them.

    Parameters:
        port: TCP port; 0 takes any free one

    Errors: PortInUse.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A stack that has just ended leaves connections in TIME_WAIT; they do not hinder the next one.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"port {port} is already in use; --port takes another one") from error
        raise PortInUse(f"port {port} cannot be used: {error.strerror}") from error
    return listening


def serve(application: "WSGIApplication", listening: socket.socket) -> BaseWSGIServer:
    """Serves an application on a listening socket from now on, in daemon threads.

    Parameters:
        application: it is called from many threads at once
        listening: socket of `listen`

    Result: the server; its `shutdown()` stops taking connections.
    """
    host, port = listening.getsockname()
    server = make_server(
        host, port, application, threaded=True, request_handler=_KeepAliveHandler, fd=listening.fileno()
    )
    threading.Thread(target=server.serve_forever, name=f"http-{port}", daemon=True).start()
    return server


class _Refused(Exception):
    """A request that gets an answer without reaching the application."""

    def __init__(self, status: HTTPStatus, body: bytes) -> None:
        super().__init__(status)
        self.status: Final = status
        self.body: Final = body


class _KeepAliveHandler(WSGIRequestHandler):
    """Reads a request whole, runs the application, answers, and waits for the next one.

    Werkzeug's own handler closes the connection after each answer, since it leaves the rest of a body unread.
    """

    protocol_version = "HTTP/1.1"
    timeout = 75
    # Head and body leave in one segment, so that no answer waits for the client's delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        try:
            body = self._read_body(environ)
        except _Refused as refusal:
            self.close_connection = True
            self._answer(refusal.status, [("Content-Type", "application/json")], refusal.body)
            return
        except OSError:
            self.close_connection = True
            return
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.pop("wsgi.input_terminated", None)
        environ["wsgi.input"] = io.BytesIO(body)
        if body or "CONTENT_LENGTH" in environ:
            environ["CONTENT_LENGTH"] = str(len(body))
        try:
            answer, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        except Exception:
            _log.exception("%s %s failed", self.command, self.path)
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, [], b"")
        else:
            self._answer(int(status.split(maxsplit=1)[0]), headers.to_wsgi_list(), b"".join(answer))

    def handle_expect_100(self) -> bool:
        """Leaves the client's question open until the size that it wants to send is known."""
        return True

    def _read_body(self, environ: dict[str, Any]) -> bytes:
        """Returns the request's whole body.

        Errors: _Refused for a body that is too large or has no readable length; OSError where the client went away.
        """
        chunked = "wsgi.input_terminated" in environ
        declared = environ.get("CONTENT_LENGTH") or "0"
        if not chunked and not (declared.isdecimal() and len(declared) < 19):
            raise _Refused(HTTPStatus.BAD_REQUEST, BAD_REQUEST)
        length = None if chunked else int(declared)
        waits_for_consent = self.headers.get("Expect", "").strip().lower() == "100-continue"
        if waits_for_consent:
            if length is not None and length > BODY_LIMIT_BYTES:
                raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()

        stream = environ["wsgi.input"]
        body = bytearray()
        received = 0
        while length is None or received < length:
            try:
                block = stream.read(_BLOCK_BYTES if length is None else min(_BLOCK_BYTES, length - received))
            except (ConnectionError, TimeoutError):
                raise
            except OSError as error:
                # Werkzeug's word for chunks that it cannot read.
                raise _Refused(HTTPStatus.BAD_REQUEST, BAD_REQUEST) from error
            if not block:
                break
            received += len(block)
            # A client reads the answer only when it has sent its body: what is too much is read, up to a bound.
            if received <= BODY_LIMIT_BYTES:
                body += block
            elif received > _DISCARD_LIMIT_BYTES:
                break
        if received > BODY_LIMIT_BYTES:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
        if length is not None and received < length:
            raise ConnectionAbortedError("the client went away within its request")
        return bytes(body)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        has_body = self.command != "HEAD" and status >= 200 and status not in (204, 304)
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if has_body and not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body:
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers what is no HTTP/1 request as API Gateway would, in JSON."""
        self.close_connection = True
        # Of an unreadable request the version is unknown, and Python would leave out the status line.
        self.request_version = "HTTP/1.1"
        body = json.dumps({"message": HTTPStatus(code).phrase}).encode()
        self._answer(code, [("Content-Type", "application/json")], body)

    def log(self, *_: object) -> None:
        """Requests are logged where they are understood, not here."""
