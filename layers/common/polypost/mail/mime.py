"""A mail as the bytes that SES sends."""

import re
from email.header import Header
from email.message import EmailMessage, Message
from email.policy import SMTP, compat32
from email.utils import format_datetime, quote

from polypost.models.list_unsubscribe import takes_one_click
from polypost.models.mail import Mailbox, QueuedMail

#: Our id in the mail itself, since SES repeats a mail's headers in feedback notifications, which know no tags.
MESSAGE_ID_HEADER = "X-Polypost-Message-Id"

# RFC 5322 wants lines of at most 78 characters; a longer word is not folded but encoded.
_LONGEST_PLAIN_WORD = 60

# RFC 2047, section 2: an encoded word has at most 75 characters, and a line with one in it 76. The blank that a folded
# line begins with is one of them.
_LONGEST_LINE = 76

# The newer header classes drop the quotes of a display name when they fold it, which turns a comma in it into an
# address, and encode a long URL in List-Unsubscribe. Header folds at white space and changes nothing else; compat32
# leaves its lines as they are, up to RFC 5322's hard limit of 998 characters.
_HEADERS = compat32.clone(linesep="\r\n", max_line_length=998)


def build(queued: QueuedMail, *, unsubscribe_link: str | None = None, one_click: bool = False) -> bytes:
    """The MIME message: headers in ASCII, bodies in quoted-printable or base64, lines ended by CRLF.

    The Bcc is the envelope's business and stands in no header.

    Parameters: unsubscribe_link, by which the one who is sent this message unsubscribes, in a mail with our own links.
    one_click, whether mail programs may unsubscribe by a POST to an https URI in the caller's List-Unsubscribe.
    """
    mail = queued.mail
    headers = Message(policy=_HEADERS)
    headers["From"] = _mailbox("From", mail.sender)
    headers["To"] = _mailbox("To", mail.recipient)
    if mail.reply_to:
        headers["Reply-To"] = _mailbox("Reply-To", mail.reply_to)
    headers["Subject"] = _text("Subject", mail.subject)
    headers["Date"] = format_datetime(queued.accepted_at)
    if mail.list_unsubscribe:
        headers["List-Unsubscribe"] = re.sub(r">\s*,\s*<", ">,\n <", mail.list_unsubscribe)
        if one_click and takes_one_click(mail.list_unsubscribe):
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    elif unsubscribe_link:
        # What RFC 8058 asks for: one https URI, and that a POST to it unsubscribes.
        headers["List-Unsubscribe"] = f"<{unsubscribe_link}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    headers[MESSAGE_ID_HEADER] = queued.message_id

    body = EmailMessage(policy=SMTP)
    parts = [(text, subtype) for text, subtype in ((mail.text, "plain"), (mail.html, "html")) if text]
    first, first_subtype = parts[0]
    body.set_content(first, subtype=first_subtype, cte=_transfer_encoding(first))
    for text, subtype in parts[1:]:
        body.add_alternative(text, subtype=subtype, cte=_transfer_encoding(text))

    return headers.as_bytes().removesuffix(b"\r\n") + body.as_bytes()


def _is_plain(text: str) -> bool:
    """Whether text can stand in a header as it is: folding and unfolding gives the same again."""
    words = text.split(" ")
    return (
        text.isascii()
        and text.isprintable()
        and "=?" not in text
        and all(words)
        and max(map(len, words)) <= _LONGEST_PLAIN_WORD
    )


def _text(header: str, text: str) -> str:
    """Unstructured text, folded, in encoded words where it needs them (RFC 2047)."""
    return _folded(header, text, "us-ascii" if _is_plain(text) else "utf-8")


def _folded(header: str, text: str, charset: str) -> str:
    return Header(text, charset, header_name=header, maxlinelen=_LONGEST_LINE).encode()


def _mailbox(header: str, mailbox: Mailbox) -> str:
    """An address with its display name, which is quoted, or in encoded words where quotes do not do."""
    if not mailbox.name:
        return mailbox.address
    # Some readers stumble over a fold within quotes, so only a name that fits into a line is quoted.
    if _is_plain(mailbox.name) and len(mailbox.name) <= _LONGEST_PLAIN_WORD:
        name = f'"{quote(mailbox.name)}"'
    else:
        name = _folded(header, mailbox.name, "utf-8")
    # On a line of its own, since the address itself can neither be folded nor encoded.
    return f"{name}\n <{mailbox.address}>"


def _transfer_encoding(text: str) -> str:
    """The shorter encoding: quoted-printable triples each byte that is not ASCII, base64 adds a third to all."""
    encoded = text.encode()
    return "base64" if sum(byte > 0x7F for byte in encoded) > len(encoded) / 6 else "quoted-printable"
