"""Every sample of contacts-create: the request is accepted in both media types, the response is what is emitted."""

import json
from base64 import b64decode
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

import pytest

from polypost.dialects.contacts.contact import decode_create, encode_created
from polypost.models.contacts import Contact, Profile, Registration
from polypost.models.date_time_offset import DateTimeOffset
from polypost.web.http import Request

from .json_tokens import json_tokens

SAMPLES = Path(__file__).parent / "samples" / "contacts-create"

#: What had to be replaced in a sample, and nothing else may differ.
SUBSTITUTIONS = {
    "create-request.json": {
        # No IPv4 address, which the document asks for.
        '"RegistrationIp": "sample string 2"': '"RegistrationIp": "127.0.0.1"',
        # Fifteen characters, of which the document allows ten.
        '"PhoneCountryCode": "sample string 4"': '"PhoneCountryCode": "+45"',
    },
}

MOMENT = DateTimeOffset.parse("2024-11-21T06:24:04.0980817+00:00")


def sample(name: str) -> str:
    text = (SAMPLES / name).read_text()
    for printed, substitute in SUBSTITUTIONS.get(name, {}).items():
        assert printed in text
        text = text.replace(printed, substitute)
    return text


def test_the_samples_are_those_of_the_tests() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == {"create-request.json", "create-response-201.json"}


def as_form(text: str) -> str:
    """A sample as a form, of which the document has no sample."""
    return urlencode({name: str(value) for name, value in json.loads(text).items()})


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/json", sample("create-request.json")),
        ("text/json", sample("create-request.json")),
        ("application/x-www-form-urlencoded", as_form(sample("create-request.json"))),
    ],
)
def test_create_request(media_type: str, body: str) -> None:
    request = Request("POST", "/api/v1/Contacts", headers={"content-type": media_type}, body=body.encode())
    registration, profile = decode_create(request)
    assert registration == Registration(source="sample string 1", date_time=MOMENT, ip="127.0.0.1", store_id=1)
    assert str(registration.date_time) == str(MOMENT)
    assert profile == Profile(
        email="sample string 3",
        phone_country_code="+45",
        phone="sample string 5",
        first_name="sample string 6",
        last_name="sample string 7",
        limit_mails_permanently=True,
        limit_mails_temporarily_until=MOMENT,
        preferred_store_id=1,
        contact_company_id=1,
        latest_permission_source="sample string 9",
    )
    assert str(profile.limit_mails_temporarily_until) == str(MOMENT)


@pytest.mark.parametrize("accept", ["application/json", "text/json", "*/*"])
def test_create_response(accept: str) -> None:
    contact = Contact(
        id=1,
        secret="sample string 2",
        registration=Registration(source="sample string 4", date_time=MOMENT, ip="sample string 5", store_id=1),
        profile=Profile(
            email="sample string 7",
            phone_country_code="sample string 8",
            phone="sample string 9",
            first_name="sample string 10",
            last_name="sample string 11",
            limit_mails_permanently=True,
            limit_mails_temporarily_until=MOMENT,
            preferred_store_id=1,
            contact_company_id=1,
            latest_permission_source="sample string 13",
        ),
        last_modified=MOMENT,
        # Two bytes, of which the store makes eight.
        version=b64decode("QEA="),
    )
    request = Request("POST", "/api/v1/Contacts", headers={"accept": accept}, domain_name="acme.example.com")
    response = encode_created(request, contact)
    assert json_tokens(response.body) == json_tokens(sample("create-response-201.json"))
    assert response.status == HTTPStatus.CREATED
    assert response.headers["Location"] == "https://acme.example.com/api/v1/Contacts/1"
    assert response.headers["Content-Type"].partition(";")[0] == accept.replace("*/*", "application/json")
