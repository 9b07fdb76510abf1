"""The Intershop dialect on the running stack: the document's requests as printed, and the mails that go out."""

import secrets
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import httpx
import pytest

from polypost_local import demo
from support.intershop import promotion_body, promotion_xml
from support.waiting import eventually

from .conftest import RunningStack
from .test_inxmail import API, AUTH

SAMPLES = Path(__file__).parents[1] / "contract" / "samples" / "intershop-promotion-mail"
MAILS = f"/customers/{demo.CUSTOMER_ID}/mails"


def post(
    stack: RunningStack, content: bytes | str, media_type: str, path: str = MAILS, **headers: str
) -> httpx.Response:
    sent = {"Content-Type": media_type} | headers
    return stack.client.post(path, content=content, headers=sent, auth=AUTH)


def mails(stack: RunningStack, code: str) -> list[dict[str, Any]]:
    """The mails that went out with a code."""
    return [entry for entry in stack.client.get("/_local/mailbox").json() if code in (entry["text"] or "")]


def new_code() -> str:
    return f"C{secrets.token_hex(6).upper()}"


@pytest.mark.parametrize(
    ("sample", "media_type", "code"),
    [("mails-request.json", "application/json", "CC2M8Y5VY4MW"), ("mails-request.xml", "text/xml", "CCZN413KW8RK")],
)
def test_the_documents_examples_as_they_are_printed(
    local_stack: RunningStack, sample: str, media_type: str, code: str
) -> None:
    answer = post(local_stack, (SAMPLES / sample).read_bytes(), media_type)
    assert (answer.status_code, answer.content) == (204, b"")
    mail = eventually(partial(mails, local_stack, code))[0]
    assert mail["from"] == "Example Shop <shop@example.com>"
    assert mail["to"] == "Patricia Miller <patricia@example.com>"
    assert mail["subject"] == "10 EUR Order discount: your promotion code"
    assert (mail["sourceSystem"], mail["campaignId"]) == ("intershop", "CC_10EUR_OrderDiscount")
    page = "ContactCenter/-/channels/PrimeTech-PrimeTechSpecials/promotions/CC_10EUR_OrderDiscount"
    for part in (mail["text"], mail["html"]):
        assert code in part
        assert f"https://shop.example.com/{page}" in part
    assert code in local_stack.client.get("/_local/mailbox", headers={"Accept": "text/html"}).text


def test_a_document_in_iso_8859_1(local_stack: RunningStack) -> None:
    code = f"GRÜN{new_code()}"
    document = promotion_xml(code).replace("UTF-8", "ISO-8859-1").encode("iso-8859-1")
    assert post(local_stack, document, "text/xml").status_code == 204
    assert eventually(partial(mails, local_stack, code))


def test_a_request_sent_again_under_its_key_is_one_mail(local_stack: RunningStack) -> None:
    code, key = new_code(), secrets.token_hex()
    answers = [post(local_stack, promotion_xml(code), "text/xml", **{"Idempotency-Key": key}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    last = new_code()
    assert post(local_stack, promotion_xml(last), "text/xml").status_code == 204
    # Mails go out in the order of their sending or nearly so.
    eventually(partial(mails, local_stack, last))
    assert len(eventually(partial(mails, local_stack, code))) == 1


def test_after_a_refusal_the_key_is_free(local_stack: RunningStack) -> None:
    code, key = new_code(), {"Idempotency-Key": secrets.token_hex()}
    refused = post(local_stack, promotion_xml(code), "text/xml", "/customers/nobody/mails", **key)
    assert refused.status_code == 404
    assert refused.json()["message"] == "No such contact exists."
    assert post(local_stack, promotion_xml(code), "text/xml", **key).status_code == 204
    assert eventually(partial(mails, local_stack, code))


def test_a_bounce_is_listed_under_its_promotion(local_stack: RunningStack) -> None:
    customer, promotion = f"customer {secrets.token_hex(4)}", secrets.token_hex(4)
    contact = {
        "RegistrationSource": "shop",
        "Email": f"bounce+{promotion}@simulator.amazonses.com",
        "ExternalIds": [{"System": "intershop", "Id": customer}],
    }
    assert local_stack.client.post("/api/v1/Contacts", json=contact, auth=AUTH).status_code == 201
    body = promotion_body(promotionID=promotion)
    answer = local_stack.client.post(f"/customers/{customer}/mails", json=body, auth=AUTH)
    assert answer.status_code == 204

    def bounces() -> Any:
        filters = {"sourceSystem": "intershop", "campaignId": promotion}
        return local_stack.client.get(f"{API}/bounces", params=filters, auth=AUTH).json()["bounces"]

    (bounce,) = eventually(bounces)
    assert (bounce["recipient"], bounce["type"]) == (contact["Email"], "Hard")


def test_errors_on_the_wire(local_stack: RunningStack) -> None:
    refused = local_stack.client.post(MAILS, json=promotion_body(), auth=(demo.KEYID, "wrong"))
    assert (refused.status_code, refused.json()["type"]) == (401, "Error")
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    wrong_method = local_stack.client.get(MAILS, auth=AUTH)
    assert (wrong_method.status_code, wrong_method.headers["Allow"]) == (405, "POST, OPTIONS")
    nowhere = local_stack.client.get("/customers", headers={"Accept": "text/xml"})
    assert (nowhere.status_code, fromstring(nowhere.text).tag) == (404, "Error")  # noqa: S314 - our own
    bare_number = post(local_stack, promotion_xml(), "text/xml", f"/customers/{demo.CONTACT_ID}/mails")
    assert bare_number.status_code == 404
    assert post(local_stack, promotion_xml(), "text/xml", f"/customers/id:{demo.CONTACT_ID}/mails").status_code == 204
