"""Intershop's promotion codes: from the request to the queued mail, and every refusal."""

import json
import re
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from xml.etree.ElementTree import Element, fromstring

import pytest

from polypost import runtime
from polypost.adapters import mail_queue
from polypost.errors import Retryable
from polypost.models.access import Scope, Shop, Space, SpaceSettings
from polypost.models.attempts import Attempt
from polypost.models.contacts import Contact, ExternalId, Profile, Registration
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.mail import Mail, Mailbox
from polypost.models.promotions import MailTemplate, PromotionCode, TemplateName
from polypost.usecases.create_contact import create_contact
from polypost.usecases.mail_promotion_code import mail_promotion_code
from support.intershop import CUSTOMER, promotion_body, promotion_xml
from support.template_engine import Engine

from .conftest import CREATED_AT, SECRET, Answer, Api, create_credential

SENDER = Mailbox(address="shop@example.com", name="Shop")
SHOPS = (Shop(url="https://shop.example.com/store/"), Shop(channel="B2B", url="https://b2b.example.com/"))
BODY = promotion_body()


@dataclass(frozen=True)
class Shopper:
    """A client of a space that has a sender, two shops and a customer."""

    api: Api
    engine: Engine
    contact: Contact

    def post(self, sent: Any = BODY, customer: str = CUSTOMER, **options: Any) -> Answer:
        return self.api.http("POST", f"/customers/{customer}/mails", body=sent, **options)

    def raw(self, sent: Any, customer: str = CUSTOMER, **options: Any) -> dict[str, Any]:
        return self.api.result(
            "intershop_mails",
            "POST",
            f"/customers/{customer}/mails",
            body=sent,
            route="/customers/{customerID}/mails",
            path_parameters={"customerID": customer},
            **options,
        )

    def mail(self, sent: Any = BODY, customer: str = CUSTOMER, **options: Any) -> Mail:
        """The one mail that a request queues."""
        answer = self.post(sent, customer, **options)
        assert (answer.status, answer.body, answer.headers) == (204, None, {})
        (queued,) = self.engine.receive("MailQueueUrl")
        found = mail_queue.decode(queued)
        assert found.space == self.api.space
        return found.mail

    def refusal(self, status: int, sent: Any = BODY, customer: str = CUSTOMER, **options: Any) -> str:
        """The message of a refused request, which queues nothing."""
        answer = self.post(sent, customer, **options)
        assert (answer.status, list(answer.body)) == (status, ["type", "status", "message"]), answer.body
        assert (answer.body["type"], answer.body["status"]) == ("Error", status)
        assert self.engine.receive("MailQueueUrl") == []
        return str(answer.body["message"])

    def set(self, **settings: Any) -> None:
        """Give the space other settings, which the function sees at once."""
        change_settings(self.api.space, **settings)

    def set_template(self, template: MailTemplate) -> None:
        runtime.access().put_template(self.api.space, TemplateName.PROMOTION_CODE, template)


def change_settings(space: str, **settings: Any) -> None:
    access = runtime.access()
    access.change_space(Space(id=space, created_at=CREATED_AT, settings=SpaceSettings(**settings)))
    access._found.clear()


def new_customer(space: str, **profile: Any) -> Contact:
    members = {"email": "patricia@example.net", "first_name": "Patricia", "last_name": "Miller"} | profile
    return create_contact(
        Registration("test", DateTimeOffset.now()),
        Profile(**members),
        space,
        "key",
        Attempt.fresh(datetime.now(UTC)),
        access=runtime.access(),
        contacts=runtime.contacts(),
    )


@pytest.fixture
def shopper(api: Api, engine: Engine) -> Shopper:
    contact = new_customer(api.space, external_ids=(ExternalId("intershop", CUSTOMER),))
    change_settings(api.space, sender=SENDER, shops=SHOPS)
    engine.calls.clear()
    return Shopper(api, engine, contact)


def leads_to_no_shop(mail: Mail) -> bool:
    """Whether the only link of a mail is the one for unsubscribing."""
    (link,) = re.findall(r'href="([^"]*)', str(mail.html))
    return str(link).startswith(str(mail.unsubscribe_links))


# --- The mail ---------------------------------------------------------------------------------------------------------


