"""The local HTTP API: events and answers as API Gateway makes them, on a template of its own and real workers."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from polypost_local import fork_server
from polypost_local.functions import Functions, sandboxes
from polypost_local.gateway import Invoke, gateway_application
from polypost_local.http_server import BODY_LIMIT_BYTES, listen, serve
from polypost_local.stack import FunctionSettings
from polypost_local.template import Template, read_template
from polypost_local.worker import Answer
from support.waiting import PATIENCE

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api: {Type: AWS::Serverless::HttpApi}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: code/
      Events:
        Plain: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /plain}}
        Item: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: "/items/{id}"}}
DEFAULT
"""
DEFAULT = "        Default: {Type: HttpApi, Properties: {ApiId: !Ref Api}}"

FUNCTION = """
import time


def handler(event, context):
    match event["headers"].get("x-do"):
        case "raise":
            raise ValueError("told to")
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(60)
        case "return":
            import json
            return json.loads(event["headers"]["x-result"])
    return {"statusCode": 200, "event": None, "body": __import__("json").dumps(event)}
"""

Event = dict[str, Any]


def write_template(folder: Path, *, default: bool) -> Template:
    (folder / "code").mkdir()
    (folder / "code" / "app.py").write_text(FUNCTION)
    (folder / "template.yaml").write_text(TEMPLATE.replace("DEFAULT", DEFAULT if default else ""))
    return read_template(folder / "template.yaml")


@contextmanager
def running(template: Template, invoke: Invoke) -> Iterator[int]:
    """The API of a template on a port of its own."""
    listening = listen(0)
    port: int = listening.getsockname()[1]
    server = serve(gateway_application(template.api, invoke, port), listening)
    try:
        yield port
    finally:
        server.shutdown()
        server.server_close()
        listening.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    template = write_template(tmp_path_factory.mktemp("template"), default=True)
    settings = FunctionSettings("app.handler", "python3.13", timeout_seconds=3, memory_mb=128, environment={})
    functions = Functions(sandboxes({"Echo": settings}, template.code, "http://127.0.0.1:9", verbose=False))
    fork_server.start()
    try:
        functions.wait(functions.start())
        with running(template, functions.invoke) as port:
            yield port
    finally:
        functions.stop()
        fork_server.stop()


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        yield client


def test_a_request_without_a_body(client: httpx.Client, port: int) -> None:
    before = time.time() * 1000
    event: Event = client.get("/plain").json()
    assert event["version"] == "2.0"
    assert event["routeKey"] == event["requestContext"]["routeKey"] == "GET /plain"
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/plain"
    assert event["rawQueryString"] == ""
    assert event["isBase64Encoded"] is False
    assert not {"body", "queryStringParameters", "pathParameters", "cookies", "stageVariables"} & event.keys()
    assert event["headers"]["host"] == f"127.0.0.1:{port}"
    assert event["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert event["headers"]["x-forwarded-port"] == str(port)
    assert event["headers"]["x-forwarded-proto"] == "http"
    assert "connection" not in event["headers"]
    context = event["requestContext"]
    assert context["stage"] == "$default"
    assert context["http"]["method"] == "GET"
    assert context["http"]["sourceIp"] == "127.0.0.1"
    assert context["http"]["userAgent"] == event["headers"]["user-agent"]
    assert before - 1000 <= context["timeEpoch"] <= before + 30_000
    assert time.strptime(context["time"], "%d/%b/%Y:%H:%M:%S +0000")


def test_each_request_has_an_id_of_its_own(client: httpx.Client) -> None:
    ids = {client.get("/plain").json()["requestContext"]["requestId"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("host", "name", "prefix"),
    [
        ("demo.localhost:3000", "demo.localhost", "demo"),
        ("localhost", "localhost", "localhost"),
        ("[::1]:3", "[::1]", "[::1]"),
    ],
)
def test_the_host_is_the_domain_name(client: httpx.Client, host: str, name: str, prefix: str) -> None:
    event: Event = client.get("/plain", headers={"Host": host}).json()
    assert event["headers"]["host"] == host
    assert event["requestContext"]["domainName"] == name
    assert event["requestContext"]["domainPrefix"] == prefix


def test_header_names_are_lower_case_and_duplicates_joined(client: httpx.Client) -> None:
    event: Event = client.get(
        "/plain", headers=[("X-Several", "a"), ("x-several", "b, c"), ("X-Forwarded-For", "203.0.113.7")]
    ).json()
    assert event["headers"]["x-several"] == "a,b, c"
    assert event["headers"]["x-forwarded-for"] == "203.0.113.7, 127.0.0.1"
    assert all(name == name.lower() for name in event["headers"])


def test_cookies_have_a_list_of_their_own(client: httpx.Client) -> None:
    event: Event = client.get("/plain", headers={"Cookie": "a=1; b=2,3"}).json()
    assert event["cookies"] == ["a=1", "b=2,3"]
    assert "cookie" not in event["headers"]


def test_the_query_comes_raw_and_decoded(client: httpx.Client) -> None:
    event: Event = client.get("/plain?a=1&b=%C3%BC%20x&a=2&c&d=x+y").json()
    assert event["rawQueryString"] == "a=1&b=%C3%BC%20x&a=2&c&d=x+y"
    assert event["queryStringParameters"] == {"a": "1,2", "b": "ü x", "c": "", "d": "x y"}


def test_the_path_comes_decoded_as_api_gateway_gives_it(client: httpx.Client) -> None:
    event: Event = client.post("/items/a%20%C3%BC").json()
    assert event["routeKey"] == "POST /items/{id}"
    assert event["pathParameters"] == {"id": "a ü"}
    assert event["rawPath"] == "/items/a ü"


def test_a_path_is_decoded_once_and_before_it_is_matched(client: httpx.Client) -> None:
    event: Event = client.post("/items/a%252Fb%2B").json()
    assert event["pathParameters"] == {"id": "a%2Fb+"}
    event = client.post("/items/a%2Fb").json()
    assert event["routeKey"] == "$default"
    assert event["rawPath"] == "/items/a/b"


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "application/json; charset=utf-8", "text/xml", "application/xml", "application/javascript"],
)
def test_text_stays_text(client: httpx.Client, media_type: str) -> None:
    event: Event = client.post("/items/1", content="ü{}".encode(), headers={"Content-Type": media_type}).json()
    assert event["body"] == "ü{}"
    assert event["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"a=b"),
        ("application/octet-stream", bytes(range(256))),
        ("application/vnd.api+json", b"{}"),
        ("application/json", b'{"a": "\xff"}'),
        (None, b"{}"),
    ],
)
def test_everything_else_is_base64(client: httpx.Client, media_type: str | None, body: bytes) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    event: Event = client.post("/items/1", content=body, headers=headers).json()
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == body


