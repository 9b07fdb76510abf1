"""The contacts dialect on the running stack, as a .NET client uses it."""

import gzip
import json
import secrets
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from polypost.adapters import keys
from polypost.adapters.contact_feed import GIVEN_UP_SECONDS
from polypost.adapters.dynamodb import to_item
from polypost.models.date_time_offset import DateTimeOffset
from polypost_local import demo
from support.waiting import eventually

from .conftest import LocalEngine, RunningStack

CONTACTS = "/api/v1/Contacts"
STORES = "/api/v1/Stores"


@pytest.fixture(scope="module")
def client(local_stack: RunningStack) -> Iterator[httpx.Client]:
    """A client with the demo space's credentials."""
    auth = (demo.KEYID, demo.SECRET)
    with httpx.Client(base_url=local_stack.base_url, auth=auth, timeout=30, trust_env=False) as client:
        yield client


def some_email() -> str:
    return f"{secrets.token_hex(6)}@example.com"


def create(client: httpx.Client, **members: Any) -> dict[str, Any]:
    answer = client.post(CONTACTS, json={"RegistrationSource": "web form", **members})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("media_type", ["json", "form"])
def test_a_contacts_life(client: httpx.Client, media_type: str) -> None:
    email, changed_email = some_email(), some_email()
    members = {"RegistrationSource": "birthday campaign", "Email": email, "FirstName": "Ånn", "PreferredStoreId": "1"}
    created = client.post(CONTACTS, json=members) if media_type == "json" else client.post(CONTACTS, data=members)
    assert created.status_code == 201
    assert created.json()["FirstName"] == "Ånn"

    url = created.headers["Location"]
    contact = client.get(url).json()
    assert contact == created.json()

    contact["Email"], contact["LimitMailsPermanently"] = changed_email, True
    updated = client.put(url, json=contact)
    assert updated.status_code == 200
    assert updated.json()["Email"] == changed_email
    assert b64decode(updated.json()["Version"]) > b64decode(contact["Version"])

    stale = client.put(url, json=contact | {"Email": email})
    assert stale.status_code == 409
    assert stale.json() == updated.json() | {"Message": "Version: the contact was changed after it was read."}
    assert client.get(url).json() == updated.json()

    for member in ("Email", "Secret"):
        assert client.get(CONTACTS, params={member.lower(): updated.json()[member]}).json() == updated.json()
    deleted = client.delete(url)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get(url).status_code == client.delete(url).status_code == 404


def test_of_many_creations_at_once_one_wins(client: httpx.Client) -> None:
    body = {"RegistrationSource": "web form", "Email": some_email()}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: client.post(CONTACTS, json=body), range(16)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
    message = {"Message": "Email: another contact with the same Email exists."}
    assert all(answer.json() == message for answer in answers if answer.status_code == 409)


@pytest.mark.parametrize("external_id", ["4711", "a b+c", "Größe 100%", "50%25", "a#b&c", "a;b,c:d@e", "a\\b", "~.a"])
def test_external_ids_in_paths(client: httpx.Client, external_id: str) -> None:
    system = f"till {secrets.token_hex(4)} ü"
    contact = create(client)
    path = f"{CONTACTS}/{contact['Id']}/external-ids/{escaped(system)}/{escaped(external_id)}"
    attached = client.put(path)
    assert attached.status_code == 200
    assert attached.json()["ExternalIds"] == [{"System": system, "Id": external_id}]
    query = {"externalSystem": system, "externalId": external_id}
    assert client.get(CONTACTS, params=query).json() == attached.json()
    detached = client.delete(path.replace("Contacts", "contacts"))
    assert (detached.status_code, "ExternalIds" in detached.json()) == (200, False)