def test_the_mail(shopper: Shopper) -> None:
    mail = shopper.mail()
    assert mail.sender == SENDER
    assert mail.recipient == Mailbox(address="patricia@example.net", name="Patricia Miller")
    assert mail.subject == "10 EUR <discount> & more: your promotion code"
    assert (mail.source_system, mail.campaign_id) == ("intershop", "CC_10EUR")
    assert (mail.reply_to, mail.bcc, mail.list_unsubscribe) == (None, None, None)
    assert mail.text is not None
    assert mail.html is not None
    for part in (mail.text, mail.html):
        assert "CC2M8Y5VY4MW" in part
        assert "https://shop.example.com/store/-/promotions/CC_10EUR" in part
        assert "Patricia" in part
    assert "10 EUR <discount> & more" in mail.text
    assert "10 EUR &lt;discount&gt; &amp; more" in mail.html
    assert "10 EUR off.<br>Once." in mail.html


def test_a_code_alone_is_enough(shopper: Shopper) -> None:
    mail = shopper.mail({"type": "PromotionCode", "code": "C"})
    assert (mail.subject, mail.campaign_id) == ("Your promotion code", None)
    assert leads_to_no_shop(mail)


@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_what_is_blank_or_null_is_absent(shopper: Shopper, nothing: str | None) -> None:
    promotion = dict.fromkeys(("description", "title", "uri", "relation"), nothing)
    mail = shopper.mail(promotion_body(promotion, promotionID=nothing, channelID=nothing))
    assert (mail.subject, mail.campaign_id) == ("Your promotion code", None)
    assert shopper.mail(promotion_body() | {"promotion": None}).subject == "Your promotion code"


def test_unknown_members_are_ignored_and_names_are_matched_exactly(shopper: Shopper) -> None:
    assert (
        shopper.mail(promotion_body({"Title": "x", "colour": "blue"}, colour="blue", PromotionID="x")).campaign_id
        == "CC_10EUR"
    )
    message = shopper.refusal(400, {"type": "PromotionCode", "Code": "C"})
    assert message == "The code field is required."


def test_numbers_are_read_as_text(shopper: Shopper) -> None:
    assert "0012345" in str(shopper.mail(promotion_body(code="0012345", promotionID=7)).text)
    assert shopper.mail(promotion_body(promotionID=4587)).campaign_id == "4587"


@pytest.mark.parametrize(
    ("promotion_id", "campaign"),
    [("x" * 190, "x" * 190), ("x" * 191, "x" * 190), ("日" * 100, "日" * 63), ("x" + "🎉" * 60, "x" + "🎉" * 47)],
)
def test_a_long_promotion_id_is_cut_to_what_a_tag_holds(shopper: Shopper, promotion_id: str, campaign: str) -> None:
    assert shopper.mail(promotion_body(promotionID=promotion_id)).campaign_id == campaign


def test_names_are_on_one_line(api: Api, engine: Engine) -> None:
    contact = new_customer(api.space, first_name="Ann\r\nBcc: x@example.com", last_name="\u2028Lee ")
    change_settings(api.space, sender=SENDER)
    mail = Shopper(api, engine, contact).mail(customer=f"id:{contact.id}")
    assert mail.recipient.name == "Ann Bcc: x@example.com Lee"
    assert "Hello Ann Bcc: x@example.com," in str(mail.text)


def test_a_second_try_of_one_attempt_queues_the_mail_under_the_same_id(shopper: Shopper) -> None:
    attempt = Attempt.fresh(datetime.now(UTC))
    accepted = [
        mail_promotion_code(
            shopper.contact.id,
            PromotionCode(code="C"),
            shopper.api.space,
            "https://mail.example.com/u/",
            attempt,
            access=runtime.access(),
            contacts=runtime.contacts(),
            suppressions=runtime.suppressions(),
            queue=runtime.mail_queue(),
        )
        for _ in range(2)
    ]
    first, again = (mail_queue.decode(body) for body in shopper.engine.receive("MailQueueUrl"))
    assert first == again
    assert accepted[0] == accepted[1]
    assert accepted[0].message_id == first.message_id


# --- The customer -----------------------------------------------------------------------------------------------------


def test_a_contact_is_found_by_its_own_id(shopper: Shopper) -> None:
    assert shopper.mail(customer=f"id:{shopper.contact.id}").recipient.address == "patricia@example.net"


def test_a_bare_number_is_an_external_id(shopper: Shopper) -> None:
    number = str(shopper.contact.id)
    assert shopper.refusal(404, customer=number) == "No such contact exists."
    new_customer(
        shopper.api.space,
        email="other@example.net",
        first_name="Other",
        external_ids=(ExternalId("intershop", number),),
    )
    assert shopper.mail(customer=number).recipient.address == "other@example.net"