def test_a_chunked_body_is_whole(client: httpx.Client) -> None:
    event: Event = client.post(
        "/items/1", content=iter([b'{"a":', b"1}"]), headers={"Content-Type": "application/json"}
    ).json()
    assert event["body"] == '{"a":1}'
    assert "transfer-encoding" not in event["headers"]
    assert event["headers"]["content-length"] == "7"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/plain/"),
        ("POST", "/items//1"),
        ("GET", "/Plain"),
        ("POST", "/plain"),
        ("OPTIONS", "/plain"),
        ("PURGE", "/plain"),
        ("GET", "/items/1"),
        ("POST", "/items/1/"),
        ("POST", "/items/1/2"),
        ("POST", "/items/"),
        ("GET", "/"),
        ("GET", "/elsewhere"),
    ],
)
def test_what_no_route_matches_goes_to_default(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 200
    event: Event = answer.json()
    assert event["routeKey"] == "$default"
    assert event["rawPath"] == path
    assert event["requestContext"]["http"]["method"] == method
    assert "pathParameters" not in event


def test_head_is_a_method_like_any_other_and_has_no_body(client: httpx.Client, port: int) -> None:
    answer = client.head("/plain")
    assert answer.status_code == 200
    assert answer.content == b""
    # The next answer on the same connection begins where it should.
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        for _ in range(2):
            connection.request("HEAD", "/plain")
            assert connection.getresponse().read() == b""


@pytest.mark.parametrize(("method", "length"), [("HEAD", "1234"), ("GET", "4")])
def test_the_length_of_a_body_is_the_functions_word_where_there_is_none(
    client: httpx.Client, method: str, length: str
) -> None:
    said = {"statusCode": 200, "headers": {"Content-Length": "1234"}, "body": "" if method == "HEAD" else "four"}
    for _ in range(2):
        answer = client.request(method, "/plain", headers={"X-Do": "return", "X-Result": json.dumps(said)})
        assert answer.headers.get_list("Content-Length") == [length]
        assert answer.text == said["body"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/elsewhere"), ("POST", "/plain"), ("HEAD", "/plain"), ("PURGE", "/x")]
)
def test_without_a_default_route_it_is_404(tmp_path: Path, method: str, path: str) -> None:
    def fail(function: str, event: str) -> Any:
        raise AssertionError("no function has this route")

    with running(write_template(tmp_path, default=False), fail) as port:
        answer = httpx.request(method, f"http://127.0.0.1:{port}{path}", trust_env=False)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == (b"" if method == "HEAD" else b'{"message":"Not Found"}')


def result(client: httpx.Client, value: Any) -> httpx.Response:
    """The answer to a function that returns a value."""
    return client.get("/plain", headers={"X-Do": "return", "X-Result": json.dumps(value)})


def test_an_answer_has_what_the_function_says(client: httpx.Client) -> None:
    answer = result(
        client,
        {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html; charset=utf-8", "X-Number": 3, "location": "/x"},
            "cookies": ["a=1; Secure", "b=2"],
            "body": "<p>ü</p>",
        },
    )
    assert answer.status_code == 201
    assert answer.text == "<p>ü</p>"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-number"] == "3"
    assert answer.headers["location"] == "/x"
    assert answer.headers.get_list("set-cookie") == ["a=1; Secure", "b=2"]


def test_a_base64_answer_is_decoded(client: httpx.Client) -> None:
    body = bytes(range(256))
    encoded = base64.b64encode(body).decode()
    assert result(client, {"statusCode": 200, "body": encoded, "isBase64Encoded": True}).content == body


def test_an_answer_without_content(client: httpx.Client) -> None:
    answer = result(client, {"statusCode": 204})
    assert answer.status_code == 204
    assert answer.content == b""
    assert not {"content-type", "content-length", "transfer-encoding"} & set(answer.headers)


def test_an_answer_without_a_content_type_is_plain_text(client: httpx.Client) -> None:
    assert result(client, {"statusCode": 400, "body": "x"}).headers["content-type"] == "text/plain;charset=UTF-8"


@pytest.mark.parametrize(("value", "body"), [({"a": 1}, '{"a": 1}'), ("text", "text"), ([1], "[1]")])
def test_a_result_without_a_status_is_the_body(client: httpx.Client, value: Any, body: str) -> None:
    answer = result(client, value)
    assert answer.status_code == 200
    assert answer.text == body
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "value",
    [
        {"statusCode": "many"},
        {"statusCode": 42},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "body": "a", "isBase64Encoded": True},
    ],
)
def test_a_result_that_is_no_answer_is_500(client: httpx.Client, value: Any) -> None:
    assert_internal_error(result(client, value))


