"""Which format a request is read in and its response written in; JSON and form bodies; what is wrong with them."""

import gzip
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Literal
from unittest.mock import ANY
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from polypost.errors import CompressedBody, InvalidFields, InvalidRequest, UnsupportedCharset, UnsupportedMediaType
from polypost.models.date_time_offset import DateTimeOffset
from polypost.web.http import Request
from polypost.wire.aspnet import AspNetModel
from polypost.wire.codec import Codec
from polypost.wire.dotnet import Boolean, Guid, Int32, MaxLength, RequiredText
from polypost.wire.form import FORM, MAX_FIELDS
from polypost.wire.json import JSON, JSON_NET
from polypost.wire.models import WireModel
from polypost.wire.xml import XML

JSON_ONLY = Codec(reads=(JSON, FORM), writes=(JSON,))
ALL = Codec(reads=(JSON, XML, FORM), writes=(JSON, XML))


class ExternalId(AspNetModel):
    System: RequiredText
    Id: Annotated[RequiredText, MaxLength(5)]


class Person(AspNetModel):
    Name: RequiredText
    Nick: Annotated[str, MaxLength(5)] | None = None
    StoreId: Int32 | None = None
    Limited: Boolean = False
    Account: Guid | None = None
    Born: DateTimeOffset | None = None
    ExternalIds: Annotated[tuple[ExternalId, ...], Field(max_length=3)] = ()
    Owner: ExternalId | None = None


class Switch(AspNetModel):
    State: Literal["true", "auto"]
    Level: Literal["1"] | None = None


class Exact(WireModel):
    name: str
    number: int = 0


def request(body: str | bytes = b"", content_type: str | None = "application/json", accept: str = "") -> Request:
    headers = {"content-type": content_type, "accept": accept}
    return Request(
        "POST",
        "/",
        headers={name: value for name, value in headers.items() if value},
        body=body.encode() if isinstance(body, str) else body,
    )


def read(body: str | bytes, content_type: str = "application/json") -> Person:
    return ALL.decode(request(body, content_type), Person)


def form(body: str | bytes) -> Person:
    return read(body, "application/x-www-form-urlencoded")


def problems(body: str | bytes, content_type: str = "application/json") -> Mapping[str, list[str]]:
    with pytest.raises(InvalidRequest) as raised:
        read(body, content_type)
    return {field: list(messages) for field, messages in raised.value.problems.items()}