def test_another_systems_id_is_none_of_this_one(shopper: Shopper) -> None:
    new_customer(
        shopper.api.space,
        email="other@example.net",
        first_name="Other",
        external_ids=(ExternalId("seethepro", "7"),),
    )
    shopper.refusal(404, customer="7")


@pytest.mark.parametrize(
    "unknown",
    ["nobody", CUSTOMER.lower(), "id:", "id:x", "id:-1", "id:99999999999", "id:2147483647", "ID:1", "x" * 500],
)
def test_an_unknown_customer(shopper: Shopper, unknown: str) -> None:
    assert shopper.refusal(404, customer=unknown).startswith("No ")


def test_a_contact_of_another_space_is_unknown(shopper: Shopper) -> None:
    other = f"{shopper.api.space}-b"
    assert runtime.access().create_space(Space(id=other, created_at=CREATED_AT))
    stranger = new_customer(other, external_ids=(ExternalId("intershop", "stranger"),))
    shopper.refusal(404, customer="stranger")
    shopper.refusal(404, customer=f"id:{stranger.id}")


@pytest.mark.parametrize("email", [None, "", " ", "sample string 3", "müller@example.com"])
def test_a_customer_without_an_address(shopper: Shopper, email: str | None) -> None:
    contact = new_customer(shopper.api.space, email=email, first_name="Other")
    message = shopper.refusal(400, customer=f"id:{contact.id}")
    assert message == "The customer has no e-mail address that mail can be sent to."


@pytest.mark.parametrize(
    "email",
    ["\ufeffOther@Example.net", "Other <Other@example.net>", "mailto:Other%40example.net", "Other@example.net."],
)
def test_a_customers_address_is_the_one_that_a_person_reads(shopper: Shopper, email: str) -> None:
    contact = new_customer(shopper.api.space, email=email, first_name="Other")
    assert shopper.mail(customer=f"id:{contact.id}").recipient.address == "Other@example.net"


# --- The body ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({}, "The type field is required. The code field is required."),
        (promotion_body(type=None), "The type field is required."),
        (promotion_body(type="promotionCode"), "The field type must be 'PromotionCode'."),
        (
            promotion_body(type="GiftCode", code=""),
            "The field type must be 'PromotionCode'. The code field is required.",
        ),
        (promotion_body(code=None), "The code field is required."),
        (promotion_body(code="  "), "The code field is required."),
        (promotion_body(code=["x"]), "The field code must be a string."),
        (promotion_body(code={"a": 1}), "The field code must be a string."),
        (promotion_body() | {"promotion": "x"}, "The field promotion must be an object."),
        (promotion_body({"type": "Page"}), "The field promotion.type must be 'Link'."),
        (promotion_body({"title": {}}), "The field promotion.title must be a string."),
        (b"[]", "The request body must be an object."),
        (b"{", "The request body is not JSON: "),
        (b"", "A non-empty request body is required."),
        (b'{"type": "PromotionCode", "code": "a", "code": "b"}', "The field code is given more than once."),
    ],
)
def test_what_is_wrong_with_a_body_is_named(shopper: Shopper, sent: Any, message: str) -> None:
    assert shopper.refusal(400, sent, headers={"content-type": "application/json"}).startswith(message)


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x00", "\x0b", "\x7f"])
@pytest.mark.parametrize("field", ["code", "promotionID", "channelID", "title", "uri", "relation"])
def test_nothing_but_a_description_may_break_the_line(shopper: Shopper, field: str, line_break: str) -> None:
    value = f"a{line_break}Bcc: x@example.com"
    member: dict[str, Any] = {field: value}
    sent = promotion_body(member) if field in BODY["promotion"] else promotion_body(**member)
    name = f"promotion.{field}" if field in BODY["promotion"] else field
    message = f"The field {name} must not contain line breaks or control characters."
    assert shopper.refusal(400, sent) == message


@pytest.mark.parametrize("control", ["\x00", "\x0b", "\x1b", "\x7f", "\u2028"])
def test_a_description_holds_no_control_characters(shopper: Shopper, control: str) -> None:
    message = shopper.refusal(400, promotion_body({"description": f"a{control}b"}))
    assert message == "The field promotion.description must not contain control characters."


