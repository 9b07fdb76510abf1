"""From the HTTP request to the raw message that SES is given."""

import json
import random
from base64 import b64decode
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from polypost import runtime
from polypost.adapters.mail_queue import decode, encode
from polypost.errors import PayloadTooLarge
from polypost.models.access import Space, SpaceSettings
from polypost.models.addresses import domain_of
from polypost.models.mail import Mail, Mailbox, QueuedMail
from support.template_engine import Engine

from .conftest import CREATED_AT, Api

BODY = {
    "type": "email",
    "sourceSystem": "Prüfung/1",
    "campaignId": "Ω 2",
    "sender": "info@example.com",
    "senderName": "Müller, Söhne & Co.",
    "replyTo": "reply@example.net",
    "replyToName": 'Antwort "hier"',
    "recipient": "max.mustermann@bücher.example",
    "recipientName": "Max Mustermann 日本",
    "bccRecipient": "bcc@example.org",
    "listUnsubscribe": f"<https://www.example.com/{'u' * 200}>, <mailto:unsub@example.com>",
    "subjectContentPlainText": "Größe: 🎉 – " + "sehr lang " * 30 + "Ende",
    "bodyContentHTML": "<p>Grüße\n日本</p>",
    "bodyContentPlainText": "Grüße\nÜber 998 Zeichen: " + "x" * 2000,
}


def without(*names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in BODY.items() if name not in names} | changes


def sent_requests(engine: Engine) -> list[dict[str, Any]]:
    return [json.loads(call.request) for call in engine.calls if call.action == "POST /v2/email/outbound-emails"]


def send_and_deliver(api: Api, engine: Engine, body: dict[str, Any]) -> tuple[dict[str, Any], EmailMessage]:
    """Send, run the worker, and read what SES was given for the recipient; a Bcc's mail is the same but for whom."""
    answer = api.send(body)
    assert answer.status == 200, answer.body
    (queued,) = engine.receive("MailQueueUrl")
    assert api.deliver(queued) == []
    (request,) = (request for request in sent_requests(engine) if not request["Destination"]["BccAddresses"])
    for copy in sent_requests(engine):
        assert copy == request | {"Destination": copy["Destination"]}
    mime = message_from_bytes(b64decode(request["Content"]["Raw"]["Data"]), policy=policy.default)
    assert isinstance(mime, EmailMessage)
    return request, mime


def test_every_field_reaches_the_mail(api: Api, engine: Engine) -> None:
    _, mime = send_and_deliver(api, engine, BODY)
    assert mime["From"] == '"Müller, Söhne & Co." <info@example.com>'
    assert mime["Reply-To"] == '"Antwort \\"hier\\"" <reply@example.net>'
    assert mime["To"].addresses[0].display_name == "Max Mustermann 日本"
    assert mime["To"].addresses[0].addr_spec == "max.mustermann@xn--bcher-kva.example"
    assert mime["Subject"] == BODY["subjectContentPlainText"]
    assert mime["List-Unsubscribe"] == BODY["listUnsubscribe"]
    plain = mime.get_body(("plain",))
    html = mime.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == BODY["bodyContentPlainText"] + "\n"
    assert html.get_content().replace("\r\n", "\n") == BODY["bodyContentHTML"] + "\n"
    assert mime.get_content_type() == "multipart/alternative"
    destinations = [each["Destination"] for each in sent_requests(engine)]
    assert sorted(destinations, key=lambda destination: list(destination["BccAddresses"])) == [
        {"ToAddresses": ["max.mustermann@xn--bcher-kva.example"], "BccAddresses": []},
        {"ToAddresses": [], "BccAddresses": ["bcc@example.org"]},
    ]


def test_the_bcc_stands_nowhere_in_the_message(api: Api, engine: Engine) -> None:
    request, mime = send_and_deliver(api, engine, BODY)
    assert "bcc@example.org" not in b64decode(request["Content"]["Raw"]["Data"]).decode()
    assert mime["Bcc"] is None
    assert len(sent_requests(engine)) == 2


def test_an_events_tags_name_the_message(api: Api, engine: Engine) -> None:
    request, mime = send_and_deliver(api, engine, BODY)
    tags = {tag["Name"]: tag["Value"] for tag in request["EmailTags"]}
    assert tags["space"] == api.space
    assert tags["messageId"] == mime["X-Polypost-Message-Id"]
    assert tags["sourceSystem"] == "UHLDvGZ1bmcvMQ"
    assert tags["campaignId"] == "zqkgMg"
    assert request["ConfigurationSetName"] == engine.stack.functions["MailWorker"].environment["CONFIGURATION_SET"]