# --- Negotiation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "accept", "written"),
    [
        (None, "", "application/json"),
        ("application/json", "", "application/json"),
        ("TEXT/JSON; charset=utf-8", "", "text/json"),
        ("text/xml", "", "text/xml"),
        ("application/xml", "", "application/xml"),
        ("application/x-www-form-urlencoded", "", "application/json"),
        ("text/plain", "", "application/json"),
        # A tie: what is named before a range, then JSON before XML, then what is named first. The request's own format
        # has no say in it.
        ("text/xml", "*/*", "application/json"),
        (None, "*/*", "application/json"),
        ("text/json", "*/*", "application/json"),
        ("application/xml", "application/*", "application/json"),
        ("text/xml", "application/*", "application/json"),
        ("application/json", "text/*", "text/json"),
        ("text/xml", "text/*", "text/json"),
        ("text/xml", "application/xml, application/json", "application/json"),
        ("application/xml", "application/json, application/xml", "application/json"),
        ("application/xml", "application/xml;q=0.5, application/json;q=0.5", "application/json"),
        ("text/xml", "text/json, application/json", "text/json"),
        ("text/xml", "text/xml, application/xml", "text/xml"),
        ("application/json", "*/*, application/xml", "application/xml"),
        ("application/json", "application/*, text/xml", "text/xml"),
        ("application/json", "*/*, text/*", "text/json"),
        ("application/xml", "*/*, application/*, text/json", "text/json"),
        ("application/json", "application/xml;q=0.8, */*;q=0.8", "application/xml"),
        ("application/json", "text/html, application/xml, */*", "application/xml"),
        ("application/xml", "image/png, */*;q=0.1", "application/json"),
        ("application/xml", "application/json, image/png", "application/json"),
        # A quality decides before that: of a range too.
        ("application/xml", "application/xml;q=0.9, */*", "application/json"),
        ("application/json", "application/json;q=0.1, text/*;q=0.2, */*;q=0.3", "application/json"),
        ("application/json", "application/json;q=0.9, application/xml;q=0.91", "application/xml"),
        # A preference.
        ("application/json", "application/xml", "application/xml"),
        ("application/json", "Text/XML ; Charset=UTF-8", "text/xml"),
        ("application/json", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/xml"),
        ("application/xml", "application/xml;q=0.5, application/json;q=0.6", "application/json"),
        ("application/xml", "application/xml;q=0.5;v=1, */*;q=0.6", "application/json"),
        ("application/json", "application/json;q=0, */*;q=0.1", "text/json"),
        ("application/json", "application/*;q=0.001, text/*;q=0", "application/json"),
        # Nothing that can be written: the request's own.
        ("application/xml", "image/png", "application/xml"),
        ("application/xml", "application/xml;q=0, application/json;q=0", "application/xml"),
        ("application/xml", "*/*;q=0", "application/xml"),
        ("application/json", "application/xml;q=high", "application/json"),
        ("application/json", "application/xml;q=1.5", "application/json"),
        ("application/json", ",;,q=1", "application/json"),
        ("text/xml", "text/html", "text/xml"),
        ("text/xml", "xml", "text/xml"),
        ("text/xml", "*", "text/xml"),
        ("text/xml", "*/xml", "text/xml"),
        ("text/xml", "application/json;q=0, application/xml;q=0, text/*;q=0", "text/xml"),
    ],
)
def test_the_format_of_a_response(content_type: str | None, accept: str, written: str) -> None:
    response = ALL.encode(request(b"x", content_type, accept), Exact(name="ä"), HTTPStatus.CREATED, {"Location": "/x"})
    assert response.headers == {"Content-Type": f"{written}; charset=utf-8", "Location": "/x"}
    assert response.status is HTTPStatus.CREATED
    assert response.body.startswith("{" if "json" in written else "<")


def test_an_endpoint_without_xml_writes_none() -> None:
    response = JSON_ONLY.encode(request(b"<x/>", "text/xml", "application/xml"), Exact(name="ä"))
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.body == '{"name":"ä","number":0}'


@given(st.text())
def test_any_accept_is_answered(accept: str) -> None:
    assert ALL.encode(request(b"", None, accept), Exact(name="")).body


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json-seq", "text/xml", "json", ";"])
def test_a_body_of_another_media_type(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType) as raised:
        JSON_ONLY.decode(request("{}", content_type), Exact)
    assert not isinstance(raised.value, UnsupportedCharset)


@pytest.mark.parametrize("media_type", ["application/json", "application/x-www-form-urlencoded"])
def test_a_body_of_another_charset(media_type: str) -> None:
    with pytest.raises(UnsupportedCharset, match="iso-8859-1"):
        read("Name=a", f"{media_type}; charset=ISO-8859-1")