def escaped(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def test_an_external_id_with_a_slash_goes_into_the_body(client: httpx.Client) -> None:
    contact = create(client)
    # API Gateway decodes a path before it looks for the route.
    assert client.put(f"{CONTACTS}/{contact['Id']}/external-ids/shop/a%2Fb").status_code == 404
    ids = [{"System": f"shop {secrets.token_hex(4)}", "Id": "a/b"}]
    changed = client.put(f"{CONTACTS}/{contact['Id']}", json=contact | {"ExternalIds": ids})
    assert changed.json()["ExternalIds"] == ids


def follow(client: httpx.Client, url: str) -> tuple[list[dict[str, Any]], str]:
    """All changes from a URL on, and the URL to come back to."""
    changes = []
    while True:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        changes += answer.json()
        if "monitor" in answer.links:
            return changes, answer.links["monitor"]["url"]
        url = answer.links["next"]["url"]


def test_a_sync_follows_changes_and_deletions(client: httpx.Client) -> None:
    _, url = follow(client, f"{CONTACTS}?limit=2")
    kept, deleted = create(client, Email=some_email()), create(client, LimitMailsPermanently=True, Email=some_email())
    assert client.delete(f"{CONTACTS}/{deleted['Id']}").status_code == 204
    copy: dict[int, Any] = {}

    def look() -> bool:
        nonlocal url
        changes, url = follow(client, url)
        copy.update({change["Id"]: change for change in changes})
        return deleted["Id"] in copy

    assert eventually(look)
    assert copy[kept["Id"]] == kept
    assert list(copy[deleted["Id"]]) == ["Id", "Deleted"]
    assert follow(client, f"{CONTACTS}?modifiedSince={copy[deleted['Id']]['Deleted']}")[0][0] == copy[deleted["Id"]]


def test_a_change_that_was_given_up_holds_no_reader_up(client: httpx.Client, local_engine: LocalEngine) -> None:
    begun_at = DateTimeOffset.now().plus_seconds(-GIVEN_UP_SECONDS - 1)
    announcement = keys.change(demo.SPACE, keys.change_place(begun_at, 2, secrets.token_hex(4)))
    table = {"TableName": local_engine.outputs["ContactsTable"]}
    dynamodb = local_engine.client("dynamodb")
    dynamodb.put_item(Item=to_item(announcement | {"contactId": 2, "announced": begun_at.ticks}), **table)
    follow(client, f"{CONTACTS}?modifiedSince={begun_at}")
    assert "Item" not in dynamodb.get_item(Key=to_item(announcement), **table)


def test_a_stores_life(client: httpx.Client) -> None:
    store_id = secrets.randbelow(2**30) + 2
    assert client.get(f"{STORES}/{demo.STORE_ID}").json() == {"Id": 1, "Name": "Main Street"}
    created = client.post(STORES, json={"Id": store_id, "Name": "Side Street"})
    assert created.status_code == 201
    assert client.get(created.headers["Location"]).json() == {"Id": store_id, "Name": "Side Street"}
    assert created.json() in client.get(STORES).json()
    contact = create(client, PreferredStoreId=store_id)
    assert client.delete(created.headers["Location"]).status_code == 204
    assert client.get(created.headers["Location"]).status_code == 404
    refused = client.put(f"{CONTACTS}/{contact['Id']}", json=contact)
    assert (refused.status_code, refused.json()["Message"]) == (
        409,
        f"PreferredStoreId: no store with the Id {store_id} exists.",
    )


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [(CONTACTS, {"RegistrationSource": "web form"}, {"Phone": "1"}), (STORES, {"Name": "Side Street"}, {"Id": "-1"})],
)
def test_a_repeated_creation_creates_one(
    client: httpx.Client, path: str, body: dict[str, str], wrong: dict[str, str]
) -> None:
    headers = {"Idempotency-Key": secrets.token_hex()}
    # After a refusal the key is free.
    assert client.post(path, json=wrong, headers=headers).status_code == 400
    first, again = (client.post(path, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    other = client.post(path, data=body, headers=headers)
    assert (other.status_code, list(other.json())) == (409, ["Message"])


def test_what_clients_of_other_systems_send(client: httpx.Client) -> None:
    tag = secrets.token_hex(6)
    form = f"RegistrationSource=form&Email=max%2B{tag}@m%C3%BCller.example&LimitMailsPermanently=true&"
    created = client.post(
        CONTACTS,
        content=f"{form}LimitMailsPermanently=false&RegistrationDateTime=2024-11-21T06:24:04.098%2B0000",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert created.status_code == 201
    contact = created.json()
    assert contact["LimitMailsPermanently"] is True
    assert contact["RegistrationDateTime"] == "2024-11-21T06:24:04.0980000+00:00"
    # The plus sign as it is, the domain as another system writes it.
    assert client.get(f"{CONTACTS}?email=max+{tag}@xn--mller-kva.example").json() == contact
    decomposed = {"RegistrationSource": "web form", "Email": f"Max+{tag}@mu\u0308ller.example\u200b"}
    assert client.post(CONTACTS, json=decomposed).status_code == 409


def test_a_compressed_body_is_told_to_come_as_it_is(client: httpx.Client) -> None:
    for path in (CONTACTS, "/api-service/custom/sap/v1/send", "/api/v1/contact/coffeepage", "/customers/1/mails"):
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        answer = client.post(path, content=gzip.compress(b"{}"), headers=headers)
        assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")


def test_errors_on_the_wire(client: httpx.Client, local_stack: RunningStack) -> None:
    refused = client.get(f"{CONTACTS}/1", auth=(demo.KEYID, "wrong"))
    assert (refused.status_code, refused.json()) == (
        401,
        {"Message": "Authorization has been denied for this request."},
    )
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    bad = client.post(CONTACTS, content='{"Email": 1e999}', headers={"Content-Type": "text/json"})
    assert list(bad.json()["ModelState"]) == ["contact.RegistrationSource"]
    xml = client.post(CONTACTS, content="<a/>", headers={"Content-Type": "application/xml"})
    assert (xml.status_code, list(xml.json())) == (415, ["Message"])
    for method, path, status in (
        ("GET", f"{CONTACTS}/1/no/such/thing/at/all", 404),
        ("PATCH", CONTACTS, 405),
        ("POST", f"{STORES}/1", 405),
        ("GET", f"{CONTACTS}/abc", 400),
    ):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert next(iter(answer.json())) == "Message"
    other_space = client.get(CONTACTS, headers={"Host": f"other.localhost:{local_stack.command.port}"})
    assert (other_space.status_code, other_space.json()) == (404, {"Message": "Unknown tenant."})
    too_large = client.post(CONTACTS, content=json.dumps({"Email": "a" * 7_000_000}))
    assert too_large.status_code == 413