@pytest.mark.parametrize(
    ("part", "content_type"), [("bodyContentPlainText", "text/plain"), ("bodyContentHTML", "text/html")]
)
def test_either_body_part_suffices(api: Api, engine: Engine, part: str, content_type: str) -> None:
    other = "bodyContentHTML" if part == "bodyContentPlainText" else "bodyContentPlainText"
    _, mime = send_and_deliver(api, engine, without(other))
    assert mime.get_content_type() == content_type


def test_optional_fields_may_be_missing_null_or_empty(api: Api, engine: Engine) -> None:
    optional = ["sourceSystem", "replyTo", "replyToName", "listUnsubscribe", "bccRecipient"]
    body = without(*optional, campaignId=None, senderName="", recipientName=None)
    request, mime = send_and_deliver(api, engine, body)
    assert mime["From"] == "info@example.com"
    assert (mime["Reply-To"], mime["List-Unsubscribe"]) == (None, None)
    assert request["Destination"].get("BccAddresses", []) == []
    assert {tag["Name"] for tag in request["EmailTags"]} == {"messageId", "space"}


def test_send_makes_one_sqs_call_and_no_write(api: Api, engine: Engine) -> None:
    assert api.send(BODY).status == 200
    assert engine.actions("sqs") == ["SendMessage"]
    assert set(engine.actions("dynamodb")) == {"GetItem"}


def test_the_answer_names_the_message(api: Api, engine: Engine) -> None:
    answer = api.send(BODY)
    (body,) = engine.receive("MailQueueUrl")
    queued = decode(body)
    assert list(answer.body) == ["messageId", "date"]
    assert answer.body["messageId"] == queued.message_id
    assert f"{queued.accepted_at:%Y-%m-%dT%H:%M:%S}" == answer.body["date"][:19]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (without("type"), "type is required"),
        (without(type="sms"), "type must be 'email'"),
        (without(type=None), "type is required"),
        (without("sender"), "sender is required"),
        (without(sender=None), "sender is required"),
        (without(sender=""), "sender is required"),
        (without("recipient"), "recipient is required"),
        (without("subjectContentPlainText"), "subjectContentPlainText is required"),
        (without(subjectContentPlainText="  "), "subjectContentPlainText is required"),
        (without(subjectContentPlainText=["a"]), "subjectContentPlainText must be a string"),
        (without("bodyContentHTML", "bodyContentPlainText"), "bodyContentHTML or bodyContentPlainText is required"),
        (without(bodyContentHTML="", bodyContentPlainText=None), "bodyContentHTML or bodyContentPlainText is required"),
        (without(bodyContentHTML=[]), "bodyContentHTML must be a string"),
        (without(recipient="nobody"), "recipient is not a valid e-mail address"),
        (without(recipient="a@example.com, b@example.com"), "recipient is not a valid e-mail address"),
        (without(recipient="Max <max@example.com>"), "recipient is not a valid e-mail address"),
        (without(recipient="müller@example.com"), "recipient is not a valid e-mail address"),
        (without(sender="info@localhost"), "sender is not a valid e-mail address"),
        (without(replyTo="@example.com"), "replyTo is not a valid e-mail address"),
        (without(bccRecipient="x y@example.com"), "bccRecipient is not a valid e-mail address"),
        (without("replyTo"), "replyToName needs replyTo"),
        (without(listUnsubscribe="<https://example.com/ü>"), "listUnsubscribe must hold URIs, in ASCII"),
        (without(listUnsubscribe="unsubscribe"), "listUnsubscribe must be one or more <URI>, separated by commas"),
        (without(listUnsubscribe="<https:///u>"), "listUnsubscribe must hold URIs that name a host, or a mailbox"),
        (without(listUnsubscribe="<a:b>,\t<c:d>"), "listUnsubscribe must hold URIs, in ASCII"),
        (
            without(listUnsubscribe=f"<https://example.com/{'u' * 900}>"),
            "listUnsubscribe must hold URIs of at most 900",
        ),
        (without(subjectContentPlainText="x" * 901), "subjectContentPlainText must not be longer than 900 characters"),
        (without(senderName="x" * 901), "senderName must not be longer than 900 characters"),
        (without(campaignId=[1]), "campaignId must be a string"),
        (without(campaignId={"a": 1}), "campaignId must be a string"),
        (without(recipient=5), "recipient is not a valid e-mail address"),
        (without(recipient=False), "recipient is not a valid e-mail address"),
        (without(type=True), "type must be 'email'"),
        (without(recipient="=?utf-8?q?max?=@example.com"), "recipient is not a valid e-mail address"),
        (without(sender="=?utf-8?q?max?=@example.com"), "sender is not a valid e-mail address"),
        (without(sourceSystem="ü" * 96), "sourceSystem must not be longer than 190 bytes"),
        (without(campaignId="x" * 191), "campaignId must not be longer than 190 bytes"),
        (without(sender="info@example.org"), "sender: example.org is not a verified sender domain of this space"),
        (without(sender="info@sub.example.com"), "sender: sub.example.com is not a verified sender domain"),
        (b"", "The request body is not JSON"),
        (b"{", "The request body is not JSON"),
        (b"[]", "The request body is not a JSON object"),
        (b"null", "The request body is not a JSON object"),
        (b'{"type": "\xff"}', "The request body is not UTF-8"),
        (b'{"subjectContentPlainText": "\\ud800"}', "The request body is not JSON"),
        (b'{"subjectContentPlainText": "a\nb"}', "The request body is not JSON"),
        (b'{"campaignId": NaN}', "The request body is not JSON"),
        (b'{"campaignId": 01}', "The request body is not JSON"),
        (b'{"type": "email", "type": "email"}', "type is given more than once"),
        (json.dumps(BODY).encode()[:-1] + b', "recipient": "other@example.net"}', "recipient is given more than once"),
        (json.dumps(BODY).encode()[:-1] + b', "recipient": null}', "recipient is given more than once"),
        (b'{"campaignId": "a", ' + json.dumps(BODY).encode()[1:], "campaignId is given more than once"),
        (b'{"bodyContentHTML": "a", ' + json.dumps(BODY).encode()[1:], "bodyContentHTML is given more than once"),
        (b"[" * 19_999, "The request body is nested too deeply"),
    ],
)
def test_bad_input_names_its_field_and_changes_nothing(
    api: Api, engine: Engine, body: dict[str, Any] | bytes, message: str
) -> None:
    answer = api.send(body, headers={"content-type": "application/json"})
    assert answer.status == 400
    assert list(answer.body) == ["error", "exception", "message", "path", "status", "timestamp"]
    assert answer.body["message"].startswith(message), answer.body["message"]
    assert answer.body["path"] == "/custom/sap/v1/send"
    assert engine.receive("MailQueueUrl") == []


