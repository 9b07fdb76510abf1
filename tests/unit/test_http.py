"""Requests, in the form that AWS gives them and in the one that `sam local` does."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest

from polypost.errors import CompressedBody, InvalidRequest, UnsupportedMediaType
from polypost.web.http import Request, Response
from support.lambda_events import http_event


def test_an_event_of_aws() -> None:
    event = http_event(
        "POST", "/a/b", "c=d", headers={"Content-Type": "text/plain"}, body=b"\xff", host="x.example.com"
    )
    event["requestContext"]["timeEpoch"] = 1_000
    event["pathParameters"] = {"id": "ä b"}
    request = Request.from_event(event)
    assert (request.method, request.path, request.raw_query) == ("POST", "/a/b", "c=d")
    assert request.body == b"\xff"
    assert request.headers["content-type"] == "text/plain"
    assert request.domain_name == "x.example.com"
    assert request.origin == "https://x.example.com"
    assert request.path_and_query == "/a/b?c=d"
    assert request.received_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert request.route_key == "POST /a/b"
    assert request.path_parameters == {"id": "ä b"}
    assert not request.body_was_text


def test_an_event_of_sam_local() -> None:
    event: dict[str, Any] = http_event("POST", "/a", host="localhost:3000") | {
        "headers": {
            "Host": "localhost:3000",
            "Content-Type": "application/json",
            "X-Forwarded-Proto": "http",
            "X-Forwarded-Port": "3000",
        },
        "body": '{"ä": 1}',
        "rawQueryString": "",
    }
    request = Request.from_event(event)
    assert request.body == '{"ä": 1}'.encode()
    assert request.body_was_text
    assert request.headers["content-type"] == "application/json"
    assert request.origin == "http://localhost:3000"
    assert request.path_and_query == "/a"


def test_an_event_without_body_query_and_headers() -> None:
    event = http_event("GET", "/")
    del event["headers"], event["rawQueryString"], event["isBase64Encoded"]
    request = Request.from_event(event)
    assert (request.body, request.query("a"), request.headers, request.path_parameters) == (b"", {}, {}, {})


def test_the_route_of_an_event() -> None:
    event = http_event("POST", "/a/b") | {"routeKey": "POST /a/{id}", "pathParameters": {"id": "b"}}
    request = Request.from_event(event)
    assert (request.route_key, request.path_parameters) == ("POST /a/{id}", {"id": "b"})


def test_each_request_is_an_attempt_of_its_own() -> None:
    event = http_event("POST", "/")
    assert Request.from_event(event).attempt != Request.from_event(event).attempt


def test_query_parameters() -> None:
    request = Request("GET", "/", "a=%C3%BC+b&c=&d&other=1&e=2")
    assert request.query("a", "c", "d") == {"a": "ü b", "c": "", "d": ""}
    with pytest.raises(InvalidRequest, match="a is given more than once"):
        Request("GET", "/", "a=1&a=1").query("a")
    assert Request("GET", "/", "b=1&b=1").query("a") == {}
    with pytest.raises(InvalidRequest, match="not UTF-8"):
        Request("GET", "/", "a=%FC").query("a")


@pytest.mark.parametrize(
    ("forwarded", "origin"), [("http", "http://h"), ("https", "https://h"), ("x>; rel=y, <", "https://h")]
)
def test_the_origin_is_of_a_known_scheme(forwarded: str, origin: str) -> None:
    assert Request("GET", "/", headers={"x-forwarded-proto": forwarded}, domain_name="h").origin == origin


@pytest.mark.parametrize(
    ("proto", "port", "origin"),
    [
        ("https", "443", "https://h"),
        ("https", "8443", "https://h:8443"),
        ("https", "80", "https://h:80"),
        ("http", "80", "http://h"),
        ("http", "3000", "http://h:3000"),
        ("https", "", "https://h"),
        ("https", "x", "https://h"),
        ("https", "443@evil.example", "https://h"),
        ("https", "٣", "https://h"),
        ("https", "8443\n", "https://h"),
    ],
)
def test_the_origin_names_a_port_that_is_not_the_schemes(proto: str, port: str, origin: str) -> None:
    headers = {"x-forwarded-proto": proto, "x-forwarded-port": port, "host": "h:9999"}
    assert Request("GET", "/", headers=headers, domain_name="h").origin == origin


def test_the_origin_is_not_what_the_client_calls_the_host() -> None:
    event = http_event("GET", "/", headers={"Host": "evil.example"}, host="acme.example.com")
    assert Request.from_event(event).origin == "https://acme.example.com"


def text(body: bytes, content_type: str | None = "application/json") -> str:
    headers = {} if content_type is None else {"content-type": content_type}
    return Request("POST", "/", headers=headers, body=body).text_of("application/json", "text/json")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "TEXT/JSON; charset=utf-8",
        'application/json;charset="UTF8"',
        "application/json; charset=us-ascii",
    ],
)
def test_text(content_type: str) -> None:
    assert text("ü".encode(), content_type) == "ü"
    assert text(b"\xef\xbb\xbf" + "ü".encode(), content_type) == "ü"


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/json-seq",
        "application/json; charset=x",
        "application/json; charset=utf-16",
        "a/b, application/json",
    ],
)
def test_other_media_types(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        text(b"{}", content_type)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_a_compressed_body(coding: str, content_type: str) -> None:
    headers = {"content-type": content_type, "content-encoding": coding}
    with pytest.raises(CompressedBody):
        Request("POST", "/", headers=headers, body=b"\x1f\x8b").text_of("application/json")


def test_a_body_that_is_not_utf_8() -> None:
    with pytest.raises(InvalidRequest, match="not UTF-8"):
        text(b"\xff")


def test_a_response() -> None:
    response = Response(HTTPStatus.CREATED, "ü", {"A": "b"})
    assert Response.from_event(response.to_event()) == response
    assert Response(body="ü", headers={"A": "b"}).to_event() == {
        "statusCode": 200,
        "headers": {"A": "b"},
        "body": "ü",
        "isBase64Encoded": False,
    }
