"""Intershop: mail a promotion code to a customer.

Source: the document intershop-promotion-mail; where it is silent, what its server, a Java application that reads with
Jackson and JAXB, would do. Of its error bodies it says nothing, so they are made in the manner of its resources.
"""

import re
from http import HTTPStatus
from typing import Annotated, ClassVar, Literal

from polypost.errors import InvalidRequest, NotFound, RequestError
from polypost.models.contacts import ExternalId
from polypost.models.promotions import PromotionCode
from polypost.web.auth import basic_credentials as credentials
from polypost.web.http import Request, Response
from polypost.wire.codec import SMALL_BODY_BYTES, Codec
from polypost.wire.json import JSON
from polypost.wire.models import WireModel, XmlAttribute
from polypost.wire.text import Line, Lines, Trimmed
from polypost.wire.xml import XML

__all__ = [
    "ANY_CASE",
    "BASE_PATHS",
    "CHALLENGE",
    "ENDPOINTS",
    "credentials",
    "decode_customer",
    "decode_promotion_code",
    "encode_error",
    "encode_queued",
]

BASE_PATHS: tuple[str, ...] = ("/customers",)

ENDPOINTS: dict[str, tuple[str, ...]] = {"/customers/{customerID}/mails": ("POST",)}

ANY_CASE = False

CHALLENGE = 'Basic realm="ContactCenter", charset="UTF-8"'

_CODEC = Codec(reads=(JSON, XML), writes=(JSON, XML), max_bytes=SMALL_BODY_BYTES)

#: The system of the external ids that a customerID is one of.
SYSTEM = "intershop"

# --- The request ------------------------------------------------------------------------------------------------------


class PromotionRO(WireModel):
    """The promotion that a code is of."""

    type: Annotated[Literal["Link"] | None, XmlAttribute()] = None
    description: Annotated[Lines | None, Trimmed] = None
    title: Annotated[Line | None, Trimmed] = None
    uri: Annotated[Line | None, Trimmed] = None
    relation: Annotated[Line | None, Trimmed] = None


class PromotionCodeRO(WireModel):
    """The body of `POST /customers/{customerID}/mails`: what the shop answered when it made the code."""

    xml_name: ClassVar[str] = "PromotionCode"

    type: Annotated[Literal["PromotionCode"], XmlAttribute()]
    code: Annotated[Line, Trimmed]
    promotion: PromotionRO | None = None
    promotionID: Annotated[Line | None, Trimmed] = None
    channelID: Annotated[Line | None, Trimmed] = None


def decode_customer(request: Request) -> ExternalId | int:
    """The customer in the path: the shop's own id of it, or `id:` and the contact's Id.

    A bare number is the shop's, so that a customer number never reaches a stranger.

    Raises: NotFound, for what begins with `id:` and is no Id.
    """
    customer = request.path_parameters["customerID"]
    if not customer.startswith("id:"):
        return ExternalId(SYSTEM, customer)
    if not re.fullmatch("id:[0-9]{1,10}", customer):
        raise NotFound("No such contact exists.")
    return int(customer.removeprefix("id:"))


def decode_promotion_code(request: Request) -> PromotionCode:
    """The code that is to be mailed.

    Raises: UnsupportedMediaType; InvalidRequest, naming every field that is wrong.
    """
    body = _CODEC.decode(request, PromotionCodeRO)
    promotion = body.promotion or PromotionRO()
    return PromotionCode(
        code=body.code,
        title=promotion.title or "",
        description=promotion.description or "",
        uri=promotion.uri or "",
        relation=promotion.relation or "",
        promotion_id=body.promotionID or "",
        channel_id=body.channelID or "",
    )


# --- The response -----------------------------------------------------------------------------------------------------


class ErrorRO(WireModel):
    """An error: its HTTP status, and what is wrong, in plain words."""

    xml_name: ClassVar[str] = "Error"

    type: Annotated[Literal["Error"], XmlAttribute()] = "Error"
    status: int
    message: str


def encode_queued() -> Response:
    """204: the mail is in the queue."""
    return Response(HTTPStatus.NO_CONTENT)


def encode_error(request: Request, error: RequestError) -> Response:
    """An error in the format that the request accepts.

    What may pass is a 500 too: the document has no other word for a mail service that did not take the mail.
    """
    status = error.status
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
    message = error.all_messages if isinstance(error, InvalidRequest) else error.message
    return _CODEC.encode(request, ErrorRO(status=status, message=message), status)