def test_a_mail_that_is_too_large(shopper: Shopper) -> None:
    shopper.set_template(MailTemplate(subject="s", text="{{ description }}" * 10, html="h"))
    message = shopper.refusal(413, promotion_body({"description": "x" * 60_000}))
    assert message == "The mail is too large: its text has more than 500000 characters."


# --- The link ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "channel", "link"),
    [
        ("-/p/1", "Specials", "https://shop.example.com/store/-/p/1"),
        ("-/p/1", None, "https://shop.example.com/store/-/p/1"),
        ("-/p/1", "B2B", "https://b2b.example.com/-/p/1"),
        ("/p?a=1&b=2#c", "Specials", "https://shop.example.com/p?a=1&b=2#c"),
        ("p/ä ö", "Specials", "https://shop.example.com/store/p/%C3%A4%20%C3%B6"),
        ("https://shop.example.com/p", "Specials", "https://shop.example.com/p"),
        ("http://SHOP.example.com/p", "Specials", "http://shop.example.com/p"),
        ("\\\\evil.example/p", "Specials", "https://shop.example.com/store///evil.example/p"),
        ("@evil.example", "Specials", "https://shop.example.com/store/@evil.example"),
    ],
)
def test_a_link_leads_to_the_channels_shop(shopper: Shopper, uri: str, channel: str | None, link: str) -> None:
    assert f"Use it here: {link}\n" in str(shopper.mail(promotion_body({"uri": uri}, channelID=channel)).text)


AWAY = "The field promotion.uri must not lead away from the shop of its channel."
NO_PAGE = "The field promotion.uri must be the address of a page of the shop."


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("https://evil.example/p", AWAY),
        ("//evil.example/p", AWAY),
        ("https://shop.example.com@evil.example/", AWAY),
        ("https://evil.example\\@shop.example.com/", AWAY),
        ("https://shop.example.com.evil.example/", AWAY),
        ("https://b2b.example.com/p", AWAY),
        ("javascript:alert(1)", NO_PAGE),
        ("data:text/html,x", NO_PAGE),
        ("mailto:x@example.com", NO_PAGE),
        ("ftp://shop.example.com/p", NO_PAGE),
        ("https://[shop", NO_PAGE),
        ("p" * 3000, NO_PAGE),
    ],
)
@pytest.mark.parametrize("has_shop", [True, False])
def test_a_link_leads_nowhere_else(shopper: Shopper, uri: str, message: str, has_shop: bool) -> None:
    if not has_shop:
        shopper.set(sender=SENDER)
    assert shopper.refusal(400, promotion_body({"uri": uri})) == message


def test_without_a_shop_there_is_no_link(shopper: Shopper) -> None:
    shopper.set(sender=SENDER, shops=(Shop(channel="B2B", url="https://b2b.example.com/"),))
    mail = shopper.mail()
    assert "Use it here" not in str(mail.text)
    assert leads_to_no_shop(mail)
    assert "https://b2b.example.com/-/promotions" in str(shopper.mail(promotion_body(channelID="B2B")).text)


# --- The space's own wording ------------------------------------------------------------------------------------------


def test_a_spaces_own_template(shopper: Shopper) -> None:
    shopper.set_template(
        MailTemplate(
            subject="{{ code }}\n\nfor {{ first_name }} {{ last_name }}",
            text="{{ promotion_id }} {{ channel_id }} {{ relation }}",
            html="<b>{{ title }}</b>",
        )
    )
    mail = shopper.mail()
    assert mail.subject == "CC2M8Y5VY4MW for Patricia Miller"
    assert mail.text == "CC_10EUR Specials about"
    assert mail.html == "<b>10 EUR &lt;discount&gt; &amp; more</b>"
    assert runtime.access().delete_template(shopper.api.space, TemplateName.PROMOTION_CODE)
    runtime.access()._found.clear()
    assert shopper.mail().subject == "10 EUR <discount> & more: your promotion code"
    assert not runtime.access().delete_template(shopper.api.space, TemplateName.PROMOTION_CODE)


def test_another_spaces_template_is_not_used(shopper: Shopper) -> None:
    other = MailTemplate(subject="other", text="other", html="other")
    runtime.access().put_template(f"{shopper.api.space}-b", TemplateName.PROMOTION_CODE, other)
    assert shopper.mail().subject != "other"


