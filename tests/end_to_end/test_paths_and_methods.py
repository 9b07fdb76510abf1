"""HEAD, OPTIONS, and paths that are an endpoint's but for a detail, over HTTP."""

import httpx
import pytest

from polypost_local import demo

from .conftest import RunningStack

DEMO = httpx.BasicAuth(demo.KEYID, demo.SECRET)
SAP = "/api-service/custom/sap/v1"
CONTACTS = "/api/v1/Contacts"


@pytest.mark.parametrize(
    "path",
    [
        *("/api-service", "/api-service/", f"{SAP}/bounces?pageSize=1", f"{SAP}/complaints", f"{SAP}/verifiedSenders"),
        *(f"{CONTACTS}?limit=1", f"{CONTACTS}/{demo.CONTACT_ID}", f"/api/v1/contacts/{demo.CONTACT_ID}"),
        *(f"{CONTACTS}/{demo.CONTACT_ID}/timeline?limit=1", f"{CONTACTS}/2147483647", f"{CONTACTS}/abc"),
        *("/api/v1/Stores", "/api/v1/stores/1", "/i/no-such-token", "/elsewhere"),
    ],
)
def test_head_has_the_headers_of_get(local_stack: RunningStack, path: str) -> None:
    get, head = (local_stack.client.request(method, path, auth=DEMO) for method in ("GET", "HEAD"))
    assert head.status_code == get.status_code
    assert head.content == b""
    assert head.headers == get.headers
    assert int(head.headers["Content-Length"]) == len(get.content)


def test_head_needs_the_credentials_of_get(local_stack: RunningStack) -> None:
    refused = local_stack.client.head(f"{SAP}/bounces", auth=(demo.KEYID, "wrong"))
    assert (refused.status_code, refused.content) == (401, b"")
    assert refused.headers["WWW-Authenticate"].startswith("Basic")


def test_options_needs_none(local_stack: RunningStack) -> None:
    for path, allowed in (
        (CONTACTS, "GET, HEAD, POST, OPTIONS"),
        (f"{CONTACTS}/1", "GET, HEAD, PUT, DELETE, OPTIONS"),
        (f"{SAP}/send", "POST, OPTIONS"),
        ("/customers/1/mails", "POST, OPTIONS"),
        ("/i/x", "GET, HEAD, OPTIONS"),
    ):
        answer = local_stack.client.options(path)
        assert (answer.status_code, answer.headers["Allow"], answer.content) == (204, allowed, b"")


def test_a_client_that_follows_comes_to_the_endpoint(local_stack: RunningStack) -> None:
    client, base = local_stack.client, local_stack.base_url
    moved = client.post(f"{CONTACTS}/", json={})
    assert (moved.status_code, moved.headers["Location"], moved.content) == (308, f"{base}{CONTACTS}", b"")
    created = client.post("/API/v1/CONTACTS/", json={"RegistrationSource": "web"}, auth=DEMO, follow_redirects=True)
    assert created.status_code == 201
    assert [each.status_code for each in created.history] == [308]
    found = client.get(f"{SAP}/bounces//?pageSize=1&sourceSystem=%C3%BC+a", auth=DEMO, follow_redirects=True)
    assert (found.status_code, str(found.url)) == (200, f"{base}{SAP}/bounces?pageSize=1&sourceSystem=%C3%BC+a")
    logged = client.post("/api/v1/Contact/CoffeePage/", json={}, follow_redirects=True)
    assert (logged.status_code, logged.json()["Message"]["Code"]) == (401, "01")
    assert logged.headers["WWW-Authenticate"] == 'Authentication realm="StratusCore"'
    external = client.put(f"{CONTACTS}/1/external-ids/Shop/A%20b%2Bc/")
    assert external.headers["Location"] == f"{base}{CONTACTS}/1/external-ids/Shop/A%20b+c"


def test_a_path_that_is_close_to_an_endpoint_is_told_it(local_stack: RunningStack) -> None:
    answer = local_stack.client.get("/api-service/v1/bounces")
    assert (answer.status_code, answer.json()["message"]) == (
        404,
        f"No resource stands at this path. Did you mean {SAP}/bounces?",
    )
