"""What every dialect must do, whatever it says: one battery of tests that an endpoint of each inherits.

A dialect plugs in with a class in `test_dialects.py` that says what is its own:

    class TestContacts(DialectBattery):
        path = "/api/v1/Contacts"
        scope = Scope.CONTACTS_WRITE
        bodies: ClassVar = {"application/json": '{"RegistrationSource": "web form"}'}
        success = HTTPStatus.CREATED
        writes = ("application/json", "text/json")
        too_long = ("LatestPermissionSource", 4001, HTTPStatus.BAD_REQUEST)

        def check_error(self, reply: Reply) -> None:
            assert list(json.loads(reply.body))[0] == "Message"

Its credentials are HTTP Basic's unless it overrides `sign`. A row that its endpoint needs beforehand is the work of an
autouse fixture in the class.
"""

import gzip
import json
import random
import re
import string
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest

from polypost import runtime
from polypost.models.access import Scope, Space
from support.lambda_events import http_event
from support.routes import find_route
from support.template_engine import Engine

from .conftest import CREATED_AT, SECRET, Api, create_credential

#: A keyid and a secret.
Credentials = tuple[str, str]


@dataclass(frozen=True)
class Sent:
    """A request's media type, body and headers."""

    media_type: str
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def with_member(self, name: str, value: str | None) -> "Sent":
        """The same request with another value of a member, at whatever depth it stands; a new one stands at the top.

        Parameters: value, or None for the request without the member.
        """
        change = {"json": _in_json, "xml": _in_xml}.get(self.media_type.rpartition("/")[2], _in_form)
        return replace(self, body=change(self.body, name, value))

    def with_a_member_twice(self) -> "Sent":
        """The same request with its last member once more."""
        double = {"json": _twice_in_json, "xml": _twice_in_xml}.get(self.media_type.rpartition("/")[2], _twice_in_form)
        return replace(self, body=double(self.body))


def _in_json(text: str, name: str, value: str | None) -> str:
    body = json.loads(text)
    owner = next((members for members in _objects(body) if name in members), body)
    owner[name] = value
    if value is None:
        del owner[name]
    return json.dumps(body)


def _objects(members: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield members
    for member in members.values():
        if isinstance(member, dict):
            yield from _objects(member)


def _in_xml(text: str, name: str, value: str | None) -> str:
    element = re.compile(rf"(<((?:\w+:)?{name})\b[^>]*>).*?(</\2>)", re.DOTALL)
    if value is None:
        return element.sub("", text)
    if element.search(text):
        return element.sub(lambda found: found[1] + escape(value) + found[3], text)
    before, end, root = text.rpartition("</")
    return f"{before}<{name}>{escape(value)}</{name}>{end}{root}"


def _twice_in_json(text: str) -> str:
    *_, last = json.loads(text).items()
    return f"{text[:-1]}, {json.dumps(dict([last]))[1:]}"


def _twice_in_xml(text: str) -> str:
    root = ElementTree.fromstring(text)  # noqa: S314 - the tests' own
    root.append(root[-1])
    return ElementTree.tostring(root, encoding="unicode")


def _twice_in_form(text: str) -> str:
    return f"{text}&{text.rpartition('&')[2]}"


def _in_form(text: str, name: str, value: str | None) -> str:
    fields = dict(parse_qsl(text, keep_blank_values=True)) | {name: value}
    return urlencode({name: value for name, value in fields.items() if value is not None})


@dataclass(frozen=True)
class Reply:
    """What a client sees of a response."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def media_type(self) -> str:
        """Of the body, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0]


#: Longer than a key of DynamoDB may be.
LONG_KEYID = "k" * 3000