def test_templates_go_with_their_space(shopper: Shopper) -> None:
    shopper.set_template(MailTemplate(subject="s", text="t", html="h"))
    runtime.access().delete_space(shopper.api.space, datetime.now(UTC))
    runtime.access()._found.clear()
    assert runtime.access().template(shopper.api.space, TemplateName.PROMOTION_CODE) is None


# --- The operator's mistakes, and the queue's -------------------------------------------------------------------------

SERVER_FAULT = "The request could not be processed."


def test_a_space_without_a_sender(shopper: Shopper, caplog: pytest.LogCaptureFixture) -> None:
    shopper.set()
    assert shopper.refusal(500) == SERVER_FAULT
    assert f"polypost spaces set {shopper.api.space} --sender ADDRESS" in caplog.text


def test_a_sender_of_a_domain_that_is_not_verified(shopper: Shopper, caplog: pytest.LogCaptureFixture) -> None:
    shopper.set(sender=Mailbox(address="shop@example.org"))
    assert shopper.refusal(500) == SERVER_FAULT
    assert "example.org is not a verified sender domain" in caplog.text


def test_a_template_that_cannot_be_filled_in(shopper: Shopper, caplog: pytest.LogCaptureFixture) -> None:
    shopper.set_template(MailTemplate(subject="s", text="{{ nobody }}", html="h"))
    assert shopper.refusal(500) == SERVER_FAULT
    assert "text: 'nobody' is undefined" in caplog.text


@contextmanager
def no_queue() -> Any:
    with mock.patch.object(mail_queue.MailQueue, "put_body", side_effect=Retryable("sqs.SendMessage")):
        yield


def test_a_queue_that_does_not_answer_is_the_documents_500(shopper: Shopper) -> None:
    with no_queue():
        message = shopper.refusal(500, headers={"idempotency-key": "key"})
    assert message == "The service is temporarily unavailable; please send the request again."
    shopper.mail(headers={"idempotency-key": "key"})


def test_the_mail_is_one_sqs_call_and_no_write(shopper: Shopper) -> None:
    shopper.mail()
    assert set(shopper.engine.actions("dynamodb")) == {"GetItem"}
    assert [call for call in shopper.engine.actions("sqs") if call == "SendMessage"] == ["SendMessage"]


# --- Formats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("charset", ["", "; charset=ISO-8859-1"])
@pytest.mark.parametrize("encoding", ["ISO-8859-1", "windows-1252", "UTF-16"])
def test_xml_in_the_charset_of_an_older_shop(shopper: Shopper, encoding: str, charset: str) -> None:
    encoding = "ISO-8859-1" if charset else encoding
    xml = f'<?xml version="1.0" encoding="{encoding}"?><PromotionCode type="PromotionCode"><code>GRÜN</code>'
    sent = f"{xml}<promotion><title>Größe</title></promotion></PromotionCode>".encode(encoding)
    mail = shopper.mail(sent, headers={"content-type": f"text/xml{charset}"})
    assert mail.subject == "Größe: your promotion code"
    assert "GRÜN" in str(mail.text)


@pytest.mark.parametrize("content_type", ["text/xml", "application/xml", "application/xml; charset=utf-8"])
def test_xml(shopper: Shopper, content_type: str) -> None:
    xml = (
        "<PromotionCode type='PromotionCode'><!-- in any order --><promotionID>P</promotionID><unknown/>"
        "<promotion type='Link'><title> Größe &amp; mehr\n</title><uri>p</uri></promotion><code>C</code>"
        "<channelID>B2B</channelID></PromotionCode>"
    )
    mail = shopper.mail(xml.encode(), headers={"content-type": content_type})
    assert (mail.subject, mail.campaign_id) == ("Größe & mehr: your promotion code", "P")
    assert "https://b2b.example.com/p" in str(mail.text)


@pytest.mark.parametrize(
    "xml",
    [
        "<PromotionCode><code>C</code></PromotionCode>",
        "<PromotionCode><type>PromotionCode</type><code>C</code></PromotionCode>",
        "<PromotionCode type='Other'><code>C</code></PromotionCode>",
        "<PromotionCode type='PromotionCode'/>",
        "<PromotionCode type='PromotionCode'><Code>C</Code></PromotionCode>",
        "<PromotionCode xmlns='urn:x' type='PromotionCode'><code>C</code></PromotionCode>",
        "<promotioncode type='PromotionCode'><code>C</code></promotioncode>",
        "<PromotionCode type='PromotionCode'><code>C</code><code>D</code></PromotionCode>",
        "<!DOCTYPE x [<!ENTITY e 'C'>]><PromotionCode type='PromotionCode'><code>&e;</code></PromotionCode>",
        "<PromotionCode type='PromotionCode'><code>C</code>",
        "{}",
    ],
)
def test_other_xml_is_refused(shopper: Shopper, xml: str) -> None:
    answer = shopper.raw(xml.encode(), headers={"content-type": "text/xml"})
    assert answer["statusCode"] == 400
    assert_error(fromstring(answer["body"]), 400)  # noqa: S314 - our own
    assert shopper.engine.receive("MailQueueUrl") == []