@pytest.mark.parametrize("failure", ["raise", "exit", "hang"])
@pytest.mark.parametrize("path", ["/plain", "/elsewhere"])
def test_a_function_that_fails_is_500_and_the_next_request_succeeds(
    client: httpx.Client, failure: str, path: str
) -> None:
    assert_internal_error(client.get(path, headers={"X-Do": failure}))
    assert client.get(path).status_code == 200


def assert_internal_error(answer: httpx.Response) -> None:
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == b'{"message":"Internal Server Error"}'


def test_requests_run_at_once(tmp_path: Path) -> None:
    meeting = threading.Barrier(3)

    def invoke(function: str, event: str) -> Answer:
        # Breaks, where one request is answered before the next is taken.
        meeting.wait(PATIENCE)
        return Answer('{"statusCode": 200}', failed=False)

    with running(write_template(tmp_path, default=False), invoke) as port, ThreadPoolExecutor(3) as threads:
        url = f"http://127.0.0.1:{port}/plain"
        asked = [threads.submit(httpx.get, url, trust_env=False, timeout=None) for _ in range(3)]
        assert [each.result().status_code for each in asked] == [200] * 3


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_ten_megabytes_is_refused(client: httpx.Client, declared: bool) -> None:
    body = b"x" * (BODY_LIMIT_BYTES + 1)
    answer = client.post("/items/1", content=body if declared else iter([body]))
    assert answer.status_code == 413
    assert answer.json() == {"message": "Request Entity Too Large"}


@pytest.mark.parametrize("path", ["/items/1", "/elsewhere"])
def test_an_event_over_lambdas_six_megabytes_is_refused(client: httpx.Client, path: str) -> None:
    text = {"Content-Type": "text/plain"}
    assert client.post(path, content=b"x" * (6 * 1024 * 1024), headers=text).status_code == 413
    # Base64 makes a third more of it.
    assert client.post(path, content=b"x" * (5 * 1024 * 1024)).status_code == 413
    assert client.post(path, content=b"x" * (5 * 1024 * 1024), headers=text).status_code == 200


def test_a_client_that_asks_first_may_send_or_is_refused(port: int) -> None:
    head = "POST /items/1 HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as asking, asking.makefile("rb") as answers:
        asking.sendall(head.format(2).encode())
        assert answers.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert answers.readline() == b"\r\n"
        asking.sendall(b"{}")
        assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as asking, asking.makefile("rb") as answers:
        asking.sendall(head.format(BODY_LIMIT_BYTES + 1).encode())
        assert answers.readline().startswith(b"HTTP/1.1 413 ")


def test_a_length_that_is_none_is_a_bad_request(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client, client.makefile("rb") as answers:
        client.sendall(b"POST /items/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n")
        assert answers.readline().startswith(b"HTTP/1.1 400 ")


def test_a_connection_serves_many_requests(port: int) -> None:
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.connect()
        own = connection.sock.getsockname()
        for headers in ({}, {"X-Do": "raise"}, {}):
            connection.request("POST", "/items/1", body=b"{}", headers=headers)
            connection.getresponse().read()
            assert connection.sock is not None
            assert connection.sock.getsockname() == own
