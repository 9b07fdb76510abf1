"""Whatever a client sends: what it costs to refuse it, and how much of it comes back."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast
from urllib.parse import urlencode

import pytest

from polypost.dialects import all_dialects, published_endpoints
from polypost.wire.models import WireModel, members
from support.lambda_events import http_event
from support.metered import Meter, Metered, metered
from support.routes import find_route
from support.template_engine import Engine

from . import test_dialects
from .conftest import SECRET, Api
from .dialect_battery import DialectBattery, Sent

#: As much as Lambda takes.
SIZE: Final = 6_000_000

#: Stands for a client's text, and is in no message of our own.
MARK: Final = "\u03a8"

#: What stands in place of a path's parameters.
VALUE: Final = "5"

ENDPOINTS = [(method, path) for path, methods in published_endpoints().items() for method in methods]
WITH_BODIES = [(method, path) for method, path in ENDPOINTS if method in ("POST", "PUT")]
FORMATS = {"application/json": "json", "application/xml": "xml", "application/x-www-form-urlencoded": "form"}

#: A battery of each dialect, for bodies that are signed as it wants them.
BATTERIES = {
    battery.path: battery for battery in DialectBattery.__subclasses__() if battery.__module__ == test_dialects.__name__
}


def concrete(path: str) -> str:
    return re.sub(r"\{\w+\}", VALUE, path)


def json_shapes(signature: str) -> Iterator[tuple[str, str]]:
    """Bodies of JSON that are no valid request, each with what it is. Parameters: signature, members to begin with."""
    begin = f"{{{signature}, "
    value = f'{begin}"x": "'
    yield "a long string, and all members missing", f'{value}{"x" * SIZE}"}}'
    yield "a long string of another script", f'{value}{MARK * (SIZE // 2)}"}}'
    yield "a long string with one character of four bytes", f'{value}{"x" * SIZE}😀"}}'
    yield "a long string of escapes", value + r"\n" * (SIZE // 2) + '"}'
    yield "a long string of surrogate pairs", value + r"\ud83d\ude00" * (SIZE // 12) + '"}'
    yield "halves of surrogate pairs", value + r"\ud83d" * (SIZE // 6) + '"}'
    yield "a string without an end", value + r"\"" * (SIZE // 2)
    yield "a long name", f'{begin}"{MARK * (SIZE // 2)}": 1}}'
    yield "a million members", begin + ",".join(f'"{number}":1' for number in range(SIZE // 10)) + "}"
    yield "a million lists", f'{begin}"ExternalIds": [{"[]," * (SIZE // 3)}1]}}'
    yield "a million objects", f'{begin}"ExternalIds": [{"{}," * (SIZE // 3)}1]}}'
    yield "some thousand objects", f'{begin}"ExternalIds": [{"{}," * 8_000}1]}}'
    yield "a million strings", "[" + '"",' * (SIZE // 3) + "1]"
    yield "deep lists", f'{begin}"x": {"[" * SIZE}'
    yield "deep objects", f'{begin}"x": ' + '{"a":' * (SIZE // 5)
    yield "a long number", f'{begin}"type": {"9" * SIZE}, "PreferredStoreId": {"9" * 20_000}}}'
    yield "a long fraction", f'{begin}"type": 0.{"9" * SIZE}}}'
    yield "a large exponent", f'{begin}"type": 1e{"9" * SIZE}}}'
    yield "blanks", " " * SIZE
    yield "blanks after an object", f"{{{signature}}}{' ' * SIZE}"
    yield "quotation marks", '"' * SIZE
    yield "backslashes", "\\" * SIZE
    yield "no JSON", MARK * (SIZE // 2)
    yield "zero bytes", "\0" * SIZE


def xml_shapes(begin: str, end: str) -> Iterator[tuple[str, str]]:
    """Bodies of XML that are no valid request. Parameters: begin and end, what stands before and after."""
    attributes = " ".join(f'a{number}=""' for number in range(SIZE // 12))
    namespaces = " ".join(f'xmlns:a{number}="u"' for number in range(SIZE // 18))
    within = {
        "a long text": f"<x>{MARK * (SIZE // 2)}</x>",
        "a long text of references": f"<x>{'&#65;&amp;' * (SIZE // 10)}</x>",
        "a million lines": "<x>" + "\n" * SIZE + "</x>",
        "a million sections": f"<x>{'<![CDATA[a]]>' * (SIZE // 13)}</x>",
        "a million comments": "<!---->" * (SIZE // 7),
        "a long comment": f"<!--{'x' * SIZE}-->",
        "a million elements": "<a/>" * (SIZE // 4),
        "deep elements": "<a>" * (SIZE // 3),
        "a million attributes": f"<a {attributes}/>",
        "a million namespaces": f"<a {namespaces}/>",
        "a long attribute": f'<a b="{MARK * (SIZE // 2)}"/>',
        "a long name": f"<{MARK * (SIZE // 2)}/>",
        "a long namespace": f'<a xmlns="{"u" * SIZE}"/>',
    }
    yield from ((what, f"{begin}{content}{end}") for what, content in within.items())
    yield "another root", f"<a>{MARK * (SIZE // 2)}</a>"
    yield "a long root", f"<{MARK * (SIZE // 2)}/>"
    yield "an entity", f'<!DOCTYPE a [<!ENTITY b "{"x" * SIZE}">]><a>&b;</a>'
    yield "a long declaration", f"<?xml {' encoding' * (SIZE // 9)}?><a/>"
    yield "no XML", MARK * (SIZE // 2)
    yield "the beginnings of tags", "<" * SIZE
    yield "blanks", " " * SIZE


def form_shapes(signature: str) -> Iterator[tuple[str, str]]:
    """Forms that are no valid request. Parameters: signature, fields to begin with."""
    yield "a million pairs", f"{signature}&{'a=1&' * (SIZE // 4)}"
    yield "a million separators", "&" * SIZE
    yield "a long value", f"{signature}&a={'%CE%A8' * (SIZE // 6)}"
    yield "a long name", f"{signature}&{'%CE%A8' * (SIZE // 6)}=1"
    yield "a deep name", f"{signature}&{'a[0]' * (SIZE // 4)}=1"
    yield "blanks", f"{signature}&a={'+' * SIZE}"
    yield "no UTF-8", f"{signature}&a={'%FF' * (SIZE // 3)}"


def shapes(body_format: str, api: Api, path: str) -> Iterator[tuple[str, str]]:
    """Large bodies for an endpoint, none of them valid, with the credentials wherever some dialect has them."""
    key = {"Authentication": {"Id": api.keyid, "Key": SECRET}, "AppAccessKey": f"{api.keyid}.{SECRET}"}
    if body_format == "json":
        yield from json_shapes(json.dumps(key | {"Id": "none"})[1:-1])
    elif body_format == "form":
        yield from form_shapes(f"AppAccessKey={key['AppAccessKey']}")
    elif path in BATTERIES and "application/xml" in BATTERIES[path].bodies:
        battery = BATTERIES[path]()
        sent = battery.sign(Sent("application/xml", battery.bodies["application/xml"]), (api.keyid, SECRET))
        begin, tag, root = sent.with_member(battery.too_long[0], None).body.rpartition("</")
        yield from xml_shapes(begin, tag + root)
    else:
        yield from xml_shapes("<a>", "</a>")


def basic(api: Api) -> dict[str, str]:
    return {"authorization": f"Basic {b64encode(f'{api.keyid}:{SECRET}'.encode()).decode()}"}


def check_short(status: int, headers: Mapping[str, str], body: str) -> None:
    """Assert that a refusal is short, and repeats no more than 200 characters of the request in one piece."""
    assert status >= 400
    assert len(body) < 10_000
    said = json.dumps([body, dict(headers)], ensure_ascii=False)
    for repeated in (MARK, "x", "9"):
        assert repeated * 201 not in said


@pytest.fixture(scope="module")
def meter(session_engine: Engine) -> Iterator[Meter]:
    with metered() as meter:
        yield meter


@pytest.mark.parametrize(("method", "path"), WITH_BODIES, ids=lambda part: part)
def test_a_large_body_is_refused_at_little_cost(api: Api, meter: Meter, tmp_path: Path, method: str, path: str) -> None:
    route = find_route(api.template, method, concrete(path))
    file = tmp_path / "body"

    def refusal(media_type: str, body: str) -> Metered:
        file.write_text(body, encoding="utf-8")
        headers = basic(api) | {"content-type": media_type}
        event = {"route": route.path, "path_parameters": route.parameters, "headers": headers}
        return meter.send(route.function, method, concrete(path), file, **event)

    for media_type, body_format in FORMATS.items():
        refusal(media_type, "x")
        for shape, body in shapes(body_format, api, path):
            answer = refusal(media_type, body)
            what = f"{body_format}, {shape}: {answer}"[:1000]
            if answer.status == HTTPStatus.OK:
                # StratusCore's document requires no member of the request, and what it does not know is ignored.
                assert path == "/api/v1/contact/coffeepage", what
            else:
                check_short(answer.status, answer.headers, answer.body)
            assert answer.status < 500, what
            assert answer.cpu_seconds < 1, what
            assert answer.peak_megabytes < 300, what
            if answer.status not in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST):
                # No other body of this length is looked at either.
                break


def send(api: Api, method: str, path: str, query: str = "", **event: Any) -> dict[str, Any]:
    """Send a request to whatever function the template routes it to."""
    try:
        route = find_route(api.template, method, path)
        function, event = route.function, {"route": route.path, "path_parameters": route.parameters} | event
    except LookupError:
        function = "default_route"
    result: dict[str, Any] = api.invoke(function, http_event(method, path, query, **event))
    return result


def check_refusal(answer: Mapping[str, Any]) -> None:
    """Assert that an answer is short if it is a refusal: what succeeds may show what was asked for."""
    if answer["statusCode"] >= 400:
        check_short(answer["statusCode"], answer["headers"], answer["body"])
        assert answer["statusCode"] < 500


#: Texts that are longer than anything that is right, and that no request line of API Gateway is too short for.
LONG_TEXTS = [MARK * 3000, "9" * 9000, "x" * 9000, f"2026-{'9' * 5000}", f"{MARK * 500}@{'x' * 3000}.example"]

PARAMETERS = (
    *("sourceSystem", "campaignId", "startTimeUTC", "endTimeUTC", "page", "pageSize"),
    *("cursor", "limit", "modifiedSince", "secret", "email", "phone", "phoneCountryCode", "externalSystem"),
    *("externalId", MARK * 500),
)


@pytest.mark.parametrize(("method", "path"), ENDPOINTS, ids=lambda part: part)
def test_no_long_text_of_a_query_comes_back(api: Api, method: str, path: str) -> None:
    for text in LONG_TEXTS:
        for name in PARAMETERS:
            query = urlencode({name: text})
            check_refusal(send(api, method, concrete(path), query, headers=basic(api)))
            check_refusal(send(api, method, concrete(path), f"{query}&{query}", headers=basic(api)))
        check_refusal(send(api, "PATCH", concrete(path), urlencode({"a": text})))


@pytest.mark.parametrize(("method", "path"), ENDPOINTS, ids=lambda part: part)
def test_no_long_text_of_a_path_comes_back(api: Api, method: str, path: str) -> None:
    for text in LONG_TEXTS:
        for name in re.findall(r"\{\w+\}", path):
            check_refusal(send(api, method, concrete(path.replace(name, text)), headers=basic(api)))
        check_refusal(send(api, method, f"{concrete(path)}/{text}/{text}", headers=basic(api)))
        check_refusal(send(api, method, f"/{text}{concrete(path)}", headers=basic(api)))
        check_refusal(send(api, text, concrete(path), headers=basic(api)))


@pytest.mark.parametrize(("method", "path"), ENDPOINTS, ids=lambda part: part)
def test_no_long_text_of_a_header_comes_back(api: Api, method: str, path: str) -> None:
    for text in LONG_TEXTS:
        token = b64encode(f"{text}:{text}".encode()).decode()
        for headers in (
            {"content-type": text},
            {"content-type": f"application/{text}; charset={text}"},
            *({"content-type": f"{media_type}; charset={text}"} for media_type in FORMATS),
            {"content-type": "application/json", "accept": text},
            {"content-type": "application/json", "accept": f"application/{text};q={text}, {text}"},
            {"content-type": "application/json", "idempotency-key": text},
            {"content-type": "application/json", "authorization": text},
            {"content-type": "application/json", "authorization": f"Basic {token}"},
        ):
            check_refusal(send(api, method, concrete(path), headers=basic(api) | headers, body=b"{}"))


@pytest.mark.parametrize("battery", BATTERIES.values(), ids=lambda battery: battery.__name__)
def test_no_long_text_of_a_member_comes_back(api: Api, battery: type[DialectBattery]) -> None:
    for media_type, text_of_body in battery.bodies.items():
        valid = battery().sign(Sent(media_type, text_of_body), (api.keyid, SECRET))
        for name in names_of(battery):
            for text in LONG_TEXTS:
                sent = valid.with_member(name, text)
                headers = basic(api) | {"content-type": media_type}
                check_refusal(send(api, "POST", battery.path, headers=headers, body=sent.body.encode()))


def names_of(battery: type[DialectBattery]) -> set[str]:
    """Every member that a body of a battery's dialect may have, at whatever depth."""
    (dialect,) = (each for each in all_dialects() if battery.path.startswith(each.BASE_PATHS))
    return {
        name
        for model in descendants(WireModel)
        if model.__module__.startswith(cast(ModuleType, dialect).__name__)
        for name in members(model)
    }


def descendants(model: type[WireModel]) -> Iterator[type[WireModel]]:
    """All models that are made of one."""
    for child in model.__subclasses__():
        yield child
        yield from descendants(child)
