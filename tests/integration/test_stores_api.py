"""Stores over their functions."""

from typing import Any

import pytest

from .conftest import Answer, Api
from .test_contacts_api import another_space, as_form, create, read, wrong

STORES = "/api/v1/Stores"


def post(api: Api, **members: Any) -> Answer:
    return api.http("POST", STORES, body=members)


def test_a_store_has_the_id_that_its_creator_chose(api: Api) -> None:
    answer = post(api, Id=7, Name="Main Street")
    assert (answer.status, answer.body) == (201, {"Id": 7, "Name": "Main Street"})
    assert list(answer.body) == ["Id", "Name"]
    assert answer.headers["Location"] == "https://abc123.execute-api.eu-central-1.amazonaws.com/api/v1/Stores/7"
    assert api.http("GET", f"{STORES}/7").body == answer.body
    again = post(api, Id=7, Name="Side Street")
    assert (again.status, again.body) == (409, {"Message": "Id: a store with the Id 7 exists."})
    assert api.http("GET", f"{STORES}/7").body == answer.body


def test_a_store_without_an_id_is_given_one(api: Api) -> None:
    stores = [post(api, Name="Main Street"), post(api, Name="Main Street"), post(api, Id=None, Name=None), post(api)]
    ids = {answer.body["Id"] for answer in stores}
    assert len(ids) == len(stores)
    assert all(0 < store_id < 2**31 for store_id in ids)
    assert [answer.body["Name"] for answer in stores] == ["Main Street", "Main Street", "", ""]
    assert all(api.http("GET", f"{STORES}/{answer.body['Id']}").body == answer.body for answer in stores)


def test_a_form_and_names_in_any_case(api: Api) -> None:
    assert api.http("POST", STORES, **as_form({"ID": "3", "name": "Größe 😀"})).body == {"Id": 3, "Name": "Größe 😀"}
    assert api.http("POST", STORES, **as_form({"id": "", "Name": "a"})).status == 201


def test_stores_are_listed_in_the_order_of_their_ids(api: Api) -> None:
    assert api.http("GET", STORES).body == []
    for store_id in (2**31 - 1, 10, 9, 1):
        assert post(api, Id=store_id).status == 201
    listed = api.http("GET", "/api/v1/stores")
    assert listed.body == [{"Id": store_id, "Name": ""} for store_id in (1, 9, 10, 2**31 - 1)]
    assert listed.headers["Content-Type"] == "application/json; charset=utf-8"


def test_a_deleted_store_is_gone_and_its_contacts_keep_its_id(api: Api) -> None:
    post(api, Id=1)
    contact = create(api, PreferredStoreId=1)
    deleted = api.http("DELETE", f"{STORES}/1")
    assert (deleted.status, deleted.headers, deleted.body) == (204, {}, None)
    for method in ("GET", "DELETE"):
        answer = api.http(method, f"{STORES}/1")
        assert (answer.status, answer.body) == (404, {"Message": "No store with the Id 1 exists."})
    assert api.http("GET", STORES).body == []
    assert read(api, contact).body == contact
    assert api.http("POST", "/api/v1/Contacts", body={"RegistrationSource": "a", "PreferredStoreId": 1}).status == 409
    assert post(api, Id=1).status == 201


@pytest.mark.parametrize(
    ("members", "problems"),
    [
        ({"Id": 0}, {"store.Id": ["The value '0' is not valid for Id."]}),
        ({"Id": -1}, {"store.Id": ["The value '-1' is not valid for Id."]}),
        ({"Id": 2**31}, {"store.Id": ["The value '2147483648' is not valid for Id."]}),
        ({"Id": "one"}, {"store.Id": ["The value 'one' is not valid for Id."]}),
        ({"Name": "a" * 101}, {"store.Name": ["The field Name must be a string with a maximum length of 100."]}),
        (
            {"Id": 1.5, "Name": []},
            {"store.Id": ["The value '1.5' is not valid for Id."], "store.Name": ["The field Name must be a string."]},
        ),
    ],
)
def test_what_is_no_store(api: Api, members: dict[str, Any], problems: dict[str, list[str]]) -> None:
    assert wrong(post(api, **members)) == problems
    assert api.http("GET", STORES).body == []


def test_a_body_of_another_format_and_none(api: Api) -> None:
    assert api.http("POST", STORES, body=b"<a/>", headers={"content-type": "text/xml"}).status == 415
    assert list(wrong(api.http("POST", STORES))) == ["store"]


@pytest.mark.parametrize("store_id", ["abc", "2147483648"])
def test_what_is_no_id(api: Api, store_id: str) -> None:
    for method in ("GET", "DELETE"):
        assert list(wrong(api.http(method, f"{STORES}/{store_id}"))) == ["id"]


def test_spaces_have_stores_of_their_own(api: Api) -> None:
    post(api, Id=1)
    other = another_space(api)
    assert other.http("GET", STORES).body == []
    assert other.http("GET", f"{STORES}/1").status == 404
    assert other.http("DELETE", f"{STORES}/1").status == 404
    assert post(other, Id=1, Name="Another").status == 201
    assert api.http("GET", f"{STORES}/1").body == {"Id": 1, "Name": ""}
