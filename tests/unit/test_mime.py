"""The message that SES is given, read back by independent means."""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import getaddresses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polypost.mail import mime
from polypost.models.mail import Mail, Mailbox, QueuedMail

#: What the dialects let into a header: one line of any script.
lines = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp", "Cs")), min_size=1, max_size=900
).filter(lambda text: text.strip() != "")
locals_ = st.text("abc.+-", min_size=1, max_size=64).map(lambda text: text.strip(".") or "a")
addresses = st.tuples(locals_, st.integers(1, 180)).map(lambda parts: f"{parts[0]}@{'d' * parts[1]}.example")
bodies = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1)


def build(unsubscribe_link: str | None = None, *, one_click: bool = False, **changes: object) -> bytes:
    values = {
        "sender": Mailbox(address="info@example.com"),
        "recipient": Mailbox(address="max@example.net"),
        "subject": "Subject",
        "text": "Text",
    }
    queued = QueuedMail(
        message_id="5534f2f3fcb24820d52f3413",
        space="demo",
        accepted_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        mail=Mail.model_validate(values | changes),
    )
    return mime.build(queued, unsubscribe_link=unsubscribe_link, one_click=one_click)


def parsed(raw: bytes) -> Message:
    return message_from_bytes(raw, policy=policy.compat32)


def unfolded(value: str) -> str:
    return value.replace("\r\n", "").replace("\n", "")


def decoded(value: str) -> str:
    return str(make_header(decode_header(unfolded(value))))


def header_lines(raw: bytes) -> list[bytes]:
    return raw.partition(b"\r\n\r\n")[0].split(b"\r\n")


@given(lines, addresses)
@example("Shop", "order-confirmation.no-reply@customer-service.shop.example.com")
@example("x" * 60, "info@example.com")
@example('Müller, Max "der Große"', "info@example.com")
@example("a long name, with commas, " * 10, "info@example.com")
@example("ü, " * 60, "info@example.com")
@example("=?utf-8?q?not_encoded?=", "info@example.com")
@example(" two  spaces ", "info@example.com")
@example("x" * 900, "info@example.com")
@example("back\\slash", "info@example.com")
@example("<max@example.org>, other", "info@example.com")
def test_a_display_name_reaches_the_reader_as_it_was(name: str, sender: str) -> None:
    message = parsed(
        build(
            sender=Mailbox(address=sender, name=name),
            recipient=Mailbox(address="max@example.net", name=name),
            reply_to=Mailbox(address="reply@example.org", name=name),
        )
    )
    expected = {"From": sender, "To": "max@example.net", "Reply-To": "reply@example.org"}
    for header, address in expected.items():
        ((shown, found),) = getaddresses([unfolded(message[header])])
        assert (decoded(shown), found) == (name, address)


@given(lines)
@example("Größe: 🎉 " * 40)
@example("plain words " * 40)
@example("=?utf-8?q?x?=")
def test_a_subject_reaches_the_reader_as_it_was(subject: str) -> None:
    assert decoded(parsed(build(subject=subject))["Subject"]) == subject


#: Where a fold falls is a matter of lengths: words of one script, of several, and without any blank.
long_lines = st.one_of(
    lines,
    st.text("aü漢😀\u0301\u200d ", min_size=40, max_size=900),
    st.lists(
        st.sampled_from(["Grüße", "日本語", "👨‍👩‍👧", "plain", "-", "=?utf-8?q?x?="]), min_size=20, max_size=90
    ).map(" ".join),
    st.integers(1, 200).map(lambda count: "ß" * count),
    st.integers(1, 200).map(lambda count: "a" * count + "漢"),
).filter(lambda text: text.strip() != "" and len(text) <= 900)


@given(long_lines, long_lines)
@example("Zusammenfassung Ihrer Bestellung — vielen Dank für Ihren Einkauf bei uns, liebe Kundin — " * 3, "ß" * 300)
def test_no_encoded_word_is_longer_than_75_characters(subject: str, name: str) -> None:
    mailbox = Mailbox(address="max@example.net", name=name)
    raw = build(subject=subject, sender=mailbox, recipient=mailbox, reply_to=mailbox)
    for line in header_lines(raw):
        words = re.findall(rb"=\?[^?\s]+\?[bq]\?[^?\s]*\?=", line, re.IGNORECASE)
        assert max(map(len, words), default=0) <= 75
        # RFC 2047, section 2.
        assert not words or len(line) <= 76
    assert decoded(parsed(raw)["Subject"]) == subject


