"""Every sample of intershop-promotion-mail is accepted and read in full; the document has no response with a body."""

from http import HTTPStatus
from pathlib import Path

import pytest

from polypost.dialects import intershop
from polypost.models.contacts import ExternalId
from polypost.models.promotions import PromotionCode
from polypost.web.http import Request

SAMPLES = Path(__file__).parent / "samples" / "intershop-promotion-mail"


def post(body: bytes, content_type: str) -> Request:
    return Request("POST", "/customers/x/mails", headers={"content-type": content_type}, body=body)


def test_the_samples_are_those_of_the_tests() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == {"mails-request.json", "mails-request.xml"}


@pytest.mark.parametrize(
    ("sample", "content_type", "code"),
    [
        ("mails-request.json", "application/json", "CC2M8Y5VY4MW"),
        ("mails-request.json", "text/json; charset=UTF-8", "CC2M8Y5VY4MW"),
        ("mails-request.xml", "text/xml", "CCZN413KW8RK"),
        ("mails-request.xml", "application/xml; charset=UTF-8", "CCZN413KW8RK"),
    ],
)
def test_request(sample: str, content_type: str, code: str) -> None:
    request = post((SAMPLES / sample).read_bytes(), content_type)
    assert intershop.decode_promotion_code(request) == PromotionCode(
        code=code,
        # The blank at its end is the sample's.
        title="10 EUR Order discount",
        description="Contact Center 10 EUR order discount coupon.",
        uri="ContactCenter/-/channels/PrimeTech-PrimeTechSpecials/promotions/CC_10EUR_OrderDiscount",
        relation="about",
        promotion_id="CC_10EUR_OrderDiscount",
        channel_id="PrimeTech-PrimeTechSpecials",
    )


def test_example_request() -> None:
    """The document's example URI: `/customers/egkKDgANTq4AAAFF31gHyCE_/mails`."""
    request = Request("POST", "/", path_parameters={"customerID": "egkKDgANTq4AAAFF31gHyCE_"})
    assert intershop.decode_customer(request) == ExternalId("intershop", "egkKDgANTq4AAAFF31gHyCE_")


def test_204_has_no_content() -> None:
    response = intershop.encode_queued()
    assert (response.status, response.body, response.headers) == (HTTPStatus.NO_CONTENT, "", {})