@pytest.mark.parametrize(
    "coding", ["gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "identity, gzip", "gzip;q=1", "x"]
)
@pytest.mark.parametrize(
    "content_type", ["application/json", "text/xml", "application/x-www-form-urlencoded", "a/b", None]
)
def test_a_compressed_body(coding: str, content_type: str | None) -> None:
    sent = request(gzip.compress(b"{}"), content_type)
    with pytest.raises(CompressedBody) as raised:
        ALL.decode(replace(sent, headers={**sent.headers, "content-encoding": coding}), Person)
    assert raised.value.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert raised.value.headers == {"Accept-Encoding": "identity"}


@pytest.mark.parametrize("coding", ["", "identity", " Identity ", "identity, identity"])
def test_a_body_that_is_not_compressed(coding: str) -> None:
    sent = request('{"Name": "a"}')
    assert ALL.decode(replace(sent, headers={**sent.headers, "content-encoding": coding}), Person).Name == "a"


@pytest.mark.parametrize("content_type", [None, "application/json", "text/xml", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_no_body(content_type: str | None, body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="A non-empty request body is required") as raised:
        ALL.decode(request(body, content_type), Person)
    assert raised.value.field == ""


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_json_names_match_in_any_case_and_unknown_ones_are_ignored() -> None:
    person = read(
        '{"NAME": "a", "nick": "b", "storeid": 1, "other": {"Name": 5}, "externalIDS": [{"system":"s","ID":"5"}]}'
    )
    assert person == Person(Name="a", Nick="b", StoreId=1, ExternalIds=(ExternalId(System="s", Id="5"),))


def test_json_names_match_exactly_where_the_server_is_not_aspnet() -> None:
    assert ALL.decode(request('{"name": "a", "NUMBER": 5}'), Exact) == Exact(name="a", number=0)
    with pytest.raises(InvalidFields):
        ALL.decode(request('{"Name": "a"}'), Exact)


@pytest.mark.parametrize(
    ("members", "field", "value"),
    [
        ('"Nick": 4512', "Nick", "4512"),
        ('"Nick": 1.10', "Nick", "1.10"),
        ('"Nick": 1E5', "Nick", "1E5"),
        ('"Nick": true', "Nick", "true"),
        ('"nick": false', "Nick", "false"),
        ('"Nick": -0.0', "Nick", "-0.0"),
        ('"Nick": 1E+05', "Nick", "1E+05"),
        ('"Nick": ""', "Nick", ""),
        ('"Nick": "1\\u0000\\ud83d\\ude00"', "Nick", "1\0😀"),
        ('"StoreId": "5"', "StoreId", 5),
        ('"StoreId": -5', "StoreId", -5),
        ('"StoreId": ""', "StoreId", None),
        ('"StoreId": null', "StoreId", None),
        ('"Limited": "TRUE"', "Limited", True),
        ('"Limited": 1', "Limited", True),
        ('"Limited": true', "Limited", True),
        ('"Born": ""', "Born", None),
    ],
)
def test_what_json_net_reads(members: str, field: str, value: object) -> None:
    assert getattr(read(f'{{"Name": "a", {members}}}'), field) == value


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ('"StoreId": 1.0', {"StoreId": ["The value '1.0' is not valid for StoreId."]}),
        ('"StoreId": true', {"StoreId": ["The value is not valid for StoreId."]}),
        ('"StoreId": 2147483648', {"StoreId": ["The value '2147483648' is not valid for StoreId."]}),
        (f'"StoreId": {"9" * 5000}', {"StoreId": ["The value is not valid for StoreId."]}),
        ('"StoreId": [1]', {"StoreId": ["The value is not valid for StoreId."]}),
        ('"Limited": "yes"', {"Limited": ["The value 'yes' is not valid for Limited."]}),
        ('"Limited": null', {"Limited": ["The Limited field is required."]}),
        ('"Limited": ""', {"Limited": ["The Limited field is required."]}),
        ('"Account": "x"', {"Account": ["The value 'x' is not valid for Account."]}),
        ('"Nick": {"a": 1}', {"Nick": ["The field Nick must be a string."]}),
        ('"Nick": "😀😀😀"', {"Nick": ["The field Nick must be a string with a maximum length of 5."]}),
        ('"nick": "a", "Nick": "b"', {"Nick": ["The field Nick is given more than once."]}),
        ('"Nick": "a", "Nick": "a"', {"Nick": ["The field Nick is given more than once."]}),
        ('"ExternalIds": {}', {"ExternalIds": ["The field ExternalIds must be a list."]}),
        ('"ExternalIds": ["a"]', {"ExternalIds[0]": ["The field ExternalIds[0] must be an object."]}),
        ('"Owner": "a"', {"Owner": ["The field Owner must be an object."]}),
        ('"Owner": {"Id": "1"}', {"Owner.System": ["The Owner.System field is required."]}),
    ],
)
def test_what_json_net_does_not_read(members: str, expected: dict[str, list[str]]) -> None:
    assert problems(f'{{"Name": "a", {members}}}') == expected


def test_a_choice_of_texts_is_a_text() -> None:
    assert ALL.decode(request('{"state": true, "level": 1}'), Switch) == Switch(State="true", Level="1")
    with pytest.raises(InvalidFields, match="The field State must be 'true' or 'auto'"):
        ALL.decode(request('{"State": "off"}'), Switch)


@pytest.mark.parametrize(
    ("scalar", "text"),
    [
        ("true", "true"),
        ("false", "false"),
        ("4587.0", "4587.0"),
        ("1e400", "1e400"),
        ("-0", "-0"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_any_scalar_is_a_text_as_it_is_spelled(scalar: str, text: str) -> None:
    assert ALL.decode(request(f'{{"name": {scalar}}}'), Exact).name == text


@pytest.mark.parametrize("value", ["[]", "{}", "null", '["a"]'])
def test_what_is_no_scalar_is_no_text(value: str) -> None:
    with pytest.raises(InvalidFields):
        ALL.decode(request(f'{{"name": {value}}}'), Exact)


def test_a_number_of_a_million_digits_is_read_at_once() -> None:
    begin = time.process_time()
    assert problems(f'{{"Name": "a", "Nick": {"9" * 1_000_000}, "StoreId": {"9" * 1_000_000}}}') == {
        "Nick": ["The field Nick must be a string with a maximum length of 5."],
        "StoreId": ["The value is not valid for StoreId."],
    }
    assert time.process_time() - begin < 5


NET = Codec(reads=(JSON_NET,), writes=(JSON_NET,))


@pytest.mark.parametrize("character", ["\n", "\r\n", "\t", "\0", "\x1f", "\x0b"])
def test_json_net_reads_control_characters_in_texts(character: str) -> None:
    body = f'{{"Name": "a{character}b", "Nick{character}": 1, "x": ["{character}"]}}'
    assert NET.decode(request(body), Person).Name == f"a{character}b"
    # Jackson does not.
    with pytest.raises(InvalidRequest, match="not JSON"):
        ALL.decode(request(body), Person)


@pytest.mark.parametrize(
    "body",
    [
        "{'Name': 'a'}",
        '{Name: "a"}',
        '{"Name": "a",}',
        '{"Name": "a"} // a',
        '{/* a */ "Name": "a"}',
        '{"Name": "a", "x": NaN}',
        '{"Name": "a", "x": 0x10}',
        '{"Name": "a", "x": undefined}',
        '{"Name": "a", "x": [1,,2]}',
        '{"Name": "a\\qb"}',
        '{"Name": "\\ud800"}',
        '{"Name": "a\nb}',
    ],
)
def test_what_json_net_reads_beyond_json_is_refused(body: str) -> None:
    with pytest.raises(InvalidRequest, match="not JSON"):
        NET.decode(request(body), Person)


def test_half_a_surrogate_pair_after_a_backslash_is_plain_text() -> None:
    assert read(r'{"Name": "\\ud83d", "x": "\\\""}').Name == r"\ud83d"


def test_all_that_is_wrong_is_told() -> None:
    members = '"Name": " ", "Nick": "abcdef", "StoreId": "x", "Born": "2024-11-21T24:00:00"'
    assert problems(f'{{{members}, "ExternalIds": [{{}}, {{"Id": null}}]}}') == {
        "Name": ["The Name field is required."],
        "Nick": ["The field Nick must be a string with a maximum length of 5."],
        "StoreId": ["The value 'x' is not valid for StoreId."],
        "Born": ["The field Born must name a day and a time that exist."],
        "ExternalIds[0].System": ["The ExternalIds[0].System field is required."],
        "ExternalIds[0].Id": ["The ExternalIds[0].Id field is required."],
        "ExternalIds[1].System": ["The ExternalIds[1].System field is required."],
        "ExternalIds[1].Id": ["The ExternalIds[1].Id field is required."],
    }


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "nothing",
        '{"Name": NaN}',
        '{"other": -Infinity}',
        "{'Name': 'a'}",
        '{"Name": "a",}',
        '{"Name": "a"} {}',
        '{"Name": "a\nb"}',
        '{"Name": "\0"}',
        '{"Name": "\\ud83d"}',
        '{"Name": "\\ude00\\ud83d"}',
        '{"Name": "\\ud83d\\ude00\\ude00"}',
        '{"Name": "\\\\\\ud83d"}',
        '{"Name": "\\\\ud83d\\ude00"}',
        '{"StoreId": "\\ud83dx"}',
        '{"Name": "a", "\\uDFFF": []}',
        "\0",
        b'{"Name": "\xff"}',
        b'{"Name": "\xed\xa0\x80"}',
        '{"Name": "a"}'.encode("utf-16"),
        "[" * 1_000_000,
        '{"a":' * 1_000_000,
        '{"other": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_a_body_that_is_no_json(body: str | bytes) -> None:
    (field,) = problems(body)
    assert field == ""


@pytest.mark.parametrize("body", ["null", "[]", '[{"Name": "a"}]', '"Name"', "5", "true", '{"a": 1, "a": 2}["a"]'])
def test_a_body_that_is_no_object(body: str) -> None:
    ((field, (message,)),) = problems(body).items()
    assert field == ""
    assert "must be an object" in message or "is not JSON" in message


def test_json_members_are_in_the_models_order_and_null_is_written() -> None:
    response = ALL.encode(request(), Person(Name="a", Account="{6925EBD4-125D-4338-A736-99F4B5BCB3D7}"))
    assert response.body == (
        '{"Name":"a","Nick":null,"StoreId":null,"Limited":false,"Account":"6925ebd4-125d-4338-a736-99f4b5bcb3d7",'
        '"Born":null,"ExternalIds":[],"Owner":null}'
    )


# --- Forms ------------------------------------------------------------------------------------------------------------


def test_a_form() -> None:
    person = form(
        "NAME=J%C3%B6rg+B&Nick=&StoreId=5&limited=TRUE&Account=&Born=2024-11-21&other=x&other=y&5=z"
        "&ExternalIds[1].System=b&ExternalIds[1].Id=2&ExternalIds[0][System]=a&ExternalIds[0][Id]=1"
        "&Owner.system=c&Owner.Id=3"
    )
    assert person == Person(
        Name="Jörg B",
        Nick="",
        StoreId=5,
        Limited=True,
        Born=DateTimeOffset.parse("2024-11-21"),
        ExternalIds=(ExternalId(System="a", Id="1"), ExternalId(System="b", Id="2")),
        Owner=ExternalId(System="c", Id="3"),
    )


@pytest.mark.parametrize(
    ("fields", "limited"),
    [
        # A ticked box and the hidden input of ASP.NET MVC, and the hidden input alone.
        ("Limited=true&Limited=false", True),
        ("Limited=True&Limited=False", True),
        ("Limited=true&limited=false", True),
        ("LIMITED=1&limited=0", True),
        ("Limited=false", False),
        # The first one wins whatever it is.
        ("Limited=false&Limited=true", False),
        ("Limited=true&Limited=false&Limited=false", True),
    ],
)
def test_of_a_boolean_that_a_form_has_twice_the_first_counts(fields: str, limited: bool) -> None:
    assert form(f"Name=a&{fields}").Limited is limited


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("Limited=on&Limited=false", {"Limited": ["The field Limited is given more than once."]}),
        ("StoreId=1&StoreId=1", {"StoreId": ["The field StoreId is given more than once."]}),
        ("Account=&Account=", {"Account": ["The field Account is given more than once."]}),
        ("Owner.Id=1&OWNER[id]=1", {"Owner.Id": ["The field Owner.Id is given more than once."], "Owner.System": ANY}),
        ("Nick=a&Nick=b", {"Nick": ["The field Nick is given more than once."]}),
        ("Nick=a&nick=a", {"Nick": ["The field Nick is given more than once."]}),
        ("Owner=a&Owner.Id=1", {"Owner": ["The field Owner is given more than once."]}),
        ("Owner.Id=1&Owner=a", {"Owner": ["The field Owner is given more than once."]}),
        ("StoreId=x", {"StoreId": ["The value 'x' is not valid for StoreId."]}),
        ("Limited=", {"Limited": ["The Limited field is required."]}),
        (
            "ExternalIds[1].Id=1",
            {"ExternalIds": ["The field ExternalIds must be indexed from 0 on, without a gap."]},
        ),
        (
            "ExternalIds[0].Id=1&ExternalIds[x].Id=1",
            {"ExternalIds": ["The field ExternalIds must be indexed from 0 on, without a gap."]},
        ),
        ("ExternalIds[]=1", {"ExternalIds": ["The field ExternalIds must be a list."]}),
        ("ExternalIds[0].System=s", {"ExternalIds[0].Id": ["The ExternalIds[0].Id field is required."]}),
        ("Nick.a=1", {"Nick": ["The field Nick must be a string."]}),
    ],
)
def test_what_a_form_may_not_be(fields: str, expected: dict[str, list[str]]) -> None:
    assert problems(f"Name=a&{fields}", "application/x-www-form-urlencoded") == expected


def test_a_form_without_the_required_members() -> None:
    assert problems("Nick=a", "application/x-www-form-urlencoded") == {"Name": ["The Name field is required."]}
    assert problems("Name=+", "application/x-www-form-urlencoded") == {"Name": ["The Name field is required."]}


def test_a_form_of_too_many_fields_or_of_another_charset() -> None:
    assert form("Name=a" + "&x=1" * (MAX_FIELDS - 1)).Name == "a"
    for body in ("Name=a" + "&x=1" * MAX_FIELDS, "&" * 1_000_000, b"Name=\xff", "Name=%FF"):
        (field,) = problems(body, "application/x-www-form-urlencoded")
        assert field == ""


@pytest.mark.parametrize("name", ["." * 100_000, "[" * 100_000, "a[" * 100_000, "a.b" * 100_000, "]", "", "[0]"])
def test_a_strange_name_in_a_form_is_an_unknown_one(name: str) -> None:
    assert form(f"Name=a&{quote(name)}=1") == Person(Name="a")


@given(st.lists(st.tuples(st.text("aN.[]0123"), st.text())))
def test_any_form_is_read_or_refused(fields: list[tuple[str, str]]) -> None:
    with suppress(InvalidRequest):
        form("Name=a&" + "&".join(f"{quote(name)}={quote(value)}" for name, value in fields))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*Person.model_fields, "x"]), inner),
    )
)
def test_any_json_is_read_or_refused(body: Any) -> None:
    with suppress(InvalidRequest):
        read(json.dumps(body))


# --- Words ------------------------------------------------------------------------------------------------------------


def _ipv4(value: Any) -> Any:
    raise PydanticCustomError("ipv4", "must be an IPv4 address")


class Checked(WireModel):
    Ip: Annotated[str, BeforeValidator(_ipv4)] = ""
    Count: Annotated[tuple[str, ...], Field(max_length=1)] = ()

    @model_validator(mode="after")
    def _has_an_ip(self) -> "Checked":
        if not self.Ip:
            raise PydanticCustomError("ip", "An address is needed.")
        return self


def test_a_validators_words_continue_the_fields_name() -> None:
    with pytest.raises(InvalidFields) as raised:
        ALL.decode(request('{"Ip": "x", "Count": ["a", "b"]}'), Checked)
    assert raised.value.problems == {
        "Ip": ["The field Ip must be an IPv4 address."],
        "Count": ["The field Count must have at most 1 item, not 2."],
    }
    assert (raised.value.field, raised.value.message) == ("Ip", "The field Ip must be an IPv4 address.")


def test_a_models_own_words_are_of_the_body() -> None:
    with pytest.raises(InvalidFields) as raised:
        ALL.decode(request("{}"), Checked)
    assert raised.value.problems == {"": ["An address is needed."]}
