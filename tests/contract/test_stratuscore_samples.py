"""Every sample of stratuscore-coffeepage: the request is accepted and the response is what is emitted, JSON and XML."""

from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import pytest

from polypost.dialects import stratuscore
from polypost.models.log_entries import LogEntry
from polypost.web.auth import Credentials
from polypost.web.http import Request, Response

from .json_tokens import json_tokens
from .xml_tokens import xml_tokens

SAMPLES = Path(__file__).parent / "samples" / "stratuscore-coffeepage"

#: What had to be replaced in a sample, in both formats, and nothing else may differ.
SUBSTITUTIONS = {
    "coffeepage-request": {
        # The format's explanation stands in the value.
        "2025-12-04 06:57:36 (YYYY-MM-DD HH:MM:SS - UTC format)": "2025-12-04 06:57:36",
    },
    "coffeepage-response-200": {
        # An explanation each, in the place of a value.
        "(2 digit code reflecting result of request - 00 is good)": "00",
        "(Message response in text depending upon request/result of request)": "Saved as 0123456789abcdef.",
    },
}


def sample(name: str) -> str:
    text = (SAMPLES / name).read_text()
    for printed, substitute in SUBSTITUTIONS[name.partition(".")[0]].items():
        assert text.count(printed) == 1
        text = text.replace(printed, substitute)
    return text


def test_the_samples_are_those_of_the_tests() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == {f"{name}.{kind}" for name in SUBSTITUTIONS for kind in KINDS}


KINDS = {"json": json_tokens, "xml": xml_tokens}

MEDIA_TYPES = ["application/json", "text/json", "application/xml", "text/xml"]


def kind_of(media_type: str) -> str:
    return media_type.rpartition("/")[2]


def post(media_type: str, accept: str = "") -> Request:
    body = sample(f"coffeepage-request.{kind_of(media_type)}").encode()
    headers = {"content-type": media_type} | ({"accept": accept} if accept else {})
    return Request("POST", "/api/v1/contact/coffeepage", headers=headers, body=body)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_request(media_type: str) -> None:
    request = post(media_type)
    assert stratuscore.credentials(request) == Credentials(
        "170200123 - sample only, user your ID", "467512342123 - sample only, user your Key"
    )
    assert stratuscore.decode_entry(request) == LogEntry(
        email="larry@newmedia.com",
        subject="Subject line (max 100 characters)",
        sent_at=datetime(2025, 12, 4, 6, 57, 36, tzinfo=UTC),
        sent_by="sample@stratuscore.com",
        body="This is the text of the body",
    )


def check_response(response: Response, accept: str) -> None:
    kind = kind_of(accept)
    assert response.status == HTTPStatus.OK
    assert response.headers["Content-Type"].partition(";")[0] == accept
    assert KINDS[kind](response.body) == KINDS[kind](sample(f"coffeepage-response-200.{kind}"))


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize("accept", MEDIA_TYPES)
def test_response(media_type: str, accept: str) -> None:
    check_response(stratuscore.encode_saved(post(media_type, accept), "0123456789abcdef"), accept)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_response_in_the_requests_own_media_type(media_type: str) -> None:
    check_response(stratuscore.encode_saved(post(media_type), "0123456789abcdef"), media_type)
