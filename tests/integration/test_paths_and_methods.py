"""What is the same for every endpoint: HEAD beside GET, OPTIONS, and paths that are an endpoint's but for a detail."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from polypost import runtime
from polypost.dialects import Routed, all_dialects, published_endpoints, routes_of
from polypost.models.campaigns import Campaign
from polypost.web import pages
from support.lambda_events import http_event
from support.routes import find_route
from support.template_engine import Engine

from .conftest import SECRET, Api, create_credential
from .test_interactions import LANDING_PAGE, created

HOST = "abc123.execute-api.eu-central-1.amazonaws.com"
OWNERS: tuple[Routed, ...] = (*all_dialects(), pages)

#: Each path that has a route, with its methods.
ROUTES = [pytest.param(path, methods, id=path) for owner in OWNERS for path, methods in routes_of(owner).items()]
#: Each endpoint's path, with whether its case matters.
PATHS = [pytest.param(path, owner.ANY_CASE, id=path) for owner in OWNERS for path in owner.ENDPOINTS]


def filled(path: str, values: Mapping[str, str]) -> str:
    """A path with values in place of its parameters."""
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path


#: Values whose case tells whether it was kept.
VALUES = {
    "id": "Id5",
    "system": "Shop",
    "externalId": "Ab C",
    "customerID": "K-5",
    "token": "ToKen",
    "address": "AnN@example.com",
}


def unrouted(api: Api, method: str, path: str, query: str = "", **options: Any) -> dict[str, Any]:
    """What the default route gives to API Gateway, to somebody without credentials."""
    result: dict[str, Any] = api.invoke("default_route", http_event(method, path, query, route="$default", **options))
    return result


@pytest.fixture
def values(api: Api) -> dict[str, str]:
    """What the space has at each path of a GET."""
    answer = api.http("POST", "/api/v1/Contacts", body={"RegistrationSource": "web", "Email": "ann@example.com"})
    assert answer.status == 201, answer.body
    assert api.http("POST", "/api/v1/Stores", body={"Id": 5, "Name": "Main street"}).status == 201
    url = created(api)["InteractionUrl"]
    runtime.access().put_campaign(
        api.space, Campaign(runtime.access().campaign_key(api.space, "Spring Sale"), "Spring Sale", LANDING_PAGE)
    )
    address = "bob@example.net"
    assert api.http("PUT", f"/api/v1/Suppressions/{address}", body={"Reason": "Asked for it."}).status == 200
    return {
        "contact": str(answer.body["Id"]),
        "store": "5",
        "address": address,
        "interaction": url.rpartition("/")[2],
        "subscription": runtime.suppressions().unsubscribe_token(api.space, address, "0" * 24),
    }


def request(api: Api, method: str, path: str, **options: Any) -> dict[str, Any]:
    """Send a request to whatever function the template routes it to."""
    try:
        route = find_route(api.template, method, path)
    except LookupError:
        return api.result("default_route", method, path, route="$default", **options)
    options |= {"route": route.path, "path_parameters": route.parameters}
    return api.result(route.function, method, path, **options)


def readable(values: Mapping[str, str]) -> Iterator[str]:
    """Every path that GET is answered at, as it is asked for."""
    for owner in OWNERS:
        for path, methods in routes_of(owner).items():
            if "GET" in methods:
                own = values["store"] if "/stores" in path.lower() else values["contact"]
                token = values["subscription"] if path.startswith("/u/") else values["interaction"]
                yield filled(path, {**values, "id": own, "token": token})


def without_length(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "Content-Length"}


def test_head_is_answered_as_get_is_without_the_body(api: Api, values: dict[str, str]) -> None:
    paths = list(readable(values))
    assert len(paths) > 15
    for path in paths:
        get, head = request(api, "GET", path), request(api, "HEAD", path)
        assert get["statusCode"] in (200, 302), path
        assert head["statusCode"] == get["statusCode"], path
        assert head["body"] == "", path
        assert without_length(head["headers"]) == get["headers"], path
        assert head["headers"].get("Content-Length", "0") == str(len(get["body"].encode())), path


def test_head_is_refused_as_get_is(api: Api, engine: Engine, values: dict[str, str]) -> None:
    create_credential(f"none-{api.space}", api.space, scopes=frozenset())
    for options in (
        {"credentials": ("nobody", SECRET)},
        {"credentials": (f"none-{api.space}", SECRET)},
        {"host": "nobody.localhost"},
        {"query": "page=x&limit=x&email=%ff"},
    ):
        for path in readable(values):
            get, head = request(api, "GET", path, **options), request(api, "HEAD", path, **options)
            assert head["statusCode"] == get["statusCode"], path
            assert head["body"] == "", path
            assert without_length(head["headers"]) == get["headers"], path


def test_head_writes_nothing(api: Api, engine: Engine, values: dict[str, str]) -> None:
    engine.calls.clear()
    for path in readable(values):
        request(api, "HEAD", path)
    assert {call.action for call in engine.calls} <= {"GetItem", "BatchGetItem", "Query"}


@pytest.mark.parametrize(("path", "methods"), ROUTES)
def test_options_tells_the_methods_to_anybody(api: Api, path: str, methods: tuple[str, ...]) -> None:
    answer = unrouted(api, "OPTIONS", filled(path, VALUES))
    assert (answer["statusCode"], answer["body"]) == (204, "")
    assert answer["headers"] == {"Allow": ", ".join((*methods, "OPTIONS"))}
    assert ("GET" in methods) == ("HEAD" in methods)


@pytest.mark.parametrize(("path", "methods"), ROUTES)
def test_another_method_is_told_those_that_there_are(api: Api, path: str, methods: tuple[str, ...]) -> None:
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"} - set(methods):
        answer = unrouted(api, method, filled(path, VALUES))
        assert answer["statusCode"] == 405
        assert answer["headers"]["Allow"] == ", ".join((*methods, "OPTIONS"))
        assert (answer["body"] == "") == (method == "HEAD")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize(("path", "any_case"), PATHS)
def test_a_path_with_a_slash_at_its_end_is_moved_for_good(api: Api, path: str, any_case: bool, method: str) -> None:
    del any_case
    if path.endswith("/"):
        return
    for end in ("//", "///") if path == "/api-service" else ("/", "//"):
        query = "a=%C3%BC+b&c=d%26"
        answer = unrouted(api, method, filled(path, VALUES) + end, query)
        assert (answer["statusCode"], answer["body"]) == (308, "")
        expected = filled(path, VALUES | {"externalId": "Ab%20C"})
        assert answer["headers"] == {"Location": f"https://{HOST}{expected}?{query}"}


@pytest.mark.parametrize(("path", "any_case"), PATHS)
def test_a_path_in_another_case_is_moved_where_case_does_not_matter(api: Api, path: str, any_case: bool) -> None:
    segments = [segment if segment.startswith("{") else segment.upper() for segment in path.split("/")]
    answer = unrouted(api, "GET", filled("/".join(segments), VALUES))
    if any_case:
        expected = filled(path, VALUES | {"externalId": "Ab%20C"})
        assert (answer["statusCode"], answer["headers"]["Location"]) == (308, f"https://{HOST}{expected}")
    else:
        assert answer["statusCode"] == 404
        assert "Location" not in answer["headers"]


def test_an_unknown_space_is_told_first(api: Api) -> None:
    for method, path in (
        ("GET", "/api/v1/Contacts/"),
        ("OPTIONS", "/api/v1/Contacts"),
        ("GET", "/api/v1/Contacts/x/y"),
    ):
        answer = unrouted(api, method, path, host="nobody.localhost")
        assert (answer["statusCode"], json.loads(answer["body"])) == (404, {"Message": "Unknown tenant."})


def test_a_moved_path_stays_on_its_host(api: Api) -> None:
    answer = unrouted(api, "GET", "/api/v1/stores/", host=f"{api.space}.localhost:3000")
    assert answer["headers"]["Location"] == f"https://{api.space}.localhost:3000/api/v1/Stores"
    for path in ("//evil.example/", "//evil.example/api/v1/stores/", "/\\evil.example/", "/i//evil.example/"):
        assert unrouted(api, "GET", path)["statusCode"] == 404
    answer = unrouted(api, "GET", "/i/\\evil.example\r\nSet-Cookie: a=b/", "\r\nSet-Cookie: a=b")
    assert answer["headers"]["Location"] == (
        f"https://{HOST}/i/%5Cevil.example%0D%0ASet-Cookie:%20a=b?%0D%0ASet-Cookie:%20a=b"
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/api-service/custom/sap/v1/bounce",
            {"message": "No resource stands at this path. Did you mean /api-service/custom/sap/v1/bounces?"},
        ),
        (
            "/api/v1/Contacts/5/timelines",
            {
                "Message": f"No HTTP resource was found that matches the request URI 'https://{HOST}/api/v1/Contacts/5"
                "/timelines'. Did you mean /api/v1/Contacts/{id}/timeline?"
            },
        ),
        (
            "/customers/5/mail",
            {"message": "No resource stands at this path. Did you mean /customers/{customerID}/mails?"},
        ),
        (
            "/api/v1/contact/coffepage",
            {
                "Message": {
                    "Code": "02",
                    "Description": "No resource stands at this path. Did you mean /api/v1/contact/coffeepage?",
                }
            },
        ),
        # Whose path it is nobody knows, and so it is told in Inxmail's words.
        ("/v1/Contact/5", {"message": "No resource stands at this path. Did you mean /api/v1/Contacts/{id}?"}),
        ("/elsewhere", {"message": "No resource stands at this path."}),
    ],
)
def test_a_path_that_is_close_to_an_endpoint_is_told_it(api: Api, path: str, body: dict[str, Any]) -> None:
    answer = unrouted(api, "GET", path)
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"]).items() >= body.items()


def test_every_endpoint_is_named_to_who_mistypes_it(api: Api) -> None:
    for path in published_endpoints():
        # The last word with a letter too many.
        segments = path.rstrip("/").split("/")
        last = max(index for index, segment in enumerate(segments) if not segment.startswith("{"))
        segments[last] += "x"
        answer = unrouted(api, "GET", filled("/".join(segments), VALUES))
        assert answer["statusCode"] == 404
        assert f"Did you mean {path.rstrip('/')}?" in answer["body"]