@given(lines, lines)
def test_headers_are_ascii_and_short(name: str, subject: str) -> None:
    raw = build(sender=Mailbox(address="info@example.com", name=name), subject=subject)
    for line in header_lines(raw):
        assert line.isascii()
        assert len(line) <= 78
    names = [line.partition(b":")[0] for line in header_lines(raw) if not line.startswith(b" ")]
    assert sorted(names) == sorted(
        [
            b"From",
            b"To",
            b"Subject",
            b"Date",
            b"X-Polypost-Message-Id",
            b"MIME-Version",
            b"Content-Type",
            b"Content-Transfer-Encoding",
        ]
    )


def test_a_long_list_unsubscribe_is_folded_between_its_uris_and_not_encoded() -> None:
    value = f"<https://www.example.com/{'u' * 200}>, <mailto:unsub@example.com>"
    raw = build(list_unsubscribe=value)
    assert (
        f"List-Unsubscribe: <https://www.example.com/{'u' * 200}>,\r\n <mailto:unsub@example.com>\r\n".encode() in raw
    )


@pytest.mark.parametrize(
    ("one_click", "value", "said"),
    [
        (True, "<https://www.example.com/u>", "List-Unsubscribe=One-Click"),
        (True, "<mailto:u@example.com>, <https://www.example.com/u>", "List-Unsubscribe=One-Click"),
        (True, "<mailto:u@example.com>", None),
        (True, "<http://www.example.com/u>", None),
        (True, None, None),
        (False, "<https://www.example.com/u>", None),
    ],
)
def test_one_click_is_said_where_it_is_wanted_and_there_is_an_https_uri(
    one_click: bool, value: str | None, said: str | None
) -> None:
    message = parsed(build(list_unsubscribe=value, one_click=one_click))
    assert (unfolded(message["List-Unsubscribe"]) if value else message["List-Unsubscribe"]) == value
    assert message["List-Unsubscribe-Post"] == said
    if said is not None:
        names = message.keys()
        assert names.index("List-Unsubscribe-Post") == names.index("List-Unsubscribe") + 1


def test_our_own_link_stands_in_one_line_with_the_word_for_one_click() -> None:
    link = f"https://{'s' * 63}.mail.example.com/u/{'t' * 144}"
    raw = build(link)
    assert f"\r\nList-Unsubscribe: <{link}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode() in raw
    for name in ("List-Unsubscribe", "List-Unsubscribe-Post"):
        assert len(parsed(raw).get_all(name, [])) == 1


def test_without_a_link_there_is_no_word_for_one_click() -> None:
    assert parsed(build(list_unsubscribe="<https://shop.example/u>"))["List-Unsubscribe-Post"] is None
    assert parsed(build())["List-Unsubscribe"] is None


@given(text=bodies, html=bodies)
@example(text=".\nFrom here\n" + "x" * 5000, html="日本" * 3000)
@example(text="\x00\x0b\u2028\u0085", html="=\n== ")
def test_both_parts_reach_the_reader_as_they_were(text: str, html: str) -> None:
    raw = build(text=text, html=html)
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    for part, expected in zip(message.iter_parts(), (text, html), strict=True):
        assert isinstance(part, EmailMessage)
        shown = part.get_payload(decode=True)
        assert isinstance(shown, bytes)
        assert shown.decode().replace("\r\n", "\n").removesuffix("\n") == expected.removesuffix("\n")
        assert part["Content-Transfer-Encoding"] in ("quoted-printable", "base64")
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 100


def test_the_shorter_transfer_encoding_is_chosen() -> None:
    assert (
        parsed(build(text="Grüße aus dem Süden, fast alles ist ASCII"))["Content-Transfer-Encoding"]
        == "quoted-printable"
    )
    assert parsed(build(text="日本語"))["Content-Transfer-Encoding"] == "base64"


def test_date_and_id() -> None:
    message = parsed(build())
    assert message["Date"] == "Fri, 02 Jan 2026 03:04:05 +0000"
    assert message["X-Polypost-Message-Id"] == "5534f2f3fcb24820d52f3413"
