"""Every sample of inxmail-commerce-sap: requests are accepted as printed, responses are what the encoders emit."""

import shlex
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from polypost.dialects import inxmail
from polypost.errors import InvalidDate, RequestError, UnknownSpace
from polypost.models.delivery import (
    BounceType,
    DeliveryEvent,
    EventFilter,
    EventKind,
    EventPage,
    Fact,
    MessageRef,
)
from polypost.models.mail import AcceptedMail, Mail, Mailbox
from polypost.web.http import Request, Response

from .json_tokens import json_tokens

SAMPLES = Path(__file__).parent / "samples" / "inxmail-commerce-sap"

#: What had to be repaired or replaced in a sample, and nothing else may differ. Commas are no tokens, so the missing
#: and the superfluous ones need no entry.
SUBSTITUTIONS: dict[str, dict[str, str]] = {}

MAIL = Mail(
    sender=Mailbox(address="info@example.invalid", name="Name of the sender"),
    reply_to=Mailbox(address="reply@example.invalid", name="Name for reply to"),
    recipient=Mailbox(address="max.mustermann@example.invalid", name="Max Mustermann"),
    list_unsubscribe="<https://www.example.invalid/unsubscribe>, <mailto:unsub@example.invalid>",
    subject="Test subject",
    html="<html><body><b>This is a test\nbody.</b></body></html>",
    text="This is a test text for the text part.",
    source_system="0MB871I",
    campaign_id="cMB871df",
)


def sample(name: str) -> str:
    text = (SAMPLES / name).read_text()
    for printed, substitute in SUBSTITUTIONS.get(name, {}).items():
        assert printed in text
        text = text.replace(printed, substitute)
    return text


def assert_is_sample(response: Response, name: str, status: int) -> None:
    assert json_tokens(response.body) == json_tokens(sample(name))
    assert response.status == status
    assert response.headers["Content-Type"] == "application/json"


def post(body: str) -> Request:
    return Request(
        "POST", "/api-service/custom/sap/v1/send", headers={"content-type": "application/json"}, body=body.encode()
    )


def test_the_samples_are_those_of_the_tests() -> None:
    tested = {
        "bounces-response-200.json",
        "bounces-response-400.json",
        "complaints-response-200.json",
        "complaints-response-400.json",
        "curls.txt",
        "example-uris.txt",
        "send-request-with-bcc.json",
        "send-request.json",
        "send-response-200.json",
        "unknown-space-404.json",
        "verified-senders-response-200.json",
    }
    assert {path.name for path in SAMPLES.iterdir()} == tested


def test_send_request() -> None:
    assert inxmail.decode_send(post(sample("send-request.json"))) == MAIL


def test_send_request_with_bcc() -> None:
    mail = inxmail.decode_send(post(sample("send-request-with-bcc.json")))
    assert mail == MAIL.model_copy(update={"bcc": "bcc@example.invalid"})


def curl(number: int) -> list[str]:
    return shlex.split(sample("curls.txt").splitlines()[number])


def test_send_curl() -> None:
    words = curl(1)
    assert words[words.index("-H") + 1] == "Content-Type: application/json"
    assert urlsplit(words[-1]).path == "/api-service/custom/sap/v1/send"
    assert inxmail.decode_send(post(words[words.index("-d") + 1])) == MAIL


def test_send_response() -> None:
    accepted = AcceptedMail(
        message_id="5534f2f3fcb24820d52f3413", accepted_at=datetime(2015, 4, 20, 12, 37, 7, 299_000, UTC)
    )
    assert_is_sample(inxmail.encode_send(accepted), "send-response-200.json", 200)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


QUERIES = {
    "bounces?": EventFilter(),
    "bounces?sourceSystem=Production": EventFilter(source_system="Production"),
    "bounces?startTimeUTC=20151021000000&endTimeUTC=2015102220000&page=0": EventFilter(
        start=utc(2015, 10, 21), end=utc(2015, 10, 22, 20)
    ),
    "complaints?": EventFilter(),
    "complaints?sourceSystem=Production": EventFilter(source_system="Production"),
    "complaints?startTimeUTC=20151021000000&endTimeUTC=2015102220000&page=0": EventFilter(
        start=utc(2015, 10, 21), end=utc(2015, 10, 22, 20)
    ),
}


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6, 7])
def test_list_curls(number: int) -> None:
    url = urlsplit(curl(number)[-1])
    name = url.path.rpartition("/")[2]
    decode = inxmail.decode_bounces_query if name == "bounces" else inxmail.decode_complaints_query
    query = decode(Request("GET", url.path, url.query))
    assert url.path in inxmail.ENDPOINTS
    assert query.criteria == QUERIES[f"{name}?{url.query}"]
    assert (query.page, query.page_size) == (0, 100)