@pytest.mark.parametrize(
    ("given", "header"),
    [
        ("https://www.example.com/u?a=1,2", "<https://www.example.com/u?a=1,2>"),
        ("unsub@example.com", "<mailto:unsub@example.com>"),
        ("mailto:unsub@example.com", "<mailto:unsub@example.com>"),
        ("<https://a.example>,<https://b.example> (or)", "<https://a.example>, <https://b.example>"),
    ],
)
def test_list_unsubscribe_is_made_of_uris(api: Api, engine: Engine, given: str, header: str) -> None:
    _, mime = send_and_deliver(api, engine, without(listUnsubscribe=given))
    assert mime["List-Unsubscribe"] == header
    assert mime["List-Unsubscribe-Post"] is None


@pytest.mark.parametrize(
    ("uris", "said"),
    [
        ("<https://www.example.com/u>, <mailto:u@example.com>", "List-Unsubscribe=One-Click"),
        ("u@example.com", None),
        (None, None),
    ],
)
def test_a_space_may_say_that_one_click_unsubscribes(
    api: Api, engine: Engine, uris: str | None, said: str | None
) -> None:
    settings = SpaceSettings(list_unsubscribe_post=True)
    runtime.access().change_space(Space(id=api.space, created_at=CREATED_AT, settings=settings))
    runtime.access()._found.clear()
    _, mime = send_and_deliver(api, engine, without(listUnsubscribe=uris))
    assert mime["List-Unsubscribe-Post"] == said


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x00", "\x0b", "\x7f"])
@pytest.mark.parametrize(
    "field",
    [
        "sender",
        "senderName",
        "replyTo",
        "replyToName",
        "recipient",
        "recipientName",
        "bccRecipient",
        "listUnsubscribe",
        "subjectContentPlainText",
    ],
)
def test_nothing_that_becomes_a_header_may_break_the_line(
    api: Api, engine: Engine, field: str, line_break: str
) -> None:
    value = str(BODY[field])
    answer = api.send(without(**{field: f"{value[:3]}{line_break}Bcc: x@example.com{value[3:]}"}))
    assert answer.status == 400
    assert answer.body["message"] == f"{field} must not contain line breaks or control characters"
    assert engine.receive("MailQueueUrl") == []


