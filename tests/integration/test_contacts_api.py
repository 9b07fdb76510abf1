"""Contacts over their functions: create by every rule of the document, find, change, delete."""

import json
import re
import secrets
from base64 import b64decode
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from polypost import runtime
from polypost.adapters import keys
from polypost.models.access import Scope, Space, SpaceSettings
from polypost.models.contacts import PermissionChange, Store
from polypost.models.date_time_offset import DateTimeOffset
from support.template_engine import Engine

from .conftest import CREATED_AT, SECRET, Answer, Api, create_credential

CONTACTS = "/api/v1/Contacts"
NOBODY = 2_000_000_000

#: The members of the read DTO in the order of contacts-create.
MEMBERS = [
    "Id",
    "Secret",
    "RegistrationDateTime",
    "RegistrationSource",
    "RegistrationIp",
    "LastModified",
    "Version",
    "RegistrationStoreId",
    "Email",
    "PhoneCountryCode",
    "Phone",
    "FirstName",
    "LastName",
    "LimitMailsPermanently",
    "LimitMailsTemporarilyUntil",
    "PreferredStoreId",
    "ContactCompanyId",
    "LatestPermissionSource",
]

DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{7}\+00:00"

#: Every member of the create DTO, with a value that is returned as it was given.
EVERYTHING: dict[str, Any] = {
    "RegistrationDateTime": "2024-11-21T06:24:04.0980817+05:45",
    "RegistrationSource": "birthday campaign",
    "RegistrationIp": "127.0.0.1",
    "RegistrationStoreId": 7,
    "Email": "Ann@Example.com",
    "PhoneCountryCode": "+45",
    "Phone": "12 34-56 78",
    "FirstName": "Ånn",
    "LastName": "Lee 😀",
    "LimitMailsPermanently": True,
    "LimitMailsTemporarilyUntil": "2030-01-02T03:04:05.0000001-08:00",
    "PreferredStoreId": 1,
    "ContactCompanyId": -1,
    "LatestPermissionSource": "web form",
}

EXTERNAL_IDS = [{"System": "shop", "Id": "4711"}, {"System": "till", "Id": "a/b ü"}]


@pytest.fixture(autouse=True)
def store(api: Api) -> None:
    runtime.contacts().stores.create(api.space, Store(1, "Main Street"), creation="test")


def post(api: Api, **members: Any) -> Answer:
    return api.http("POST", CONTACTS, body={"RegistrationSource": "web form", **members})


def create(api: Api, **members: Any) -> dict[str, Any]:
    """Create a contact; what the answer says of it."""
    answer = post(api, **members)
    assert answer.status == 201, answer.body
    return dict(answer.body)


def read(api: Api, contact: dict[str, Any]) -> Answer:
    return api.http("GET", f"{CONTACTS}/{contact['Id']}")


def put(api: Api, contact: dict[str, Any], **members: Any) -> Answer:
    return api.http("PUT", f"{CONTACTS}/{contact['Id']}", body=contact | members)


