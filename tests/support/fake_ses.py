"""An SES over HTTPS that misbehaves as SES and the way to it do, for boto3's own client."""

import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from polypost.adapters import clients
from polypost.models.clock import Clock
from polypost_local.http_server import HOST
from support.dynamodb import local_client

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

#: What may become of a call: SES answers, or fails before or after it took the mail.
Fate = str
ANSWERED, THROTTLED, FAILED, CUT_OFF, BROKEN_TLS = "answered", "throttled", "failed", "cut off", "broken TLS"


@dataclass
class FakeSes:
    """What SES was asked for, and what it took.

    It takes no more than `rate` recipients in a second of the clock. `fate` says what else becomes of the call of a
    number. `tell` is called with the tags and the recipient of each mail that was taken without a word to its sender.
    """

    clock: Clock
    rate: int
    fate: Callable[[int], Fate]
    tell: Callable[[dict[str, str], str], None]
    calls: list[datetime] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)

    def receive(self, request: dict[str, Any]) -> tuple[Fate, str]:
        """What becomes of a call, and SES's id of the mail if it took it."""
        (recipient,) = (address for field_ in request["Destination"].values() for address in field_)
        with self._lock:
            now = self.clock.now()
            recent = sum(call > now - timedelta(seconds=1) for call in self.calls[-self.rate :])
            self.calls.append(now)
            fate = THROTTLED if recent >= self.rate else self.fate(len(self.calls))
            self.fates.append(fate)
            if fate in (THROTTLED, FAILED):
                return fate, ""
            self.taken.append(recipient)
        if fate != ANSWERED:
            self.tell({tag["Name"]: tag["Value"] for tag in request["EmailTags"]}, recipient)
        return fate, f"ses-{recipient}"


_ERRORS = {
    THROTTLED: (429, "TooManyRequestsException", "Maximum sending rate exceeded."),
    FAILED: (500, "InternalServiceErrorException", "An error on the server's side"),
}


def _handler(ses: FakeSes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            quota = {"MaxSendRate": ses.rate, "Max24HourSend": 50_000, "SentLast24Hours": len(ses.taken)}
            self._answer(200, {"SendQuota": quota})

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fate, ses_message_id = ses.receive(request)
            if fate in _ERRORS:
                status, code, message = _ERRORS[fate]
                self._answer(status, {"message": message}, {"x-amzn-ErrorType": code})
            elif fate == BROKEN_TLS:
                # No record of TLS: the client's own library calls it an error of TLS.
                os.write(self.connection.fileno(), b"\x15\x03\x03 this is no record")
                self.close_connection = True
            elif fate == CUT_OFF:
                self.close_connection = True
            else:
                self._answer(200, {"MessageId": ses_message_id})

        def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] = {}) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - http.server's name
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gives up is no news."""


@contextmanager
def running_ses(ses: FakeSes, folder: Path) -> "Iterator[SESV2Client]":
    """Let an SES run; the functions' own client of it.

    Parameters: folder, an empty one, for the server's certificate.
    """
    certificate, key = _certificate(folder)
    server = _Server((HOST, 0), _handler(ses))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        client = local_client(lambda: _trusting(certificate), f"https://{HOST}:{server.server_address[1]}")
        yield client
        client.close()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _trusting(certificate: Path) -> "SESV2Client":
    with mock.patch.dict(os.environ, {"AWS_CA_BUNDLE": str(certificate)}):
        return clients.sesv2()


def _certificate(folder: Path) -> Sequence[Path]:
    """A certificate of this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now().astimezone()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "certificate.pem", folder / "key.pem"