@pytest.mark.parametrize(
    ("scalar", "text"),
    [
        ("4587", "4587"),
        ("4587.0", "4587.0"),
        ("-0", "-0"),
        ("1.50", "1.50"),
        ("1E5", "1E5"),
        ("1e-400", "1e-400"),
        ("12345678901234567890.12345678901234567890", "12345678901234567890.12345678901234567890"),
        ("true", "true"),
        ("false", "false"),
    ],
)
def test_a_scalar_is_read_as_text_as_the_original_does(api: Api, engine: Engine, scalar: str, text: str) -> None:
    names = ("campaignId", "sourceSystem", "senderName", "subjectContentPlainText", "bodyContentPlainText")
    members = ", ".join(f'"{name}": {scalar}' for name in names)
    body = f'{{"type": "email", "sender": "info@example.com", "recipient": "max@example.net", {members}}}'
    assert api.send(body.encode(), headers={"content-type": "application/json"}).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    mail = decode(queued).mail
    assert (mail.campaign_id, mail.source_system, mail.sender.name, mail.subject, mail.text) == (text,) * 5


def test_a_member_that_nobody_knows_may_be_given_twice(api: Api, engine: Engine) -> None:
    body = json.dumps(BODY).encode()[:-1] + b', "colour": 1, "colour": 2}'
    assert api.send(body, headers={"content-type": "application/json"}).status == 200


def test_a_body_that_is_one_long_number_is_a_text(api: Api, engine: Engine) -> None:
    digits = "9" * 1_000_000
    body = json.dumps(without("bodyContentHTML", bodyContentPlainText=0)).replace(": 0", f": {digits}")
    assert api.send(body.encode(), headers={"content-type": "application/json"}).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    assert decode(queued).mail.text == digits


def test_unknown_members_are_ignored(api: Api) -> None:
    assert api.send(without(colour="blue")).status == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=UTF-8",
        "Application/JSON",
        'application/json;odata=verbose;charset="utf-8"',
        "text/json",
    ],
)
def test_media_types(api: Api, engine: Engine, content_type: str) -> None:
    body = without(
        "subjectContentPlainText", "recipientName", "campaignId", "bodyContentHTML", subjectContentPlainText="Größe"
    )
    encoded = json.dumps(body, ensure_ascii=False).encode()
    assert api.send(encoded, headers={"content-type": content_type}).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    assert decode(queued).mail.subject == "Größe"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "nonsense",
        "",
        "application/json; charset=iso-8859-1",
        "application/json; charset=utf-16",
        "application/json; charset=undefined",
        "application/json;6 b=?utf-8?q?x?=5;9*1*;charset=x",
    ],
)
def test_other_media_types_are_refused(api: Api, engine: Engine, content_type: str) -> None:
    answer = api.send(json.dumps(BODY).encode(), headers={"content-type": content_type})
    assert answer.status == 415
    assert list(answer.body) == ["timestamp", "status", "error", "message", "path"]
    assert engine.receive("MailQueueUrl") == []


def random_text(size: int) -> str:
    alphabet = "".join(map(chr, range(0x21, 0x7F)))
    return "".join(random.Random(1).choices(alphabet, k=size))  # noqa: S311 - reproducible, not secret


def test_a_body_of_700_kib_passes(api: Api, engine: Engine) -> None:
    body = json.dumps(without("bodyContentHTML")).encode()
    text = random_text(700 * 1024)
    overhead = len(json.dumps(text)) - len(text)
    text = text[: 700 * 1024 - len(body) - overhead]
    encoded = json.dumps(without("bodyContentHTML", bodyContentPlainText=text)).encode()
    assert len(encoded) <= 700 * 1024
    assert api.send(encoded, headers={"content-type": "application/json"}).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    assert decode(queued).mail.text == text


def test_a_large_body_that_packs_well_passes(api: Api) -> None:
    assert api.send(without(bodyContentPlainText="compressible " * 300_000)).status == 200