def test_example_uris_are_endpoints() -> None:
    for line in sample("example-uris.txt").splitlines():
        method, uri = line.split()
        assert method in inxmail.ENDPOINTS[urlsplit(uri).path]


EXAMPLE = EventFilter("Production", "4587", utc(2015, 10, 21, 11, 0, 33), utc(2015, 10, 21, 11, 0, 33))


def example_query(endpoint: str) -> str:
    return next(urlsplit(line).query for line in sample("example-uris.txt").splitlines() if f"/{endpoint}?" in line)


def test_bounces_example_uri() -> None:
    request = Request("GET", "/api-service/custom/sap/v1/bounces", example_query("bounces"))
    query = inxmail.decode_bounces_query(request)
    assert (query.criteria, query.page, query.page_size) == (EXAMPLE, 0, 20)


def test_complaints_example_uri_uses_both_filters_that_its_text_forbids() -> None:
    request = Request("GET", "/api-service/custom/sap/v1/complaints", example_query("complaints"))
    with pytest.raises(RequestError, match="Only one of sourceSystem or campaignId may be used"):
        inxmail.decode_complaints_query(request)


def bounce(source: str, campaign: str, message_id: str, recipient: str, occurred_at: datetime) -> DeliveryEvent:
    return DeliveryEvent(
        MessageRef(message_id, "a-space", source, campaign),
        Fact(
            EventKind.BOUNCE,
            recipient,
            occurred_at,
            "feedback",
            type=BounceType.HARD,
            error_code="5.1.1.",
            error_text="Address does not exist",
        ),
    )


def complaint(source: str, campaign: str, message_id: str, recipient: str, occurred_at: datetime) -> DeliveryEvent:
    return DeliveryEvent(
        MessageRef(message_id, "a-space", source, campaign),
        Fact(EventKind.COMPLAINT, recipient, occurred_at, "feedback", type="abuse"),
    )


ROWS = [
    ("sys1", "c1456", "5451f3b1e1c2485a5b71ca88", "recipient1@fullbounce.invalid", utc(2015, 10, 21, 7, 26, 10)),
    ("sys2", "c4587", "5451f3b1e1c2485a5b71ca31", "recipient3@fullbounce.invalid", utc(2015, 10, 21, 7, 34, 25)),
]


def test_bounces_response() -> None:
    request = Request("GET", "/api-service/custom/sap/v1/bounces")
    page = EventPage(0, True, tuple(bounce(*row) for row in ROWS))
    response = inxmail.encode_bounces(request, inxmail.decode_bounces_query(request), page)
    assert_is_sample(response, "bounces-response-200.json", 200)


def test_complaints_response() -> None:
    request = Request("GET", "/api-service/custom/sap/v1/complaints")
    page = EventPage(0, True, tuple(complaint(*row) for row in ROWS))
    response = inxmail.encode_complaints(request, inxmail.decode_complaints_query(request), page)
    assert_is_sample(response, "complaints-response-200.json", 200)


def test_verified_senders_response() -> None:
    response = inxmail.encode_verified_senders(["domain1.tld", "domain2.tld"])
    assert_is_sample(response, "verified-senders-response-200.json", 200)


def test_unknown_space() -> None:
    request = Request("GET", "/api-service/v1/state", received_at=utc(2015, 8, 21, 6, 5, 30, 257_000))
    response = inxmail.encode_error(request, UnknownSpace())
    assert_is_sample(response, "unknown-space-404.json", 404)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api-service/v1/bounces", "bounces-response-400.json"),
        ("/api-service/custom/sap/v1/complaints", "complaints-response-400.json"),
    ],
)
def test_start_in_future(path: str, name: str) -> None:
    request = Request(
        "GET",
        path,
        "begin=2015-10-24T11:20:14.887%2B0000",
        received_at=utc(2015, 10, 23, 11, 22, 1, 827_000),
    )
    error = InvalidDate("startTimeUTC", "Start date 2015-10-24T11:20:14.887+0000 is in future")
    assert_is_sample(inxmail.encode_error(request, error), name, HTTPStatus.BAD_REQUEST)
