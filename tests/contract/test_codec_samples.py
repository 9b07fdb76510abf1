"""The codec alone on the documents' samples: one model for all formats, both ways.

The models are declared as a dialect declares them, without the limits that its document sets: what is tried here is
the codec, and a dialect's own models are tried with the dialect.
"""

from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlencode

import pytest

from polypost.models.date_time_offset import DateTimeOffset
from polypost.web.http import Request, Response
from polypost.wire.aspnet import AspNetModel
from polypost.wire.codec import Codec
from polypost.wire.dotnet import Boolean, ByteArray, Guid, Int32
from polypost.wire.form import FORM
from polypost.wire.json import JSON
from polypost.wire.models import WireModel, XmlAttribute
from polypost.wire.xml import XML

from .json_tokens import json_tokens
from .xml_tokens import xml_tokens

SAMPLES = Path(__file__).parent / "samples"
CODEC = Codec(reads=(JSON, XML, FORM), writes=(JSON, XML))


# --- StratusCore ------------------------------------------------------------------------------------------------------


class ApiModel(AspNetModel):
    xml_namespace: ClassVar[str] = "http://schemas.datacontract.org/2004/07/ApiModels"


class DottedApiModel(AspNetModel):
    xml_namespace: ClassVar[str] = "http://schemas.datacontract.org/2004/07/Api.Models"


class AuthenticationModel(DottedApiModel):
    Id: str
    Key: str


class CoffeePageRequestModel(ApiModel):
    Email: str
    SubjectLine: str
    DateSent: str
    SentBy: str
    EmailBody: str


class CoffeePageBindingModel(ApiModel):
    Authentication: AuthenticationModel
    Request: CoffeePageRequestModel


class MessageModel(DottedApiModel):
    Code: str
    Description: str


class ContactsOutgoingModel(ApiModel):
    Message: MessageModel | None


# --- Intershop --------------------------------------------------------------------------------------------------------


class Promotion(WireModel):
    type: Annotated[str, XmlAttribute()]
    description: str
    title: str
    uri: str
    relation: str


class PromotionCode(WireModel):
    type: Annotated[str, XmlAttribute()]
    code: str
    promotion: Promotion
    promotionID: str
    channelID: str


# --- SeeThePro --------------------------------------------------------------------------------------------------------


class SeeTheProModel(AspNetModel):
    xml_namespace: ClassVar[str] = "http://schemas.datacontract.org/2004/07/SeeTheProWebAPI.Models"


class CreateVspInteraction(SeeTheProModel):
    AppAccessKey: str
    InteractionIdentity: str
    InteractionName: str
    AccountId: Guid
    ContactId: Guid
    TenantKey: Guid | None = None
    GroupKey: Guid | None = None


class VspInteraction(SeeTheProModel):
    InteractionId: str
    CampaignKey: str
    InteractionUrl: str


# --- Contacts ---------------------------------------------------------------------------------------------------------


class CreateContactDto(AspNetModel):
    RegistrationDateTime: DateTimeOffset
    RegistrationSource: str
    RegistrationIp: str
    RegistrationStoreId: Int32
    Email: str
    PhoneCountryCode: str
    Phone: str
    FirstName: str
    LastName: str
    LimitMailsPermanently: Boolean
    LimitMailsTemporarilyUntil: DateTimeOffset
    PreferredStoreId: Int32
    ContactCompanyId: Int32
    LatestPermissionSource: str


class ReadContactDto(AspNetModel):
    Id: Int32
    Secret: str
    RegistrationDateTime: DateTimeOffset
    RegistrationSource: str
    RegistrationIp: str
    LastModified: DateTimeOffset
    Version: ByteArray
    RegistrationStoreId: Int32
    Email: str
    PhoneCountryCode: str
    Phone: str
    FirstName: str
    LastName: str
    LimitMailsPermanently: Boolean
    LimitMailsTemporarilyUntil: DateTimeOffset
    PreferredStoreId: Int32
    ContactCompanyId: Int32
    LatestPermissionSource: str


SAMPLE_MODELS: list[tuple[str, type[WireModel]]] = [
    ("stratuscore-coffeepage/coffeepage-request.json", CoffeePageBindingModel),
    ("stratuscore-coffeepage/coffeepage-request.xml", CoffeePageBindingModel),
    ("stratuscore-coffeepage/coffeepage-response-200.json", ContactsOutgoingModel),
    ("stratuscore-coffeepage/coffeepage-response-200.xml", ContactsOutgoingModel),
    ("intershop-promotion-mail/mails-request.json", PromotionCode),
    ("intershop-promotion-mail/mails-request.xml", PromotionCode),
    ("seethepro-vsp-interaction/create-request.json", CreateVspInteraction),
    ("seethepro-vsp-interaction/create-request.xml", CreateVspInteraction),
    ("seethepro-vsp-interaction/create-response-200.json", VspInteraction),
    ("seethepro-vsp-interaction/create-response-200.xml", VspInteraction),
    ("contacts-create/create-request.json", CreateContactDto),
    ("contacts-create/create-response-201.json", ReadContactDto),
]


def post(body: str, content_type: str) -> Request:
    return Request("POST", "/", headers={"content-type": content_type}, body=body.encode())


def encoded(body: WireModel, accept: str) -> Response:
    return CODEC.encode(Request("POST", "/", headers={"accept": accept}), body)


@pytest.mark.parametrize(("sample", "model"), SAMPLE_MODELS)
def test_a_sample_comes_out_as_it_went_in(sample: str, model: type[WireModel]) -> None:
    text = (SAMPLES / sample).read_text()
    media_type = f"application/{sample.rpartition('.')[2]}"
    body = CODEC.decode(post(text, media_type), model)
    assert None not in body.model_dump().values()
    response = encoded(body, accept=media_type)
    tokens = xml_tokens if sample.endswith(".xml") else json_tokens
    assert tokens(response.body) == tokens(text)
    assert response.headers["Content-Type"] == f"{media_type}; charset=utf-8"


@pytest.mark.parametrize(
    ("sample", "model"),
    [
        ("stratuscore-coffeepage/coffeepage-request", CoffeePageBindingModel),
        ("stratuscore-coffeepage/coffeepage-response-200", ContactsOutgoingModel),
        ("seethepro-vsp-interaction/create-request", CreateVspInteraction),
        ("seethepro-vsp-interaction/create-response-200", VspInteraction),
    ],
)
def test_one_model_serves_json_and_xml(sample: str, model: type[AspNetModel]) -> None:
    of_json = CODEC.decode(post((SAMPLES / f"{sample}.json").read_text(), "text/json"), model)
    of_xml = CODEC.decode(post((SAMPLES / f"{sample}.xml").read_text(), "text/xml"), model)
    assert of_json == of_xml


@pytest.mark.parametrize(
    ("sample", "model"),
    [
        ("seethepro-vsp-interaction/create-request.json", CreateVspInteraction),
        ("contacts-create/create-request.json", CreateContactDto),
    ],
)
def test_a_form_says_the_same_as_the_sample(sample: str, model: type[AspNetModel]) -> None:
    of_json = CODEC.decode(post((SAMPLES / sample).read_text(), "application/json"), model)
    form = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in of_json.model_dump(mode="json").items()
    }
    assert CODEC.decode(post(urlencode(form), "application/x-www-form-urlencoded"), model) == of_json