def test_what_no_queue_message_holds_is_too_large(api: Api, engine: Engine) -> None:
    answer = api.send(without(bodyContentPlainText=random_text(1_200_000)))
    assert answer.status == 413
    assert list(answer.body) == ["timestamp", "status", "error", "message", "path"]
    assert engine.receive("MailQueueUrl") == []


def test_addresses_of_any_case_keep_their_local_part(api: Api, engine: Engine) -> None:
    assert api.send(without(sender="Shop@EXAMPLE.com", recipient="Max@Example.NET")).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    mail = decode(queued).mail
    assert mail.sender == Mailbox(address="Shop@example.com", name=str(BODY["senderName"]))
    assert mail.recipient.address == "Max@example.net"


@pytest.mark.parametrize(
    "text",
    [
        "Votre n°\u00a05",
        "👨\u200d👩\u200d👧",
        "山田\u3000太郎",
        "soft\u00adhyphen",
        "zero\u200bwidth",
        "a\ttab",
        "\U0001fae9",
        "שלום",
    ],
)
def test_text_of_every_script_may_stand_in_a_header(api: Api, engine: Engine, text: str) -> None:
    _, mime = send_and_deliver(api, engine, without(subjectContentPlainText=text, senderName=text))
    assert mime["Subject"] == text
    # Python's parser reads a tab in a name as a space.
    assert mime["From"].addresses[0].display_name == text.replace("\t", " ")


@pytest.mark.parametrize(
    "sender",
    ["info@müller.example", "Info@MÜLLER.example", "info@mu\u0308ller.example", "info@XN--MLLER-KVA.example"],
)
def test_a_senders_domain_is_verified_in_any_spelling(api: Api, engine: Engine, sender: str) -> None:
    assert api.send(without(sender=sender)).status == 400
    runtime.access().put_sender_domain(api.space, domain_of("x@Müller.example"), verified=True)
    assert api.send(without(sender=sender)).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    assert decode(queued).mail.sender.address.endswith("@xn--mller-kva.example")
    assert api.send(without(sender="info@muller.example")).status == 400


def test_a_long_address_with_a_name_stays_an_address(api: Api, engine: Engine) -> None:
    sender = "order-confirmation.no-reply-to-this-address.please@example.com"
    recipient = f"{'r' * 64}@{'d' * 60}.{'e' * 60}.example"
    request, mime = send_and_deliver(api, engine, without(sender=sender, senderName="Shop", recipient=recipient))
    assert [address.addr_spec for address in mime["From"].addresses] == [sender]
    assert [address.addr_spec for address in mime["To"].addresses] == [recipient]
    assert request["Destination"]["ToAddresses"] == [recipient]


def test_who_is_recipient_and_bcc_gets_one_mail(api: Api, engine: Engine) -> None:
    request, _ = send_and_deliver(api, engine, without(recipient="max@example.net", bccRecipient="MAX@example.net"))
    assert len(sent_requests(engine)) == 1
    assert request["Destination"]["ToAddresses"] == ["max@example.net"]
    assert request["Destination"].get("BccAddresses", []) == []


def test_the_largest_queue_message_is_exactly_sqss_limit() -> None:
    mail = Mail(
        sender=Mailbox(address="info@example.com"),
        recipient=Mailbox(address="max@example.net"),
        subject="x",
        text=random_text(970_000),
    )
    accepted_at = datetime.now(UTC)

    def encoded(characters: int) -> str:
        text = (mail.text or "")[:characters]
        changed = mail.model_copy(update={"text": text})
        return encode(QueuedMail(message_id="0" * 24, space="demo", accepted_at=accepted_at, mail=changed))

    fits, too_many = 700_000, 970_000
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        try:
            assert len(encoded(middle)) <= 1_048_576
            fits = middle
        except PayloadTooLarge:
            too_many = middle
    # base64 comes in fours, so the limit itself is reached.
    assert len(encoded(fits)) == 1_048_576


def test_several_long_uris_may_stand_in_list_unsubscribe(api: Api, engine: Engine) -> None:
    value = ", ".join(f"<https://www.example.com/{letter * 800}>" for letter in "abc")
    request, mime = send_and_deliver(api, engine, without(listUnsubscribe=value))
    assert mime["List-Unsubscribe"] == value
    assert max(map(len, b64decode(request["Content"]["Raw"]["Data"]).split(b"\r\n"))) < 998
