"""The mailbox: what it reads out of a mail, as JSON and as a page."""

import base64
import json
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from werkzeug.test import Client

from polypost_local.mailbox import PATH, Mailbox, mailbox_entry, mailbox_page
from polypost_local.ses_mail import SesMail

SENT_AT = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)


def tag(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def mail(text: str | None = "Text ü\n", html: str | None = None, sent_at: datetime = SENT_AT, **fields: Any) -> SesMail:
    message = EmailMessage(policy=SMTP)
    message["From"] = Address("Der Sender, Größe", addr_spec="info@example.com")
    message["To"] = "Max Müstermann <max@example.com>"
    message["Subject"] = fields.pop("subject", "Grüße")
    message["X-Long"] = "word " * 40 + "end"
    if text is not None:
        message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html") if text is not None else message.set_content(html, subtype="html")
    values: dict[str, Any] = {"bcc": (), "tags": {}} | fields
    return SesMail(
        ses_message_id="ses-id",
        sent_at=sent_at,
        source="info@example.com",
        to=("max@example.com",),
        cc=(),
        configuration_set="set",
        raw=message.as_bytes(),
        **values,
    )


def test_an_entry_has_what_ses_was_given() -> None:
    tags = {"messageId": "65f0", "space": "demo", "sourceSystem": tag("Shop ü/1"), "campaignId": tag("")}
    entry = mailbox_entry(mail(html="<b>ü</b>\n", bcc=("archive@example.com",), tags=tags))
    assert entry == {
        "messageId": "65f0",
        "sourceSystem": "Shop ü/1",
        "campaignId": "",
        "from": '"Der Sender, Größe" <info@example.com>',
        "to": "Max Müstermann <max@example.com>",
        "replyTo": None,
        "bcc": ["archive@example.com"],
        "subject": "Grüße",
        "headers": entry["headers"],
        "text": "Text ü",
        "html": "<b>ü</b>",
        "sentAt": "2026-01-02T03:04:05.678Z",
    }
    assert entry["headers"]["X-Long"] == "word " * 40 + "end"
    assert entry["headers"]["Subject"] == "Grüße"


def test_what_a_mail_does_not_have_is_null() -> None:
    entry = mailbox_entry(mail(text=None, html="<b>only</b>"))
    assert entry["text"] is None
    assert entry["html"] == "<b>only</b>"
    assert entry["messageId"] is entry["sourceSystem"] is entry["campaignId"] is None
    assert mailbox_entry(mail())["html"] is None


def test_newest_first_and_no_more_than_fit() -> None:
    mailbox = Mailbox(capacity=3)
    for number in range(5):
        mailbox.receive(mail(sent_at=SENT_AT + timedelta(seconds=number), tags={"messageId": str(number)}))
    entries = json.loads(Client(mailbox).get(PATH).data)
    assert [entry["messageId"] for entry in entries] == ["4", "3", "2"]


def test_json_unless_a_browser_asks() -> None:
    client = Client(Mailbox())
    for accept in (None, "*/*", "application/json", "application/json, text/html;q=0.5"):
        answer = client.get(PATH, headers={"Accept": accept} if accept else {})
        assert answer.content_type == "application/json"
        assert answer.data == b"[]"
    page = client.get(PATH, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.content_type == "text/html; charset=utf-8"
    assert b"No mail has gone out yet" in page.data
    assert client.post(PATH).status_code == 405


def test_the_page_escapes_everything_of_a_mail() -> None:
    attack = '"><script>alert(1)</script>'
    page = mailbox_page([mailbox_entry(mail(text=attack, html=attack, subject=attack, tags={"messageId": attack}))])
    assert "<script" not in page
    assert page.count("&quot;&gt;&lt;script&gt;") >= 4
    assert '<iframe sandbox="" ' in page


def test_the_page_refers_to_no_other_resource() -> None:
    page = mailbox_page([mailbox_entry(mail(html="<p>x</p>"))])
    assert "http://" not in page
    assert "https://" not in page
    assert "url(" not in page


def test_a_page_with_a_mail_allows_no_script() -> None:
    mailbox = Mailbox()
    mailbox.receive(mail())
    policy = Client(mailbox).get(PATH, headers={"Accept": "text/html"}).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