#: By a media type's last part: what is no body of it, whatever the endpoint.
MALFORMED = {
    "json": {
        "nothing": b"",
        "white space": b" \n",
        "an open object": b"{",
        "two objects": b"{} {}",
        "a list": b"[]",
        "null": b"null",
        "a text": b'"text"',
        "no UTF-8": b'{"a": "\xff"}',
        "half a surrogate pair": b'{"a": "\\ud800"}',
        "10,000 lists": b"[" * 10_000,
        "10,000 objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    },
    "xml": {
        "nothing": b"",
        "an open element": b"<a>",
        "two roots": b"<a/><a/>",
        "another root": b"<a/>",
        "no UTF-8": b"<a>\xff</a>",
        "another encoding": b'<?xml version="1.0" encoding="utf-16"?><a>\xff</a>',
        "an encoding that is none": b'<?xml version="1.0" encoding="zlib"?><a>\xff</a>',
        "a document type": b"<!DOCTYPE a><a/>",
        "entities": b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
        "an external entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>',
        "a processing instruction": b"<?b c?><a/>",
        "5,000 elements": b"<a>" * 5_000 + b"</a>" * 5_000,
    },
    "x-www-form-urlencoded": {
        "nothing": b"",
        "no UTF-8": b"a=%ff",
        "5,000 fields": b"&".join(b"%d=1" % number for number in range(5_000)),
    },
}

#: What some dialect reads, or none does.
MEDIA_TYPES = (
    "application/json",
    "text/json",
    "application/xml",
    "text/xml",
    "application/x-www-form-urlencoded",
    "",
    "nonsense",
    "text/plain",
    "application/octet-stream",
    "multipart/form-data; boundary=a",
    "application/json; charset=iso-8859-1",
    "text/xml; charset=utf-7",
    "text/xml; charset=zlib",
)


@cache
def random_text(characters: int) -> str:
    """A text that no format escapes, and that does not compress to less than three quarters."""
    alphabet = string.ascii_letters + string.digits
    return "".join(random.Random(1).choices(alphabet, k=characters))  # noqa: S311 - reproducible, not secret


class DialectBattery(ABC):
    """The tests of one endpoint, which takes a POST with a body.

    `path` is that of a request; `scope` what its caller needs; `bodies` a body that succeeds for each media type that
    the endpoint reads; `success` the status of what succeeds; `writes` the media types of its answers, the preferred
    one first; `too_long` a member, a number of characters that it cannot have, and the status that says so;
    `unavailable` the status of what may succeed if it is sent again; `longest_body` the bytes that are read at all,
    where no valid body has many.
    """

    path: ClassVar[str]
    scope: ClassVar[Scope]
    bodies: ClassVar[Mapping[str, str]]
    success: ClassVar[HTTPStatus]
    writes: ClassVar[tuple[str, ...]]
    too_long: ClassVar[tuple[str, int, HTTPStatus]]
    unavailable: ClassVar[HTTPStatus] = HTTPStatus.SERVICE_UNAVAILABLE
    longest_body: ClassVar[int | None] = 65_536

    def sign(self, request: Sent, credentials: Credentials | None) -> Sent:
        """The request with credentials, or without any."""
        if credentials is None:
            return request
        token = b64encode(":".join(credentials).encode()).decode()
        return replace(request, headers={**request.headers, "authorization": f"Basic {token}"})

    @abstractmethod
    def check_error(self, reply: Reply) -> None:
        """Assert that a refusal is worded as the dialect words it, in the reply's media type."""

    # --- what the tests are made of -----------------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give a test each media type, and with it each Accept, or whatever else it asks for by name."""
        asked = set(metafunc.fixturenames)
        if "malformed" in asked:
            cases = [
                pytest.param(media_type, body, id=f"{media_type}, {what}")
                for media_type in self.bodies
                for what, body in MALFORMED[media_type.rpartition("/")[2]].items()
            ]
            metafunc.parametrize(("media_type", "malformed"), cases)
        elif "media_type" in asked:
            metafunc.parametrize("media_type", list(self.bodies))
        if "accept" in asked:
            metafunc.parametrize("accept", ["", "*/*", "image/png", *self.writes])
        if "unknown_media_type" in asked:
            unread = [each for each in MEDIA_TYPES if each not in self.bodies]
            metafunc.parametrize("unknown_media_type", unread)

    def valid(self, api: Api, media_type: str = "") -> Sent:
        """A request that succeeds, in the endpoint's first media type unless another one is asked for."""
        media_type = media_type or next(iter(self.bodies))
        return self.sign(Sent(media_type, self.bodies[media_type]), (api.keyid, SECRET))

    def post(self, api: Api, sent: Sent, *, body: bytes | None = None, method: str = "POST", **event: Any) -> Reply:
        """Send a request; `body` replaces its own, and `event` what else `http_event` takes."""
        path = event.pop("path", self.path)
        try:
            route = find_route(api.template, method, path)
            function, event = route.function, {"route": route.path, "path_parameters": route.parameters} | event
        except LookupError:
            function = "default_route"
        content = sent.body.encode() if body is None else body
        headers = {"content-type": sent.media_type, **sent.headers}
        result = api.invoke(function, http_event(method, path, headers=headers, body=content, **event))
        return Reply(result["statusCode"], result["headers"], result["body"])

    def refused(self, reply: Reply, status: HTTPStatus, engine: Engine | None = None) -> None:
        """Assert that a request was refused in the dialect's words.

        Parameters: engine, which nothing was written to.
        """
        assert reply.status == status, reply.body
        assert reply.media_type in self.writes
        self.check_error(reply)
        assert ("WWW-Authenticate" in reply.headers) == (status is HTTPStatus.UNAUTHORIZED)
        # A sentence ends once, and nothing is shown as Python shows it.
        assert not re.search(r"\.\.|\['|<[A-Z]\w+\.[A-Z]|\bNone\b", reply.body), reply.body
        if engine is not None:
            assert {call.action for call in engine.calls} <= {"BatchGetItem", "GetItem", "Query"}

    def succeeded(self, reply: Reply) -> None:
        """Assert that a request succeeded."""
        assert reply.status == self.success, reply.body
        assert not reply.body or reply.media_type in self.writes

    def answered_in(self, media_type: str, accept: str = "") -> str:
        """The media type of an answer: the accepted one, else the request's own, else the preferred one.

        Parameters: accept, one media type, or the range of all, of which the preferred one is taken.
        """
        preferred = self.writes[0]
        wanted = (preferred if accept == "*/*" else accept, media_type.partition(";")[0], preferred)
        return next(each for each in wanted if each in self.writes)

    # --- who may ------------------------------------------------------------------------------------------------------

    def test_a_valid_request_succeeds(self, api: Api, media_type: str) -> None:
        self.succeeded(self.post(api, self.valid(api, media_type)))

    def test_wrong_credentials_all_look_the_same(self, api: Api, engine: Engine, media_type: str) -> None:
        other = f"{api.space}-b"
        assert runtime.access().create_space(Space(id=other, created_at=CREATED_AT))
        create_credential(f"others-{api.space}", other)
        create_credential(f"expired-{api.space}", api.space, expires_at=datetime.now(UTC) - timedelta(seconds=1))
        engine.calls.clear()
        host = f"{api.space}.localhost"
        wrong: dict[str, Credentials | None] = {
            "missing": None,
            "empty": ("", ""),
            "an unknown key": ("nobody", SECRET),
            "a key longer than any": (LONG_KEYID, SECRET),
            "a wrong secret": (api.keyid, "wrong"),
            "no secret": (api.keyid, ""),
            "expired": (f"expired-{api.space}", SECRET),
            "of another space": (f"others-{api.space}", SECRET),
        }
        request = Sent(media_type, self.bodies[media_type])
        replies = {what: self.post(api, self.sign(request, each), host=host) for what, each in wrong.items()}
        for reply in replies.values():
            self.refused(reply, HTTPStatus.UNAUTHORIZED, engine)
        # DynamoDB would call it an error of the service.
        assert not any(LONG_KEYID in str(call.request) for call in engine.calls)
        # But for the time of day.
        texts = {what: (re.sub("[0-9]", "0", reply.body), reply.headers) for what, reply in replies.items()}
        assert texts == dict.fromkeys(texts, texts["missing"])
        self.succeeded(self.post(api, self.valid(api, media_type), host=host))

    def test_a_credential_needs_the_scope_and_no_other(self, api: Api, engine: Engine, media_type: str) -> None:
        create_credential(f"others-{api.space}", api.space, scopes=frozenset(Scope) - {self.scope})
        create_credential(f"only-{api.space}", api.space, scopes=frozenset({self.scope}))
        engine.calls.clear()
        request = Sent(media_type, self.bodies[media_type])
        reply = self.post(api, self.sign(request, (f"others-{api.space}", SECRET)))
        self.refused(reply, HTTPStatus.FORBIDDEN, engine)
        self.succeeded(self.post(api, self.sign(request, (f"only-{api.space}", SECRET))))

    def test_an_unknown_space_is_told_before_the_credentials(self, api: Api, engine: Engine, media_type: str) -> None:
        request = Sent(media_type, self.bodies[media_type])
        self.refused(self.post(api, request, host="nobody.localhost"), HTTPStatus.NOT_FOUND, engine)

    # --- bodies -------------------------------------------------------------------------------------------------------

    def test_a_malformed_body_is_an_invalid_request(
        self, api: Api, engine: Engine, media_type: str, malformed: bytes
    ) -> None:
        reply = self.post(api, self.valid(api, media_type), body=malformed)
        self.refused(reply, HTTPStatus.BAD_REQUEST, engine)

    def test_another_media_type_is_refused(self, api: Api, engine: Engine, unknown_media_type: str) -> None:
        reply = self.post(api, replace(self.valid(api), media_type=unknown_media_type))
        self.refused(reply, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, engine)
        assert reply.media_type == self.answered_in(unknown_media_type)

    @pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
    def test_a_compressed_body_is_refused(self, api: Api, engine: Engine, media_type: str, coding: str) -> None:
        valid = self.valid(api, media_type)
        coded = replace(valid, headers={**valid.headers, "content-encoding": coding})
        for sent, body in ((coded, gzip.compress(valid.body.encode())), (coded, None)):
            reply = self.post(api, sent, body=body)
            self.refused(reply, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, engine)
            assert reply.headers["Accept-Encoding"] == "identity"
        plain = replace(valid, headers={**valid.headers, "content-encoding": "identity"})
        self.succeeded(self.post(api, plain))

    def test_a_member_that_is_given_twice_is_refused(self, api: Api, engine: Engine, media_type: str) -> None:
        reply = self.post(api, self.valid(api, media_type).with_a_member_twice())
        self.refused(reply, HTTPStatus.BAD_REQUEST, engine)
        assert "is given more than once" in reply.body

    def test_what_is_too_long_is_refused(self, api: Api, engine: Engine, media_type: str) -> None:
        member, characters, status = self.too_long
        reply = self.post(api, self.valid(api, media_type).with_member(member, random_text(characters)))
        self.refused(reply, status, engine)

    def test_a_body_longer_than_any_is_refused_by_its_length(self, api: Api, engine: Engine, media_type: str) -> None:
        valid = self.valid(api, media_type)
        filling = b"&x=" if media_type.endswith("form-urlencoded") else b"\n"
        longest = (valid.body.encode() + filling).ljust(self.longest_body or 65_536, filling[-1:])
        self.succeeded(self.post(api, valid, body=longest))
        engine.calls.clear()
        if self.longest_body:
            self.refused(self.post(api, valid, body=longest + b"x"), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, engine)
        else:
            self.succeeded(self.post(api, valid, body=longest + b"\n"))

    def test_unknown_members_are_ignored(self, api: Api, media_type: str) -> None:
        self.succeeded(self.post(api, self.valid(api, media_type).with_member("colour", "blue")))

    # --- answers ------------------------------------------------------------------------------------------------------

    def test_accept_chooses_the_answers_media_type(self, api: Api, media_type: str, accept: str) -> None:
        expected = self.answered_in(media_type, accept)
        valid = self.valid(api, media_type)
        accepting = replace(valid, headers={**valid.headers, "accept": accept})
        reply = self.post(api, accepting)
        self.succeeded(reply)
        assert reply.media_type == (expected if reply.body else "")
        refusal = self.post(api, accepting, body=b"")
        self.refused(refusal, HTTPStatus.BAD_REQUEST)
        assert refusal.media_type == expected

    def test_of_what_is_accepted_alike_json_comes_first(self, api: Api, media_type: str) -> None:
        backwards = ", ".join([*reversed(self.writes), "*/*"])
        valid = self.valid(api, media_type)
        refusal = self.post(api, replace(valid, headers={**valid.headers, "accept": backwards}), body=b"")
        self.refused(refusal, HTTPStatus.BAD_REQUEST)
        assert refusal.media_type == next(each for each in reversed(self.writes) if each.endswith("json"))

    def test_a_request_sent_again_under_its_key_is_answered_again(self, api: Api, media_type: str) -> None:
        valid = self.valid(api, media_type)
        keyed = replace(valid, headers={**valid.headers, "idempotency-key": "key"})
        self.refused(self.post(api, keyed, body=b""), HTTPStatus.BAD_REQUEST)
        first = self.post(api, keyed)
        self.succeeded(first)
        assert self.post(api, keyed) == first
        self.refused(self.post(api, keyed.with_member("colour", "blue")), HTTPStatus.CONFLICT)

    def test_what_stands_beside_the_endpoint_is_told_in_the_same_words(self, api: Api, engine: Engine) -> None:
        request = self.valid(api)
        self.refused(self.post(api, request, path=f"{self.path}/no/such"), HTTPStatus.NOT_FOUND, engine)
        reply = self.post(api, request, method="PATCH")
        self.refused(reply, HTTPStatus.METHOD_NOT_ALLOWED, engine)
        assert "POST" in reply.headers["Allow"].split(", ")

    def test_a_fault_says_nothing_of_itself(self, api: Api, media_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(runtime.access(), "_table", "no-such-table")
            reply = self.post(api, self.valid(api, media_type))
        self.refused(reply, self.unavailable)
        assert "no-such-table" not in reply.body
        with monkeypatch.context() as patch:
            patch.setattr(runtime.access(), "_client", None)
            reply = self.post(api, self.valid(api, media_type))
        self.refused(reply, HTTPStatus.INTERNAL_SERVER_ERROR)
        assert "NoneType" not in reply.body
