"""Idempotency-Key at the two POSTs of the contacts dialect."""

import secrets
from typing import Any

import pytest

from polypost import runtime
from support.stops import every_stop

from .conftest import Answer, Api
from .test_contacts_api import CONTACTS, find
from .test_idempotency import pass_time

STORES = "/api/v1/Stores"


def contact_body(name: str) -> dict[str, Any]:
    return {
        "RegistrationSource": "web form",
        "Email": f"{name}@example.com",
        "PreferredStoreId": 1,
        "LatestPermissionSource": "web form",
    }


def store_body(name: str) -> dict[str, Any]:
    return {"Name": name}


#: The endpoints, each with what makes a body of a name.
ENDPOINTS = pytest.mark.parametrize(("path", "body"), [(CONTACTS, contact_body), (STORES, store_body)])


@pytest.fixture(autouse=True)
def a_store(api: Api) -> None:
    """Store 1, and a cache that knows all that a request reads of its space."""
    assert api.http("POST", STORES, body={"Id": 1}).status == 201
    assert post(api, CONTACTS, contact_body("warm"), "warm").status == 201


def post(api: Api, path: str, body: dict[str, Any], key: str) -> Answer:
    return api.http("POST", path, body=body, headers={"idempotency-key": key})


@ENDPOINTS
def test_the_same_request_gets_the_same_response(api: Api, path: str, body: Any) -> None:
    first = post(api, path, body("ann"), "key")
    again = post(api, path, body("ann"), "key")
    assert first.status == 201
    assert again == first
    # In the other spelling too, which is the same endpoint.
    assert post(api, path.lower(), body("ann"), "key") == first
    # Without a key, or under another one, it is another request.
    other = post(api, path, body("bob"), "another-key")
    assert other.body["Id"] != first.body["Id"]


@ENDPOINTS
def test_another_body_is_a_conflict(api: Api, path: str, body: Any) -> None:
    assert post(api, path, body("ann"), "key").status == 201
    answer = post(api, path, body("bob"), "key")
    assert (answer.status, answer.body) == (409, {"Message": "Another request was sent with this Idempotency-Key"})


def test_a_refused_contact_leaves_the_key_free(api: Api) -> None:
    first = post(api, CONTACTS, contact_body("ann"), "key")
    taken = post(api, CONTACTS, contact_body("ann"), "other")
    assert (taken.status, taken.body["Message"][:6]) == (409, "Email:")
    assert api.http("DELETE", f"{CONTACTS}/{first.body['Id']}").status == 204
    assert post(api, CONTACTS, contact_body("ann"), "other").status == 201
    # What was stored is what was answered then.
    assert post(api, CONTACTS, contact_body("ann"), "key") == first


def test_a_contact_is_created_once_wherever_its_creation_stops(api: Api) -> None:
    for stop in every_stop(runtime._dynamodb()):
        name = f"a{secrets.token_hex(4)}"
        with stop:
            post(api, CONTACTS, contact_body(name), name)
        standing = find(api, email=f"{name}@example.com")
        pass_time(20)
        answer = post(api, CONTACTS, contact_body(name), name)
        assert answer.status == 201, (stop, answer.body)
        if standing.status == 200:
            assert answer.body == standing.body, stop
        assert find(api, email=f"{name}@example.com").body == answer.body
        assert post(api, CONTACTS, contact_body(name), name) == answer
        assert len(contacts_with(name)) == 1, stop


def contacts_with(name: str) -> list[Any]:
    table = runtime.contacts()._table
    items = table.client.scan(TableName=table.name)["Items"]
    return [item for item in items if item.get("email", {}).get("S") == f"{name}@example.com"]


def test_a_store_is_created_once_wherever_its_creation_stops(api: Api) -> None:
    def named(name: str) -> list[Any]:
        return [store for store in api.http("GET", STORES).body if store["Name"] == name]

    for stop in every_stop(runtime._dynamodb()):
        name = f"a{secrets.token_hex(4)}"
        with stop:
            post(api, STORES, store_body(name), name)
        standing = named(name)
        pass_time(20)
        answer = post(api, STORES, store_body(name), name)
        assert answer.status == 201, (stop, answer.body)
        assert standing in ([], [answer.body]), stop
        assert named(name) == [answer.body], stop
        assert post(api, STORES, store_body(name), name) == answer