def assert_error(error: Element, status: int) -> None:
    assert (error.tag, error.attrib) == ("Error", {"type": "Error"})
    assert [child.tag for child in error] == ["message", "status"]
    assert error.findtext("status") == str(status)
    assert error.findtext("message")


@pytest.mark.parametrize(
    ("content_type", "accept", "answered"),
    [
        ("application/json", None, "application/json"),
        ("text/json", "*/*", "application/json"),
        ("text/xml", None, "text/xml"),
        ("application/xml", "application/*", "application/json"),
        ("application/json", "text/xml", "text/xml"),
        ("text/xml", "application/json", "application/json"),
        ("text/xml", "text/html", "text/xml"),
    ],
)
def test_an_error_is_in_the_format_that_is_accepted(
    shopper: Shopper, content_type: str, accept: str | None, answered: str
) -> None:
    sent = promotion_xml().encode() if content_type.endswith("xml") else json.dumps(BODY).encode()
    headers = {"content-type": content_type} | ({"accept": accept} if accept else {})
    answer = shopper.raw(sent, "nobody", headers=headers)
    assert answer["statusCode"] == 404
    assert answer["headers"]["Content-Type"] == f"{answered}; charset=utf-8"
    if answered.endswith("xml"):
        assert_error(fromstring(answer["body"]), 404)  # noqa: S314 - our own
    else:
        assert json.loads(answer["body"]) == {"type": "Error", "status": 404, "message": "No such contact exists."}


# --- Around it --------------------------------------------------------------------------------------------------------


def wrong_secret(shopper: Shopper) -> dict[str, Any]:
    return {"credentials": (shopper.api.keyid, "wrong")}


def no_scope(shopper: Shopper) -> dict[str, Any]:
    keyid = f"no-scope-{shopper.api.space}"
    create_credential(keyid, shopper.api.space, scopes=frozenset(Scope) - {Scope.MAIL_SEND})
    return {"credentials": (keyid, SECRET)}


def unknown_space(shopper: Shopper) -> dict[str, Any]:
    return {"host": "nobody.localhost"}


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (wrong_secret, 401, "Missing or invalid credentials."),
        (no_scope, 403, "The credential lacks the scope mail:send."),
        (unknown_space, 404, "Unknown tenant."),
        (lambda shopper: {"headers": {"content-type": "text/plain"}}, 415, "Content type 'text/plain' not supported"),
        (lambda shopper: {"headers": {"idempotency-key": "a b"}}, 400, "Idempotency-Key must be"),
    ],
)
def test_refusals_have_one_body(
    shopper: Shopper, options: Callable[[Shopper], dict[str, Any]], status: int, message: str
) -> None:
    assert shopper.refusal(status, **options(shopper)).startswith(message)


def test_a_401_asks_for_basic_credentials(shopper: Shopper) -> None:
    answer = shopper.post(headers={"authorization": ""})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="ContactCenter", charset="UTF-8"'


def test_another_body_under_a_key_is_a_conflict(shopper: Shopper) -> None:
    shopper.mail(headers={"idempotency-key": "key"})
    message = shopper.refusal(409, promotion_body(code="other"), headers={"idempotency-key": "key"})
    assert message == "Another request was sent with this Idempotency-Key"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/customers/{CUSTOMER}/mails", 405),
        ("POST", f"/customers/{CUSTOMER}", 404),
        ("POST", f"/Customers/{CUSTOMER}/mails", 404),
        ("GET", "/customers", 404),
    ],
)
def test_other_paths_and_methods(shopper: Shopper, method: str, path: str, status: int) -> None:
    answer = shopper.api.call("default_route", method, path)
    assert (answer.status, list(answer.body), answer.body["type"]) == (status, ["type", "status", "message"], "Error")
    assert answer.headers.get("Allow") == ("POST, OPTIONS" if status == 405 else None)