def update(api: Api, contact: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Change members of a contact, as a client that has read it does; what the answer says of it."""
    answer = put(api, contact, **members)
    assert answer.status == 200, answer.body
    return dict(answer.body)


def find(api: Api, **query: str) -> Answer:
    return api.http("GET", CONTACTS, urlencode(query))


def as_form(fields: dict[str, Any]) -> dict[str, Any]:
    """The options of a request with a form."""
    return {
        "body": urlencode(fields).encode(),
        "headers": {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"},
    }


def wrong(answer: Answer) -> dict[str, list[str]]:
    """What a 400 says of each wrong field."""
    assert answer.status == 400, answer.body
    assert list(answer.body) == ["Message", "ModelState"]
    assert answer.body["Message"] == "The request is invalid."
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    return dict(answer.body["ModelState"])


def another_space(api: Api) -> Api:
    space = f"other-{secrets.token_hex(6)}"
    assert runtime.access().create_space(Space(id=space, created_at=CREATED_AT))
    create_credential(f"key-of-{space}", space)
    return replace(api, space=space, keyid=f"key-of-{space}")


def change_settings(api: Api, **settings: Any) -> None:
    """What `polypost spaces set` does, seen at once."""
    space = runtime.access().space(api.space)
    assert space is not None
    runtime.access().change_space(space.model_copy(update={"settings": SpaceSettings(**settings)}))
    runtime.access()._found.clear()


# --- Create -----------------------------------------------------------------------------------------------------------


def test_a_contact_with_nothing_but_its_source(api: Api) -> None:
    before = DateTimeOffset.now().plus_seconds(-1)
    answer = post(api)
    contact = answer.body
    assert answer.status == 201
    assert (
        answer.headers["Location"] == f"https://abc123.execute-api.eu-central-1.amazonaws.com{CONTACTS}/{contact['Id']}"
    )
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert list(contact) == MEMBERS
    assert 0 < contact["Id"] < 2**31
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,}", contact["Secret"])
    assert len(b64decode(contact["Version"], validate=True)) == 8
    for moment in (contact["RegistrationDateTime"], contact["LastModified"]):
        assert re.fullmatch(DATE, moment)
        assert before < DateTimeOffset.parse(moment) <= DateTimeOffset.now()
    assert contact["RegistrationSource"] == "web form"
    assert contact["RegistrationIp"] == ""
    assert contact["LimitMailsPermanently"] is False
    left_out = set(MEMBERS[7:]) - {"LimitMailsPermanently"}
    assert {name: contact[name] for name in left_out} == dict.fromkeys(left_out)


def test_every_member_is_kept_as_it_was_given(api: Api) -> None:
    contact = create(api, **EVERYTHING)
    assert list(contact) == MEMBERS
    assert {name: contact[name] for name in EVERYTHING} == EVERYTHING
    assert read(api, contact).body == contact


def test_a_form_says_the_same_as_json(api: Api) -> None:
    contact = create(api, **EVERYTHING, ExternalIds=EXTERNAL_IDS)
    other_space = another_space(api)
    runtime.contacts().stores.create(other_space.space, Store(1), creation="test")
    fields = EVERYTHING | {
        f"ExternalIds[{index}].{name}": value for index, each in enumerate(EXTERNAL_IDS) for name, value in each.items()
    }
    answer = other_space.http("POST", CONTACTS, **as_form(fields))
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    own = ("Id", "Secret", "LastModified", "Version")
    assert {**answer.body, **dict.fromkeys(own)} == {**contact, **dict.fromkeys(own)}
    assert answer.body["ExternalIds"] == EXTERNAL_IDS


@pytest.mark.parametrize("content_type", ["text/json", "APPLICATION/JSON; charset=utf-8"])
def test_media_types_of_json(api: Api, content_type: str) -> None:
    body = "\ufeff" + json.dumps({"RegistrationSource": "Größe"}, ensure_ascii=False)
    answer = api.http("POST", CONTACTS, body=body.encode(), headers={"content-type": content_type})
    assert (answer.status, answer.body["RegistrationSource"]) == (201, "Größe")


def test_names_match_in_any_case_and_unknown_ones_are_ignored(api: Api) -> None:
    body = {"REGISTRATIONSOURCE": "shop", "email": "ann@example.com", "Nickname": {"a": [1]}, "Id": 5, "Secret": "s"}
    answer = api.http("POST", CONTACTS, body=body)
    assert answer.status == 201
    assert (answer.body["RegistrationSource"], answer.body["Email"]) == ("shop", "ann@example.com")
    assert answer.body["Id"] != 5
    assert answer.body["Secret"] != "s"


def test_values_are_read_as_json_net_reads_them(api: Api) -> None:
    contact = create(
        api, Phone=12345678, RegistrationStoreId="7", LimitMailsPermanently="True", ContactCompanyId="", FirstName=True
    )
    assert contact["Phone"] == "12345678"
    assert contact["RegistrationStoreId"] == 7
    assert contact["LimitMailsPermanently"] is True
    assert contact["ContactCompanyId"] is None
    assert contact["FirstName"] == "true"


@pytest.mark.parametrize("digits", range(8))
@pytest.mark.parametrize("offset", ["Z", "+00:00", "-00:30", "+14:00"])
def test_no_digit_of_a_date_is_lost(api: Api, digits: int, offset: str) -> None:
    fraction = "1234567"[:digits]
    given = "2024-11-21T06:24:04" + (f".{fraction}" if fraction else "") + offset
    contact = create(api, RegistrationDateTime=given, LimitMailsTemporarilyUntil=given)
    kept = f"2024-11-21T06:24:04.{fraction.ljust(7, '0')}{offset.replace('Z', '+00:00')}"
    assert contact["RegistrationDateTime"] == contact["LimitMailsTemporarilyUntil"] == kept
    assert read(api, contact).body == contact


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2024-11-21T06:24:04.098+0000", "2024-11-21T06:24:04.0980000+00:00"),
        ("2024-11-21T06:24:04+01", "2024-11-21T06:24:04.0000000+01:00"),
        ("2024-11-21T06:24:04.123456789+05:30", "2024-11-21T06:24:04.1234568+05:30"),
        ("/Date(1732170244098)/", "2024-11-21T06:24:04.0980000+00:00"),
        ("/Date(1732170244098+0100)/", "2024-11-21T07:24:04.0980000+01:00"),
        ("Thu, 21 Nov 2024 06:24:04 GMT", "2024-11-21T06:24:04.0000000+00:00"),
    ],
)
def test_a_date_is_read_as_json_net_reads_it(api: Api, given: str, kept: str) -> None:
    members = {"RegistrationDateTime": given, "LimitMailsTemporarilyUntil": given}
    form = api.http("POST", CONTACTS, **as_form({"RegistrationSource": "web form"} | members)).body
    for contact in (create(api, **members), form):
        assert contact["RegistrationDateTime"] == contact["LimitMailsTemporarilyUntil"] == kept
    # As .NET's JavaScriptSerializer writes it.
    body = json.dumps({"RegistrationSource": "web form"} | members).replace("/", "\\/").encode()
    escaped = api.http("POST", CONTACTS, body=body, headers={"content-type": "application/json"})
    assert escaped.body["RegistrationDateTime"] == kept


def test_line_breaks_and_tabs_may_stand_in_texts_as_they_are(api: Api) -> None:
    body = b'{"RegistrationSource": "web\tform", "LatestPermissionSource": "first line\r\nsecond line"}'
    answer = api.http("POST", CONTACTS, body=body, headers={"content-type": "application/json"})
    assert answer.status == 201
    assert answer.body["RegistrationSource"] == "web\tform"
    assert answer.body["LatestPermissionSource"] == "first line\r\nsecond line"


@pytest.mark.parametrize(
    ("fields", "limited"),
    [
        ("LimitMailsPermanently=true&LimitMailsPermanently=false", True),
        ("LimitMailsPermanently=True&limitmailspermanently=False", True),
        ("LimitMailsPermanently=false", False),
    ],
)
def test_a_checkbox_of_an_aspnet_form(api: Api, fields: str, limited: bool) -> None:
    body = f"RegistrationSource=form&{fields}&LastName=Lee".encode()
    answer = api.http("POST", CONTACTS, body=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status == 201
    assert answer.body["LimitMailsPermanently"] is limited


TEXTS = {
    "RegistrationSource": 50,
    "Email": 250,
    "PhoneCountryCode": 10,
    "Phone": 20,
    "FirstName": 50,
    "LastName": 50,
    "LatestPermissionSource": 4000,
}


@pytest.mark.parametrize(("name", "limit"), TEXTS.items())
def test_lengths_are_counted_in_utf_16_units(api: Api, name: str, limit: int) -> None:
    longest = "😀" * (limit // 2)
    assert create(api, **{name: longest})[name] == longest
    message = f"The field {name} must be a string with a maximum length of {limit}."
    assert wrong(post(api, **{name: longest + "a"})) == {f"contact.{name}": [message]}
    assert wrong(post(api, **{name: "a" * (limit + 1)})) == {f"contact.{name}": [message]}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("RegistrationSource", None, "The RegistrationSource field is required."),
        ("RegistrationSource", "", "The RegistrationSource field is required."),
        ("RegistrationSource", " \t", "The RegistrationSource field is required."),
        ("RegistrationSource", ["a"], "The field RegistrationSource must be a string."),
        ("RegistrationDateTime", "today", "The field RegistrationDateTime must be a date and time such as"),
        ("RegistrationDateTime", 5, "The field RegistrationDateTime must be a date and time such as"),
        ("RegistrationDateTime", "11/21/2024", "The field RegistrationDateTime must be a date and time such as"),
        ("RegistrationDateTime", "Fri, 21 Nov 2024 06:24:04 GMT", "must name the weekday that the date falls on"),
        ("LimitMailsTemporarilyUntil", "/Date(1e3)/", "must be a date and time such as"),
        ("LimitMailsTemporarilyUntil", "2024-02-30", "must name a day and a time that exist"),
        ("RegistrationIp", "127.0.0.256", "The field RegistrationIp must be an IPv4 address such as 127.0.0.1."),
        ("RegistrationIp", "::1", "The field RegistrationIp must be an IPv4 address such as 127.0.0.1."),
        ("RegistrationIp", "sample string 2", "must be an IPv4 address such as 127.0.0.1."),
        ("RegistrationIp", "1" * 17, "The field RegistrationIp must be a string with a maximum length of 16."),
        ("RegistrationStoreId", 2**31, "The value '2147483648' is not valid for RegistrationStoreId."),
        ("RegistrationStoreId", -(2**31) - 1, "is not valid for RegistrationStoreId."),
        ("ContactCompanyId", 1.0, "The value '1.0' is not valid for ContactCompanyId."),
        ("ContactCompanyId", True, "is not valid for ContactCompanyId."),
        ("PreferredStoreId", "one", "The value 'one' is not valid for PreferredStoreId."),
        ("LimitMailsPermanently", "yes", "The value 'yes' is not valid for LimitMailsPermanently."),
        ("Email", {"a": 1}, "The field Email must be a string."),
        ("ExternalIds", "4711", "The field ExternalIds must be a list."),
        ("ExternalIds", [EXTERNAL_IDS[0], EXTERNAL_IDS[0]], "The field ExternalIds must not hold an id twice."),
        (
            "ExternalIds",
            [{"System": "s", "Id": str(n)} for n in range(21)],
            "The field ExternalIds must have at most 20",
        ),
    ],
)
def test_a_value_that_is_refused_is_named(api: Api, name: str, value: Any, words: str) -> None:
    (problem,) = wrong(post(api, **{name: value})).items()
    field, (message,) = problem
    assert field == f"contact.{name}"
    assert words in message


def test_all_wrong_fields_are_named_at_once(api: Api) -> None:
    body = {
        "registrationIp": "localhost",
        "REGISTRATIONSTOREID": "x",
        "Phone": "1" * 21,
        "LimitMailsTemporarilyUntil": "soon",
        "ExternalIds": [{"System": "shop", "Id": "1"}, {"System": " ", "Id": "x" * 101}],
        "Email": "ann@example.com",
        "email": "bob@example.com",
    }
    assert set(wrong(api.http("POST", CONTACTS, body=body))) == {
        "contact.RegistrationSource",
        "contact.RegistrationIp",
        "contact.RegistrationStoreId",
        "contact.Phone",
        "contact.LimitMailsTemporarilyUntil",
        "contact.ExternalIds[1].System",
        "contact.ExternalIds[1].Id",
        "contact.Email",
    }
    form = as_form({"RegistrationIp": "localhost", "Phone": "1" * 21, "ExternalIds[0].System": "shop"})
    assert set(wrong(api.http("POST", CONTACTS, **form))) == {
        "contact.RegistrationSource",
        "contact.RegistrationIp",
        "contact.Phone",
        "contact.ExternalIds[0].Id",
    }


def test_a_blank_email_or_phone_is_no_value(api: Api) -> None:
    for blank in ("", " ", "\t ", "\ufeff", "\u200b \u00ad"):
        assert create(api, Email=blank, Phone=blank)["Email"] == blank
    # No digit in it.
    create(api, Phone="-")
    create(api, Phone="+ ( )")


ANN = {"Email": "ann@example.com", "Phone": "12345678", "FirstName": "Ann", "LastName": "Lee"}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"Email": " ANN@Example.COM"}, "Email: another contact with the same Email exists."),
        ({"Phone": "(12) 34.56-78", "PhoneCountryCode": "45"}, "Phone: another contact with the same Phone exists."),
        ({"FirstName": "ANN", "LastName": "lee"}, "FirstName, LastName: another contact with the same name exists."),
        (
            {"ExternalIds": EXTERNAL_IDS[:1]},
            "ExternalIds: another contact with the Id '4711' of the system 'shop' exists.",
        ),
        ({"PreferredStoreId": 2}, "PreferredStoreId: no store with the Id 2 exists."),
        ({"PreferredStoreId": -1}, "PreferredStoreId: no store with the Id -1 exists."),
    ],
)
def test_a_conflict_says_which_rule(api: Api, members: dict[str, Any], message: str) -> None:
    create(api, **ANN, ExternalIds=EXTERNAL_IDS)
    answer = post(api, **members)
    assert (answer.status, answer.body) == (409, {"Message": message})
    # Another space has contacts of its own.
    if "PreferredStoreId" not in members:
        create(another_space(api), **members)


@pytest.mark.parametrize("members", [{"FirstName": "Ann"}, {"LastName": "Lee"}, {"FirstName": "Ann", "LastName": " "}])
def test_half_a_name_conflicts_with_nothing(api: Api, members: dict[str, str]) -> None:
    create(api, **members)
    create(api, **members)
    create(api, FirstName="Ann", LastName="Lee")


def test_no_other_reference_is_checked(api: Api) -> None:
    contact = create(api, RegistrationStoreId=99, ContactCompanyId=99, PreferredStoreId=1)
    assert (contact["RegistrationStoreId"], contact["ContactCompanyId"]) == (99, 99)


def test_a_space_that_switched_the_name_rule_off(api: Api) -> None:
    create(api, **ANN)
    change_settings(api, unique_names=False)
    create(api, FirstName="Ann", LastName="Lee")
    assert post(api, Email=ANN["Email"]).status == 409


def test_namesakes_when_the_name_rule_comes_back(api: Api) -> None:
    change_settings(api, unique_names=False)
    one, other = (create(api, FirstName="Ann", LastName="Lee", Email=f"{number}@example.com") for number in range(2))
    change_settings(api)
    one = update(api, one, Email="one@example.com")
    assert post(api, FirstName="Ann", LastName="Lee").status == 409
    refused = put(api, other, Email="other@example.com")
    assert (refused.status, refused.body["Message"][:9]) == (409, "FirstName")
    other = update(api, other, LastName="Ray")
    update(api, one, LastName="Roy")


def test_phones_when_their_rule_changes(api: Api) -> None:
    contact = create(api, Phone="12345678", PhoneCountryCode="45")
    change_settings(api, phone_with_country_code=True)
    assert find(api, phone="12345678", phoneCountryCode="45").status == 404
    contact = update(api, contact)
    assert find(api, phone="12345678", phoneCountryCode="45").body == contact


def test_a_space_that_tells_phones_apart_by_country(api: Api) -> None:
    change_settings(api, phone_with_country_code=True)
    danish = create(api, Phone="12345678", PhoneCountryCode="+45")
    swedish = create(api, Phone="12345678", PhoneCountryCode="46")
    message = "Phone: another contact with the same PhoneCountryCode and Phone exists."
    assert post(api, Phone="12 34 56 78", PhoneCountryCode="0045").body == {"Message": message}
    assert find(api, phone="12345678", phoneCountryCode="0045").body == danish
    assert find(api, phone="12345678", phoneCountryCode="+46").body == swedish
    assert find(api, phone="12345678").status == 404


def test_both_spellings_of_the_route(api: Api) -> None:
    answer = api.http("POST", "/api/v1/contacts", body={"RegistrationSource": "web form"})
    assert answer.status == 201
    path = f"/api/v1/contacts/{answer.body['Id']}"
    assert api.http("GET", path).body == answer.body
    assert api.http("GET", "/api/v1/contacts", f"secret={answer.body['Secret']}").body == answer.body
    assert api.http("PUT", path, body=answer.body).status == 200
    assert api.http("PUT", f"{path}/external-ids/shop/1").status == 200
    assert api.http("DELETE", f"{path}/external-ids/shop/1").status == 200
    assert api.http("DELETE", path).status == 204


# --- Bodies that are none, and who may --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "A non-empty request body is required."),
        (b"  ", "A non-empty request body is required."),
        (b"{", "The request body is not JSON"),
        (b"\xff", "The request body is not UTF-8"),
        (b'{"Email": "\\ud83d"}', "half a surrogate pair"),
        (b"[]", "The request body must be an object."),
        (b"null", "The request body must be an object."),
        (b"[" * 10_000, "The request body is nested too deeply."),
        (b"[" * 60_000, "The request body has more than 20000 names and values."),
    ],
)
def test_a_body_that_is_none(api: Api, body: bytes, words: str) -> None:
    answer = api.http("POST", CONTACTS, body=body, headers={"content-type": "application/json"})
    ((field, (message,)),) = wrong(answer).items()
    assert field == "contact"
    assert words in message


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("application/xml", "The request entity's media type 'application/xml' is not supported for this resource."),
        ("text/plain", "The request entity's media type 'text/plain' is not supported for this resource."),
        ("", "The request contains an entity body but no Content-Type header. The inferred media type"
             " 'application/octet-stream' is not supported for this resource."),
        ("application/json; charset=latin-1", "Charset 'latin-1' not supported; expected utf-8"),
    ],
)  # fmt: skip
def test_media_types_that_are_not_read(api: Api, content_type: str, message: str) -> None:
    contact = create(api)
    for method, path in (("POST", CONTACTS), ("PUT", f"{CONTACTS}/{contact['Id']}")):
        headers = {"content-type": content_type} if content_type else {}
        answer = api.http(method, path, body=b'{"RegistrationSource": "a"}', headers=headers)
        assert (answer.status, answer.body) == (415, {"Message": message})


def requests(contact: dict[str, Any]) -> list[tuple[Scope, str, str, str]]:
    """A request for each endpoint, with the scope that it needs."""
    own = f"{CONTACTS}/{contact['Id']}"
    return [
        (Scope.CONTACTS_WRITE, "POST", CONTACTS, ""),
        (Scope.CONTACTS_READ, "GET", CONTACTS, ""),
        (Scope.CONTACTS_READ, "GET", CONTACTS, f"secret={contact['Secret']}"),
        (Scope.CONTACTS_READ, "GET", own, ""),
        (Scope.CONTACTS_WRITE, "PUT", own, ""),
        (Scope.CONTACTS_WRITE, "PUT", f"{own}/external-ids/shop/1", ""),
        (Scope.CONTACTS_WRITE, "DELETE", f"{own}/external-ids/shop/2", ""),
        (Scope.CONTACTS_WRITE, "DELETE", own, ""),
        (Scope.CONTACTS_WRITE, "POST", "/api/v1/Stores", ""),
        (Scope.CONTACTS_READ, "GET", "/api/v1/Stores", ""),
        (Scope.CONTACTS_READ, "GET", "/api/v1/Stores/1", ""),
        (Scope.CONTACTS_WRITE, "DELETE", "/api/v1/Stores/1", ""),
    ]


def test_each_endpoint_needs_its_scope_and_no_other(api: Api) -> None:
    contact = create(api, ExternalIds=[{"System": "shop", "Id": "2"}])
    for scope in Scope:
        create_credential(f"{scope.name}-{api.space}", api.space, scopes=frozenset({scope}))
        create_credential(f"all-but-{scope.name}-{api.space}", api.space, scopes=frozenset(Scope) - {scope})
    for scope, method, path, query in requests(contact):
        refused = api.http(method, path, query, credentials=(f"all-but-{scope.name}-{api.space}", SECRET))
        assert (refused.status, refused.body) == (403, {"Message": f"The credential lacks the scope {scope}."})
        allowed = api.http(method, path, query, credentials=(f"{scope.name}-{api.space}", SECRET))
        assert allowed.status in (200, 204, 400)


def test_wrong_credentials_are_refused_everywhere(api: Api) -> None:
    contact = create(api)
    for _, method, path, query in requests(contact):
        for credentials in (("nobody", SECRET), (api.keyid, "wrong")):
            answer = api.http(method, path, query, credentials=credentials)
            assert (answer.status, answer.body) == (401, {"Message": "Authorization has been denied for this request."})
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="Contacts", charset="UTF-8"'
    assert read(api, contact).body == contact


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("PATCH", CONTACTS, 405, "The requested resource does not support http method 'PATCH'."),
        ("DELETE", "/api/v1/contacts", 405, "The requested resource does not support http method 'DELETE'."),
        ("POST", f"{CONTACTS}/1", 405, "The requested resource does not support http method 'POST'."),
        ("GET", f"{CONTACTS}/1/external-ids/shop/1", 405, "The requested resource does not support http method 'GET'."),
        ("PUT", "/api/v1/Stores/1", 405, "The requested resource does not support http method 'PUT'."),
        ("GET", f"{CONTACTS}/1/no/such/thing/at/all", 404, None),
    ],
)
def test_what_stands_at_no_route(api: Api, method: str, path: str, status: int, message: str | None) -> None:
    answer = api.call("default_route", method, path, route="$default")
    host = "abc123.execute-api.eu-central-1.amazonaws.com"
    not_found = f"No HTTP resource was found that matches the request URI 'https://{host}{path}'."
    assert (answer.status, answer.body) == (status, {"Message": message or not_found})
    assert ("Allow" in answer.headers) is (status == 405)


# --- Read -------------------------------------------------------------------------------------------------------------


def test_a_contact_is_found_by_all_that_it_alone_has(api: Api) -> None:
    contact = create(api, **ANN, ExternalIds=EXTERNAL_IDS)
    create(api, Email="bob@example.com")
    assert read(api, contact).body == contact
    for query in (
        f"secret={contact['Secret']}",
        f"SECRET={contact['Secret']}",
        "email=ann%40example.com",
        "Email=ANN@EXAMPLE.COM",
        "phone=12%2034%2056%2078",
        "PHONE=12345678&PhoneCountryCode=45",
        "externalSystem=shop&externalId=4711",
        "EXTERNALID=a%2Fb+%C3%BC&externalsystem=till",
    ):
        answer = api.http("GET", CONTACTS, query)
        assert (answer.status, answer.body) == (200, contact), query
        assert list(answer.body) == [*MEMBERS, "ExternalIds"]


def test_a_secret_is_found_with_one_read(api: Api, engine: Engine) -> None:
    contact = create(api)
    engine.calls.clear()
    assert find(api, secret=contact["Secret"]).body == contact
    assert [(call.service, call.action) for call in engine.calls] == [("dynamodb", "GetItem")]


#: One address as people and systems spell it.
SPELLINGS = [
    "Jörg@Müller.example",
    "jo\u0308rg@mu\u0308ller.example",
    "JÖRG@XN--MLLER-KVA.example.",
    "\ufeffjörg\u200b@müller\u00ad.example ",
    "mailto:j%C3%B6rg@müller.example?subject=x",
    '"Müller, Jörg" <jörg@xn--mller-kva.example>',
    "jörg@müller.example (Jörg)",
]


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_an_address_in_any_spelling_is_one_contacts(api: Api, spelled: str) -> None:
    contact = create(api, Email=spelled)
    assert contact["Email"] == spelled
    for other in SPELLINGS:
        assert find(api, email=other).body == contact
        assert post(api, Email=other).status == 409
    assert update(api, contact, Email=SPELLINGS[0])["Email"] == SPELLINGS[0]
    assert post(api, Email=spelled).status == 409
    assert api.http("DELETE", f"{CONTACTS}/{contact['Id']}").status == 204
    create(api, Email=spelled)


@pytest.mark.parametrize("text", ["sample string 3", "Sample String 3", "\0", "a b@c d", "@", "max@", "mailto:"])
def test_an_email_that_is_no_address_is_kept_as_it_was_given(api: Api, text: str) -> None:
    contact = create(api, Email=text)
    assert contact["Email"] == text
    assert read(api, contact).body == contact


@pytest.mark.parametrize(
    ("query", "email"),
    [
        ("email=max+shop@example.net", "max+shop@example.net"),
        ("email=max%2Bshop@example.net", "max+shop@example.net"),
        ("email=+49170@sms.example", "+49170@sms.example"),
        ("email=max@example.net+", "max@example.net"),
        ("email=+max@example.net", "max@example.net"),
        ("email=%20max@example.net", "max@example.net"),
        ("Email=a+b+c%40example.net&other=x", "a+b+c@example.net"),
        ("email=a%20b@example.net", "a b@example.net"),
        ("email=a+b@example.net", "a b@example.net"),
        ("email=Max+M+<max%40example.net>", "max@example.net"),
        ("email=sample+string+3", "sample string 3"),
        ("email=sample%20string%203", "sample string 3"),
    ],
)
def test_a_plus_sign_need_not_be_escaped(api: Api, query: str, email: str) -> None:
    contact = create(api, Email=email)
    answer = api.http("GET", CONTACTS, query)
    assert (answer.status, answer.body) == (200, contact)


def test_with_and_without_a_plus_sign_are_two_addresses(api: Api) -> None:
    plain, tagged = create(api, Email="max@example.net"), create(api, Email="max+shop@example.net")
    blank, leading = create(api, Email="max shop@example.net"), create(api, Email="+max@example.net")
    for query, contact in (
        ("email=max@example.net", plain),
        ("email=max+shop@example.net", tagged),
        ("email=max%20shop@example.net", blank),
        ("email=+max@example.net", leading),
        ("email=%20max@example.net", plain),
    ):
        assert api.http("GET", CONTACTS, query).body == contact
    for nobody in ("email=max+other@example.net", "email=max%2B@example.net", "email=m+ax@example.net"):
        assert api.http("GET", CONTACTS, nobody).status == 404


@pytest.mark.parametrize(
    "query",
    [
        "secret=",
        "secret=AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "secret=%C3%A9",
        "email=",
        "email=%20",
        "email=bob@example.com",
        "phone=",
        "phone=none",
        "phone=87654321",
        "externalSystem=&externalId=",
        "externalSystem=shop&externalId=4712",
        "externalSystem=SHOP&externalId=4711",
    ],
)
def test_what_finds_nobody(api: Api, query: str) -> None:
    create(api, **ANN, ExternalIds=EXTERNAL_IDS)
    create(api)
    answer = api.http("GET", CONTACTS, query)
    assert (answer.status, answer.body) == (404, {"Message": "No such contact exists."})


def test_a_secret_that_differs_in_one_character_finds_nobody(api: Api) -> None:
    secret = create(api)["Secret"]
    for index, character in enumerate(secret):
        changed = secret[:index] + ("A" if character != "A" else "B") + secret[index + 1 :]
        assert find(api, secret=changed).status == 404


def test_another_spaces_contacts_are_not_found(api: Api) -> None:
    contact = create(api, **ANN, ExternalIds=EXTERNAL_IDS)
    other = another_space(api)
    assert read(other, contact).status == 404
    assert find(other, secret=contact["Secret"]).status == 404
    assert find(other, email=ANN["Email"]).status == 404
    assert find(other, externalSystem="shop", externalId="4711").status == 404
    assert put(other, contact).status == 404
    assert other.http("DELETE", f"{CONTACTS}/{contact['Id']}").status == 404
    assert read(api, contact).body == contact


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("secret=a&email=b", "email"),
        ("email=b&modifiedSince=2024-11-21", "email"),
        ("phoneCountryCode=45", "phone"),
        ("externalSystem=shop", "externalId"),
        ("email=a&Email=b", "email"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
    ],
)
def test_queries_that_are_refused(api: Api, query: str, field: str) -> None:
    assert list(wrong(api.http("GET", CONTACTS, query))) == [field]


@pytest.mark.parametrize("contact_id", ["0", "-1", str(NOBODY), "0000000001"])
def test_no_contact_has_the_id(api: Api, contact_id: str) -> None:
    for method in ("GET", "DELETE"):
        answer = api.http(method, f"{CONTACTS}/{contact_id}")
        message = f"No contact with the Id {int(contact_id)} exists."
        assert (answer.status, answer.body) == (404, {"Message": message})


@pytest.mark.parametrize("contact_id", ["abc", "1.0", "2147483648", "-2147483649", "9" * 5000, "١", "1 ", "+1"])
def test_what_is_no_id(api: Api, contact_id: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert list(wrong(api.http(method, f"{CONTACTS}/{contact_id}", body=b"{}"))) == ["id"]
    assert list(wrong(api.http("PUT", f"{CONTACTS}/{contact_id}/external-ids/a/b"))) == ["id"]


# --- Update -----------------------------------------------------------------------------------------------------------


def test_an_update_replaces_what_is_not_the_registrations(api: Api) -> None:
    old = create(api, **EVERYTHING, ExternalIds=EXTERNAL_IDS)
    changed = update(
        api,
        {"Id": old["Id"], "Version": old["Version"]},
        Email="anna@example.com",
        RegistrationSource="another",
        RegistrationDateTime="no date",
        RegistrationIp="10.0.0.1",
        RegistrationStoreId=8,
        Secret="mine",
    )
    assert list(changed) == [*MEMBERS, "ExternalIds"]
    for name in ("Id", "Secret", "ExternalIds", *(each for each in MEMBERS if each.startswith("Registration"))):
        assert changed[name] == old[name], name
    assert changed["Email"] == "anna@example.com"
    # What the body does not have is taken away.
    for name in ("PhoneCountryCode", "Phone", "FirstName", "LastName", "LimitMailsTemporarilyUntil"):
        assert changed[name] is None, name
    for name in ("PreferredStoreId", "ContactCompanyId", "LatestPermissionSource"):
        assert changed[name] is None, name
    assert changed["LimitMailsPermanently"] is False
    assert b64decode(changed["Version"]) > b64decode(old["Version"])
    assert DateTimeOffset.parse(changed["LastModified"]) > DateTimeOffset.parse(old["LastModified"])
    assert read(api, old).body == changed
    # What it had before is free, and what it has now is taken.
    create(api, **{name: EVERYTHING[name] for name in ANN})
    assert post(api, Email="anna@example.com").status == 409


def test_an_update_by_form(api: Api) -> None:
    contact = create(api, **ANN)
    fields = {"version": contact["Version"], "Email": "anna@example.com", "LimitMailsPermanently": "true"}
    answer = api.http("PUT", f"{CONTACTS}/{contact['Id']}", **as_form(fields))
    assert answer.status == 200
    assert answer.body["Email"] == "anna@example.com"
    assert answer.body["LimitMailsPermanently"] is True


def test_an_update_that_changes_nothing_is_a_change(api: Api) -> None:
    contact = create(api, **EVERYTHING, ExternalIds=EXTERNAL_IDS)
    changed = update(api, contact)
    assert changed["Version"] != contact["Version"]
    own = ("Version", "LastModified")
    assert {**changed, **dict.fromkeys(own)} == {**contact, **dict.fromkeys(own)}


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (None, "The Version field is required."),
        ("", "The Version field is required."),
        ("?", "The field Version must be base64."),
        ("QEA=", "The field Version must be the 8 bytes of the contact that was read."),
        (5, "The field Version must be base64."),
        (["QEA="], "The field Version must be base64."),
    ],
)
def test_a_version_that_is_none(api: Api, version: Any, message: str) -> None:
    contact = create(api)
    assert wrong(put(api, contact, Version=version)) == {"contact.Version": [message]}
    del contact["Version"]
    assert wrong(put(api, contact)) == {"contact.Version": ["The Version field is required."]}


def test_an_update_names_all_wrong_fields(api: Api) -> None:
    answer = put(api, create(api), Version="?", Email="a" * 251, LimitMailsTemporarilyUntil="soon")
    assert set(wrong(answer)) == {"contact.Version", "contact.Email", "contact.LimitMailsTemporarilyUntil"}


def test_a_stale_update_is_told_the_latest_contact(api: Api) -> None:
    old = create(api, **ANN)
    latest = update(api, old, FirstName="Anna")
    answer = put(api, old, FirstName="Anne")
    assert answer.status == 409
    assert answer.body == latest | {"Message": "Version: the contact was changed after it was read."}
    assert list(answer.body) == [*MEMBERS, "Message"]
    assert read(api, old).body == latest
    # Staleness comes before everything else that may be wrong.
    assert put(api, old, PreferredStoreId=99).body["Message"].startswith("Version: ")
    # The body that was given is what the next try can start from.
    assert update(api, answer.body, FirstName="Anne")["FirstName"] == "Anne"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"Email": "ANN@example.com"}, "Email: another contact with the same Email exists."),
        ({"Phone": "12-34-56-78"}, "Phone: another contact with the same Phone exists."),
        ({"FirstName": "ann", "LastName": "LEE"}, "FirstName, LastName: another contact with the same name exists."),
        (
            {"ExternalIds": EXTERNAL_IDS},
            "ExternalIds: another contact with the Id '4711' of the system 'shop' exists.",
        ),
        ({"PreferredStoreId": 99}, "PreferredStoreId: no store with the Id 99 exists."),
    ],
)
def test_what_an_update_cannot_have_is_told_with_the_latest_contact(
    api: Api, members: dict[str, Any], message: str
) -> None:
    create(api, **ANN, ExternalIds=EXTERNAL_IDS)
    contact = create(api, Email="bob@example.com", ExternalIds=[{"System": "shop", "Id": "1"}])
    answer = put(api, contact, **members)
    assert (answer.status, answer.body) == (409, contact | {"Message": message})
    assert read(api, contact).body == contact
    # A refused change leaves nothing behind that would be in the way.
    update(api, contact, Email="robert@example.com")


def test_a_contact_does_not_conflict_with_itself(api: Api) -> None:
    contact = create(api, **ANN, ExternalIds=EXTERNAL_IDS)
    changed = update(api, contact, Email="ANN@example.com", Phone="12 34 56 78", FirstName="ANN")
    assert changed["Email"] == "ANN@example.com"


def test_a_store_that_went_is_asked_for_at_the_next_update(api: Api) -> None:
    contact = create(api, PreferredStoreId=1)
    assert api.http("DELETE", "/api/v1/Stores/1").status == 204
    assert read(api, contact).body["PreferredStoreId"] == 1
    assert put(api, contact).status == 409
    assert update(api, contact, PreferredStoreId=None)["PreferredStoreId"] is None


# --- External ids -----------------------------------------------------------------------------------------------------


def test_external_ids_stay_where_an_update_has_none(api: Api) -> None:
    contact = create(api, ExternalIds=EXTERNAL_IDS)
    nothing: list[dict[str, Any]] = [{}, {"ExternalIds": None}]
    for none in nothing:
        body = {"Version": contact["Version"]} | none
        contact = api.http("PUT", f"{CONTACTS}/{contact['Id']}", body=body).body
        assert contact["ExternalIds"] == EXTERNAL_IDS
    contact = update(api, contact, ExternalIds=EXTERNAL_IDS[1:])
    assert contact["ExternalIds"] == EXTERNAL_IDS[1:]
    contact = update(api, contact, ExternalIds=[])
    assert list(contact) == MEMBERS
    create(api, ExternalIds=EXTERNAL_IDS)


def external_id(api: Api, method: str, contact: dict[str, Any], system: str, name: str) -> Answer:
    return api.http(method, f"{CONTACTS}/{contact['Id']}/external-ids/{system}/{name}")


def test_external_ids_come_and_go(api: Api) -> None:
    contact = create(api, **ANN)
    attached = external_id(api, "PUT", contact, "shop", "Ünïcode 1+1=2").body
    assert attached["ExternalIds"] == [{"System": "shop", "Id": "Ünïcode 1+1=2"}]
    assert attached["Version"] != contact["Version"]
    assert attached["LastModified"] != contact["LastModified"]
    # Again, it changes nothing.
    again = external_id(api, "PUT", contact, "shop", "Ünïcode 1+1=2")
    assert (again.status, again.body) == (200, attached)
    assert find(api, externalSystem="shop", externalId="Ünïcode 1+1=2").body == attached
    assert external_id(api, "PUT", contact, "till", "1").body["ExternalIds"][1] == {"System": "till", "Id": "1"}
    detached = external_id(api, "DELETE", contact, "shop", "Ünïcode 1+1=2")
    assert detached.status == 200
    assert detached.body["ExternalIds"] == [{"System": "till", "Id": "1"}]
    assert detached.body["Version"] not in (attached["Version"], contact["Version"])
    gone = external_id(api, "DELETE", contact, "shop", "Ünïcode 1+1=2")
    message = "The contact has no Id 'Ünïcode 1+1=2' of the system 'shop'."
    assert (gone.status, gone.body) == (404, {"Message": message})
    assert find(api, externalSystem="shop", externalId="Ünïcode 1+1=2").status == 404


def test_what_stands_in_a_path_is_logged_nowhere(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    contact = create(api)
    caplog.clear()
    external_id(api, "PUT", contact, "mail", "ann@example.com")
    find(api, email="ann@example.com")
    put_route, get_route = (vars(record)["route"] for record in caplog.records)
    assert put_route == f"PUT {CONTACTS}/{{id}}/external-ids/{{system}}/{{externalId}}"
    assert get_route == f"GET {CONTACTS}"
    assert "ann@example.com" not in str([vars(record) for record in caplog.records])


def test_an_external_id_is_one_contacts_own(api: Api) -> None:
    create(api, ExternalIds=EXTERNAL_IDS)
    other = create(api)
    answer = external_id(api, "PUT", other, "shop", "4711")
    message = "ExternalIds: another contact with the Id '4711' of the system 'shop' exists."
    assert (answer.status, answer.body) == (409, other | {"Message": message})
    assert external_id(api, "DELETE", other, "shop", "4711").status == 404
    assert find(api, externalSystem="shop", externalId="4711").body["ExternalIds"] == EXTERNAL_IDS


def test_a_contact_has_twenty_external_ids_at_most(api: Api) -> None:
    contact = create(api, ExternalIds=[{"System": "shop", "Id": str(number)} for number in range(20)])
    answer = external_id(api, "PUT", contact, "shop", "20")
    assert (answer.status, answer.body["Message"]) == (409, "ExternalIds: a contact has at most 20.")
    assert answer.body["ExternalIds"] == contact["ExternalIds"]
    assert external_id(api, "PUT", contact, "shop", "19").status == 200
    assert external_id(api, "DELETE", contact, "shop", "0").status == 200
    assert external_id(api, "PUT", contact, "shop", "20").status == 200


def test_external_ids_of_nobody(api: Api) -> None:
    for method in ("PUT", "DELETE"):
        answer = external_id(api, method, {"Id": NOBODY}, "shop", "1")
        assert (answer.status, answer.body) == (404, {"Message": f"No contact with the Id {NOBODY} exists."})


def test_external_ids_that_are_none(api: Api) -> None:
    contact = create(api)
    assert wrong(external_id(api, "PUT", contact, "x" * 51, " ")) == {
        "system": ["The field system must be a string with a maximum length of 50."],
        "externalId": ["The externalId field is required."],
    }
    assert list(wrong(external_id(api, "DELETE", contact, "shop", "x" * 101))) == ["externalId"]


# --- Delete -----------------------------------------------------------------------------------------------------------


def suppressed_limits(api: Api, email: str) -> dict[str, Any]:
    """The limits that keep mail from an address once its contact is gone."""
    key = keys.suppression(api.space, keys.address_hash(runtime.access().address_key(), email))
    item = runtime.contacts()._table.get(key) or {}
    return {name: value for name, value in item.items() if name.startswith("limit")}


def test_a_deleted_contact_is_gone_with_all_that_it_had(api: Api) -> None:
    contact = create(api, **ANN, ExternalIds=EXTERNAL_IDS, LatestPermissionSource="web form")
    deleted = api.http("DELETE", f"{CONTACTS}/{contact['Id']}")
    assert (deleted.status, deleted.headers, deleted.body) == (204, {}, None)
    for again in (read(api, contact), api.http("DELETE", f"{CONTACTS}/{contact['Id']}"), put(api, contact)):
        assert (again.status, again.body) == (404, {"Message": f"No contact with the Id {contact['Id']} exists."})
    assert find(api, secret=contact["Secret"]).status == 404
    assert find(api, email=ANN["Email"]).status == 404
    assert suppressed_limits(api, ANN["Email"]) == {}
    assert create(api, **ANN, ExternalIds=EXTERNAL_IDS)["Id"] != contact["Id"]


def test_a_limit_outlives_its_contact(api: Api) -> None:
    until = str(DateTimeOffset.now().plus_seconds(3600))
    each: list[dict[str, Any]] = [{"LimitMailsPermanently": True}, {"LimitMailsTemporarilyUntil": until}]
    for number, limits in enumerate(each):
        contact = create(api, Email=f"Ann{number}@example.com", **limits)
        assert api.http("DELETE", f"{CONTACTS}/{contact['Id']}").status == 204
    assert suppressed_limits(api, "ann0@example.com") == {"limitMailsPermanently": True}
    in_utc = keys.instant(DateTimeOffset.parse(until).to_utc())
    assert suppressed_limits(api, "ann1@example.com") == {"limitMailsTemporarilyUntil": in_utc}


# --- Permissions ------------------------------------------------------------------------------------------------------


def history(api: Api, contact: dict[str, Any]) -> list[PermissionChange]:
    return runtime.contacts().permission_history(api.space, contact["Id"])


def test_each_change_of_a_permission_is_kept_and_nothing_else(api: Api) -> None:
    contact = create(api, **ANN)
    assert history(api, contact) == []
    contact = update(api, contact, FirstName="Anna")
    assert history(api, contact) == []
    until = DateTimeOffset.parse("2030-01-02T03:04:05.0000001-08:00")
    changes = []
    for permanently, temporarily, source in (
        (True, None, "unsubscribed by phone"),
        (True, until, "unsubscribed by phone"),
        (False, until, "unsubscribed by phone"),
        (False, until, "web form"),
        (False, None, None),
    ):
        contact = update(
            api,
            contact,
            LimitMailsPermanently=permanently,
            LimitMailsTemporarilyUntil=str(temporarily) if temporarily else None,
            LatestPermissionSource=source,
        )
        moment = DateTimeOffset.parse(contact["LastModified"])
        changes.append(PermissionChange(moment, permanently, temporarily, source, changed_by=api.keyid))
        contact = update(api, contact, LastName=f"Lee {len(changes)}")
        contact = external_id(api, "PUT", contact, "shop", str(len(changes))).body
    assert history(api, contact) == changes


def test_a_permission_that_a_contact_begins_with_is_kept(api: Api) -> None:
    contact = create(api, LatestPermissionSource="web form")
    moment = DateTimeOffset.parse(contact["LastModified"])
    assert history(api, contact) == [PermissionChange(moment, False, None, "web form", api.keyid)]


def test_a_refused_change_is_no_change_of_a_permission(api: Api) -> None:
    create(api, **ANN)
    contact = create(api)
    assert put(api, contact, LimitMailsPermanently=True, Email=ANN["Email"]).status == 409
    assert history(api, contact) == []
