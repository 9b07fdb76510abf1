"""Who may call: spaces by host, credentials, scopes; and what stands at no route."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cachetools import TTLCache

from polypost import runtime
from polypost.adapters import access_table
from polypost.adapters.dynamodb import to_item
from polypost.errors import Permanent, Unauthenticated
from polypost.models.access import Scope, Space, SpaceSettings
from polypost.settings import setting
from polypost.web import auth
from support.lambda_events import http_event
from support.template_engine import Engine

from .conftest import CREATED_AT, SECRET, Answer, Api, create_credential

SPRING = ["timestamp", "status", "error", "message", "path"]
LIST = ("inxmail_bounces", "GET", "/api-service/custom/sap/v1/bounces")


def assert_refused(answer: Answer) -> None:
    assert answer.status == 401
    assert list(answer.body) == SPRING
    assert answer.body["error"] == "Unauthorized"
    assert answer.body["message"] == "Missing or invalid credentials."
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic bm9jb2xvbg==",
        "Basic /zo=",
        "Bearer abc",
        "Basic OnNlY3JldA==",
        f"Basic {b64encode(b'k' * 2100 + b':secret').decode()}",
    ],
)
def test_missing_or_malformed_credentials(api: Api, header: str) -> None:
    assert_refused(api.call(*LIST, headers={"authorization": header}))


@pytest.mark.parametrize("more", [0, 1, 2], ids=["no padding", "two characters", "one character"])
def test_credentials_may_lack_their_padding(api: Api, more: int) -> None:
    # Each length of what is encoded has a padding of its own.
    keyid = f"{api.keyid}{'x' * more}"
    create_credential(f"pad-{keyid}", api.space)
    token = b64encode(f"pad-{keyid}:{SECRET}".encode()).decode()
    for spelled in (token, token.rstrip("="), f" {token.rstrip('=')} ", f"{token}="):
        assert api.call(*LIST, headers={"authorization": f"Basic {spelled}"}).status == 200
    assert_refused(api.call(*LIST, headers={"authorization": f"Basic {token.rstrip('=')[:-1]}"}))


def test_wrong_credentials_all_look_the_same(api: Api, engine: Engine) -> None:
    now = datetime.now(UTC)
    create_credential(f"expired-{api.space}", api.space, expires_at=now - timedelta(seconds=1))
    wrong = [("nobody", SECRET), (api.keyid, "wrong"), (f"expired-{api.space}", SECRET), (api.keyid, "")]
    answers = [api.call(*LIST, credentials=credentials) for credentials in wrong]
    for answer in answers:
        assert_refused(answer)
    bodies = [{**answer.body, "timestamp": ""} for answer in answers]
    assert all(body == bodies[0] for body in bodies)
    assert all(answer.headers == answers[0].headers for answer in answers)


def test_a_key_that_expires_later_is_valid(api: Api) -> None:
    create_credential(f"valid-{api.space}", api.space, expires_at=datetime.now(UTC) + timedelta(minutes=1))
    assert api.call(*LIST, credentials=(f"valid-{api.space}", SECRET)).status == 200


@pytest.mark.parametrize(
    ("scope", "function"),
    [
        (Scope.MAIL_SEND, "inxmail_send"),
        (Scope.EVENTS_READ, "inxmail_bounces"),
        (Scope.EVENTS_READ, "inxmail_complaints"),
        (Scope.DOMAINS_READ, "inxmail_verified_senders"),
    ],
)
def test_each_endpoint_needs_its_scope(api: Api, scope: Scope, function: str) -> None:
    paths = {
        "inxmail_send": ("POST", "send"),
        "inxmail_bounces": ("GET", "bounces"),
        "inxmail_complaints": ("GET", "complaints"),
        "inxmail_verified_senders": ("GET", "verifiedSenders"),
    }
    method, name = paths[function]
    create_credential(f"others-{function}-{api.space}", api.space, scopes=frozenset(Scope) - {scope})
    create_credential(f"only-{function}-{api.space}", api.space, scopes=frozenset({scope}))
    call = (function, method, f"/api-service/custom/sap/v1/{name}")
    answer = api.call(*call, credentials=(f"others-{function}-{api.space}", SECRET))
    assert (answer.status, answer.body["message"]) == (403, f"The credential lacks the scope {scope}.")
    assert list(answer.body) == SPRING
    allowed = api.call(*call, credentials=(f"only-{function}-{api.space}", SECRET))
    assert allowed.status == (415 if function == "inxmail_send" else 200)


def test_the_hosts_space_needs_a_credential_of_it(api: Api) -> None:
    other = f"{api.space}-b"
    assert runtime.access().create_space(Space(id=other, created_at=CREATED_AT))
    assert api.call(*LIST, host=f"{api.space}.localhost:3000").status == 200
    assert api.call(*LIST, host=f"{api.space.upper()}.LOCALHOST").status == 200
    assert_refused(api.call(*LIST, host=f"{other}.localhost"))


@pytest.mark.parametrize("host", ["localhost:3000", "127.0.0.1:3000", "abc.execute-api.eu-central-1.amazonaws.com"])
def test_on_other_hosts_the_credential_names_the_space(api: Api, host: str) -> None:
    assert api.call(*LIST, host=host).status == 200


UNKNOWN = ["nobody.localhost", "a.b.localhost", "-.localhost", ".localhost", "demo_.localhost:3000"]


@pytest.mark.parametrize("host", UNKNOWN)
@pytest.mark.parametrize(
    ("function", "method", "path"),
    [
        LIST,
        ("inxmail_complaints", "GET", "/api-service/custom/sap/v1/complaints"),
        ("inxmail_send", "POST", "/api-service/custom/sap/v1/send"),
        ("inxmail_verified_senders", "GET", "/api-service/custom/sap/v1/verifiedSenders"),
        ("default_route", "GET", "/api-service"),
        ("default_route", "GET", "/api-service/v1/state"),
        ("default_route", "DELETE", "/api-service/custom/sap/v1/send"),
        ("default_route", "GET", "/elsewhere"),
    ],
)
def test_an_unknown_space_is_told_before_anything_else(
    api: Api, host: str, function: str, method: str, path: str
) -> None:
    answer = api.call(function, method, path, host=host, headers={"authorization": ""})
    assert answer.status == 404
    assert list(answer.body) == SPRING
    assert answer.body["error"] == "Not Found"
    assert answer.body["message"] == "Unknown tenant."
    assert answer.body["path"] == (path.removeprefix("/api-service") or "/")


def test_a_new_key_works_at_once_and_a_found_one_is_remembered(api: Api, engine: Engine) -> None:
    keyid = f"new-{api.space}"
    assert_refused(api.call(*LIST, credentials=(keyid, SECRET)))
    create_credential(keyid, api.space)
    assert api.call(*LIST, credentials=(keyid, SECRET)).status == 200
    engine.calls.clear()
    assert api.call(*LIST, credentials=(keyid, SECRET)).status == 200
    assert "GetItem" not in engine.actions("dynamodb")


def test_what_was_found_is_remembered_for_a_minute_at_most() -> None:
    assert access_table.CACHE_SECONDS == 60
    moment = [0.0]
    item = {"PK": "KEY#x", "SK": "KEY"}
    table = access_table.AccessTable(SimpleNamespace(get_item=lambda **_: {"Item": to_item(item)}), "t")  # type: ignore[arg-type]
    table._found = TTLCache(10, access_table.CACHE_SECONDS, timer=lambda: moment[0])
    assert table._get(item) == item
    table._client = SimpleNamespace(get_item=lambda **_: {})  # type: ignore[assignment]
    moment[0] = 59.9
    assert table._get(item) == item
    moment[0] = 60.0
    assert table._get(item) is None


def test_an_unknown_key_costs_a_comparison_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def compare(ours: str, theirs: str) -> bool:
        compared.append(len(theirs))
        return ours == theirs

    monkeypatch.setattr("hmac.compare_digest", compare)
    for credentials in ((api.keyid, "wrong"), ("nobody", "wrong")):
        assert_refused(api.call(*LIST, credentials=credentials))
    assert compared == [64, 64]


def test_a_key_is_invalid_from_its_expiry_on(api: Api) -> None:
    expires_at = datetime(2030, 1, 1, tzinfo=UTC)
    create_credential(f"exact-{api.space}", api.space, expires_at=expires_at)
    credentials = auth.Credentials(f"exact-{api.space}", SECRET)
    before = expires_at - timedelta(microseconds=1)
    assert auth.authenticate(credentials, None, Scope.MAIL_SEND, runtime.access(), before).space == api.space
    with pytest.raises(Unauthenticated):
        auth.authenticate(credentials, None, Scope.MAIL_SEND, runtime.access(), expires_at)


def test_two_spaces_cannot_share_a_name(api: Api) -> None:
    key = runtime.access().address_key()
    assert runtime.access().create_space(Space(id=api.space, created_at=CREATED_AT)) is False
    assert runtime.access().address_key() == key


def test_verified_senders(api: Api) -> None:
    runtime.access().put_sender_domain(api.space, "b.example.net", verified=True)
    runtime.access().put_sender_domain(api.space, "pending.example.net", verified=False)
    runtime.access().put_sender_domain(f"{api.space}-other", "a.example.net", verified=True)
    answer = api.verified_senders()
    assert (answer.status, answer.body) == (200, {"senderDomains": ["b.example.net", "example.com"]})


def default(invoke: Any, method: str, path: str, query: str = "") -> Any:
    return invoke("default_route", http_event(method, path, query))


@pytest.mark.parametrize("path", ["/api-service", "/api-service/"])
def test_the_index_links_to_the_resources(api: Api, path: str) -> None:
    answer = api.call("default_route", "GET", path, headers={"authorization": ""})
    base = "https://abc123.execute-api.eu-central-1.amazonaws.com/api-service"
    assert answer.status == 200
    assert answer.body == {
        "_links": {
            "self": {"href": f"{base}/"},
            "send": {"href": f"{base}/custom/sap/v1/send"},
            "bounces": {"href": f"{base}/custom/sap/v1/bounces"},
            "complaints": {"href": f"{base}/custom/sap/v1/complaints"},
            "verifiedSenders": {"href": f"{base}/custom/sap/v1/verifiedSenders"},
        }
    }


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api-service/v1/state", "/v1/state?a=b"),
        ("/api-service/custom/sap/v1/Send", "/custom/sap/v1/Send?a=b"),
        ("/api-services", "/api-services?a=b"),
        ("/api-service/custom/sap/v1/bounces", "/custom/sap/v1/bounces?a=b"),
        ("/", "/?a=b"),
    ],
)
def test_unknown_paths(api: Api, path: str, shown: str) -> None:
    answer = api.call("default_route", "GET", path, "a=b")
    assert answer.status == 404
    assert list(answer.body) == SPRING
    assert answer.body["error"] == "Not Found"
    assert answer.body["path"] == shown


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api-service/custom/sap/v1/send", "POST, OPTIONS"),
        ("HEAD", "/api-service/custom/sap/v1/send", "POST, OPTIONS"),
        ("POST", "/api-service/custom/sap/v1/bounces", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api-service/custom/sap/v1/complaints", "GET, HEAD, OPTIONS"),
        ("POST", "/api-service", "GET, HEAD, OPTIONS"),
    ],
)
def test_known_paths_with_another_method(api: Api, method: str, path: str, allowed: str) -> None:
    answer = api.call("default_route", method, path)
    assert answer.status == 405
    assert answer.headers["Allow"] == allowed
    if method != "HEAD":
        assert list(answer.body) == SPRING
        assert answer.body["error"] == "Method Not Allowed"


def test_a_service_that_does_not_answer_is_said_to_be_temporary(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.logs(), "_table", "no-such-table")
    answer = api.bounces()
    assert answer.status == 503
    assert list(answer.body) == SPRING
    assert "no-such-table" not in str(answer.body)


def test_a_fault_says_nothing_of_itself(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.logs(), "_client", None)
    answer = api.bounces()
    assert answer.status == 500
    assert list(answer.body) == SPRING
    assert answer.body["message"] == "The request could not be processed."


def test_a_deletion_that_stops_half_way_is_finished_by_the_next(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    access = runtime.access()
    create_credential(f"second-{api.space}", api.space)
    with monkeypatch.context() as patch:
        patch.setattr(access, "delete_credential", lambda keyid: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            access.delete_space(api.space, CREATED_AT)
    # Gone already, keys or not, once no function remembers it.
    access._found.clear()
    assert access.space(api.space) is None
    assert_refused(api.call(*LIST))
    assert api.call(*LIST, host=f"{api.space}.localhost").body["message"] == "Unknown tenant."
    access.delete_space(api.space, CREATED_AT)
    assert (access.credentials(api.space), access.sender_domains(api.space)) == ([], [])
    assert access.create_space(Space(id=api.space, created_at=CREATED_AT)) is False


def test_spaces_are_listed_and_described(api: Api) -> None:
    access = runtime.access()
    changed = Space(
        id=api.space,
        created_at=CREATED_AT,
        description="changed",
        settings=SpaceSettings(unique_names=False, phone_with_country_code=True),
    )
    access.change_space(changed)
    assert access.space(api.space) == changed
    assert api.space in {space.id for space in access.spaces()}
    assert access.delete_sender_domain(api.space, "example.com") is True
    assert access.delete_sender_domain(api.space, "example.com") is False
    assert access.delete_credential(api.keyid) is True


def test_a_functions_environment_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCESS_TABLE")
    with pytest.raises(Permanent, match="The function's environment lacks ACCESS_TABLE"):
        setting("ACCESS_TABLE")
