"""Every sample of seethepro-vsp-interaction: requests are accepted in each format, responses are what is emitted."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

import pytest

from polypost.dialects import seethepro
from polypost.models.interactions import Interaction, NewInteraction
from polypost.web.auth import Credentials
from polypost.web.http import Request

from .json_tokens import json_tokens
from .xml_tokens import xml_tokens

SAMPLES = Path(__file__).parent / "samples" / "seethepro-vsp-interaction"

#: What had to be replaced in a sample, and nothing else may differ.
SUBSTITUTIONS = {
    # An access key is a keyid and a secret.
    "create-request.json": {'"AppAccessKey": "sample string 1"': '"AppAccessKey": "keyid.sample string 1"'},
    "create-request.xml": {
        "<AppAccessKey>sample string 1</AppAccessKey>": "<AppAccessKey>keyid.sample string 1</AppAccessKey>"
    },
}

ASKED = NewInteraction(
    identity="sample string 2",
    name="sample string 3",
    account_id=UUID("6925ebd4-125d-4338-a736-99f4b5bcb3d7"),
    contact_id=UUID("3d6ab237-6e5e-4e4a-b76a-4ebe7d89b9e0"),
    tenant_key=UUID("f4528424-7736-4037-8c10-45fe6f1f5754"),
    group_key=UUID("fbd003c1-c221-4316-8569-b66b1a48d66c"),
)


def sample(name: str) -> str:
    text = (SAMPLES / name).read_text()
    for printed, substitute in SUBSTITUTIONS.get(name, {}).items():
        assert printed in text
        text = text.replace(printed, substitute)
    return text


def test_the_samples_are_those_of_the_tests() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == {
        *SUBSTITUTIONS,
        "create-response-200.json",
        "create-response-200.xml",
    }


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/json", sample("create-request.json")),
        ("text/json", sample("create-request.json")),
        ("application/xml", sample("create-request.xml")),
        ("text/xml", sample("create-request.xml")),
        # "Sample not available."
        ("application/x-www-form-urlencoded", urlencode(json.loads(sample("create-request.json")))),
    ],
)
def test_create_request(media_type: str, body: str) -> None:
    headers = {"content-type": media_type}
    request = Request("POST", "/api/vspinteraction/create", headers=headers, body=body.encode())
    assert seethepro.credentials(request) == Credentials("keyid", "sample string 1")
    assert seethepro.decode_create(request) == ASKED


@pytest.mark.parametrize(
    ("accept", "name", "tokens"),
    [
        ("application/json", "create-response-200.json", json_tokens),
        ("text/json", "create-response-200.json", json_tokens),
        ("application/xml", "create-response-200.xml", xml_tokens),
        ("text/xml", "create-response-200.xml", xml_tokens),
    ],
)
def test_create_response(accept: str, name: str, tokens: Callable[[str], object]) -> None:
    interaction = Interaction(
        asked=ASKED,
        id="sample string 1",
        token="token",
        space="acme",
        campaign_key="sample string 2",
        url="sample string 3",
        created_at=datetime.now(UTC),
    )
    response = seethepro.encode_created(Request("POST", "/", headers={"accept": accept}), interaction)
    assert tokens(response.body) == tokens(sample(name))
    assert response.status == HTTPStatus.OK
    assert response.headers["Content-Type"] == f"{accept}; charset=utf-8"
