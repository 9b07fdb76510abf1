"""The mailbox of the local stack: every mail that went out, as JSON for programs and as a page for people."""

import base64
import binascii
import functools
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import getaddresses, quote
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final

from werkzeug.wrappers import Request, Response

from polypost_local.ses_mail import SesMail

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATH: Final = "/_local/mailbox"

_PAGE: Final = Template(Path(__file__).with_suffix(".html").read_text())

# The page runs no script at all, and its frames inherit that.
_CONTENT_SECURITY_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'"


class Mailbox:
    """A WSGI application at one path; mails may come and be read in many threads."""

    def __init__(self, capacity: int = 1000, capacity_bytes: int = 64 * 1024 * 1024) -> None:
        """Parameters:
        capacity: mails that are kept; older ones are forgotten
        capacity_bytes: raw bytes of mails that are kept, beside the newest one
        """
        self._capacity: Final = capacity
        self._capacity_bytes: Final = capacity_bytes
        self._lock: Final = threading.Lock()
        self._entries: Final[deque[tuple[int, Callable[[], dict[str, Any]]]]] = deque()
        self._bytes = 0

    def receive(self, mail: SesMail) -> None:
        """Takes a mail that SES has accepted."""
        # Parsed when somebody looks, and once: a send is not to wait for it, nor a reader for a thousand of them.
        entry = functools.cache(functools.partial(mailbox_entry, mail))
        with self._lock:
            self._entries.appendleft((len(mail.raw), entry))
            self._bytes += len(mail.raw)
            while self._is_too_full():
                self._bytes -= self._entries.pop()[0]

    def _is_too_full(self) -> bool:
        mails = len(self._entries)
        return mails > self._capacity or (mails > 1 and self._bytes > self._capacity_bytes)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        if request.method not in ("GET", "HEAD"):
            return Response(status=405, headers={"Allow": "GET, HEAD"})(environ, start_response)
        with self._lock:
            kept = list(self._entries)
        entries = [entry() for _, entry in kept]
        if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
            response = Response(mailbox_page(entries), content_type="text/html; charset=utf-8")
            response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
        else:
            response = Response(json.dumps(entries, ensure_ascii=False), content_type="application/json")
        response.headers["Cache-Control"] = "no-store"
        return response(environ, start_response)


def mailbox_entry(mail: SesMail) -> dict[str, Any]:
    """Returns a mail as the mailbox's JSON has it.

    Result: `messageId`, `sourceSystem` and `campaignId` from the send's tags, null where there is no such tag; `from`,
    `to` and `replyTo` are header text, decoded, null where there is no such header; `bcc` is the envelope's list;
    `headers` maps names to decoded values, of which the last counts; `text` and `html` are null where the mail has no
    such part; `sentAt` is ISO 8601 in UTC.
    """
    mime = mail.mime
    headers = {name: str(value) for name, value in mime.items()} | _address_headers(mail.raw)
    return {
        "messageId": mail.tags.get("messageId"),
        "sourceSystem": _decoded_tag(mail.tags.get("sourceSystem")),
        "campaignId": _decoded_tag(mail.tags.get("campaignId")),
        "from": headers.get("From"),
        "to": headers.get("To"),
        "replyTo": headers.get("Reply-To"),
        "bcc": list(mail.bcc),
        "subject": headers.get("Subject"),
        "headers": headers,
        "text": _part(mime, "plain"),
        "html": _part(mime, "html"),
        "sentAt": mail.sent_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _address_headers(raw: bytes) -> dict[str, str]:
    """Returns the headers that hold addresses, decoded.

    The newer parser of Python's `email` keeps the white space between the encoded words of a display name, which
    mail readers drop (RFC 2047, section 6.2).
    """
    headers = BytesHeaderParser(policy=compat32).parsebytes(raw)
    decoded = {}
    for name in ("From", "To", "Reply-To"):
        if name in headers:
            pairs = getaddresses([re.sub(r"\r?\n", "", str(headers[name]))])
            decoded[name] = ", ".join(_mailbox(str(make_header(decode_header(shown))), at) for shown, at in pairs)
    return decoded


def _mailbox(shown: str, address: str) -> str:
    if not shown:
        return address
    return f'"{quote(shown)}" <{address}>' if re.search(r'[()<>@,:;.\[\]"\\]', shown) else f"{shown} <{address}>"


def mailbox_page(entries: list[dict[str, Any]]) -> str:
    """Returns the mailbox as HTML that needs no other resource and runs no script."""
    mails = "".join(_mail_html(entry, is_open=number == 0) for number, entry in enumerate(entries))
    count = f"{len(entries)} mail" if len(entries) == 1 else f"{len(entries)} mails"
    return _PAGE.substitute(count=count, mails=mails or '<p class="empty">No mail has gone out yet.</p>')


def _mail_html(entry: dict[str, Any], *, is_open: bool) -> str:
    rows = (
        ("From", entry["from"]),
        ("To", entry["to"]),
        ("Bcc", ", ".join(entry["bcc"])),
        ("Reply-To", entry["replyTo"]),
        ("Message id", entry["messageId"]),
        ("Source system", entry["sourceSystem"]),
        ("Campaign", entry["campaignId"]),
    )
    details = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows if value)
    headers = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in entry["headers"].items())
    parts = ""
    if entry["html"] is not None:
        # An empty sandbox allows neither script nor form nor link to the outside.
        parts += f'<h3>HTML</h3><iframe sandbox="" title="HTML part" srcdoc="{escape(entry["html"])}"></iframe>'
    if entry["text"] is not None:
        parts += f"<h3>Text</h3><pre>{escape(entry['text'])}</pre>"
    return (
        f"<details{' open' if is_open else ''}><summary>"
        f'<span class="subject">{escape(entry["subject"] or "(no subject)")}</span>'
        f'<span class="to">{escape(entry["to"] or "")}</span>'
        f'<time datetime="{entry["sentAt"]}">{entry["sentAt"][:19].replace("T", " ")}</time>'
        f"</summary><dl>{details}</dl>{parts}"
        f"<details><summary>All headers</summary><dl>{headers}</dl></details></details>"
    )


def _decoded_tag(value: str | None) -> str | None:
    """Returns what a tag holds as base64url of UTF-8 without padding; a tag that is none comes as it is."""
    if value is None:
        return None
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return value


def _part(mime: EmailMessage, subtype: str) -> str | None:
    part = mime.get_body((subtype,))
    if part is None:
        return None
    # What is no text in its own charset is shown with replacement characters.
    content: str = part.get_content(errors="replace")
    # Within a mail lines end with CRLF, and the last one ends too; neither says anything of the text.
    return content.replace("\r\n", "\n").removesuffix("\n")
