"""SeeThePro on the running stack: an interaction is created, and its link is followed."""

import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.etree import ElementTree

import httpx
import pytest

from polypost.adapters import keys
from polypost.adapters.dynamodb import from_item, to_item
from polypost_local import demo
from support.command import Run, as_json

from .conftest import LocalEngine, RunningStack

CREATE = "/api/vspinteraction/create"
NAMESPACE = "http://schemas.datacontract.org/2004/07/SeeTheProWebAPI.Models"
DEMO_KEY = f"{demo.KEYID}.{demo.SECRET}"


def members(**given: str) -> dict[str, str]:
    """An interaction of a new identity, and of the demo contact."""
    return {
        "AppAccessKey": DEMO_KEY,
        "InteractionIdentity": secrets.token_hex(8),
        "InteractionName": demo.CAMPAIGN,
        "AccountId": "6925ebd4-125d-4338-a736-99f4b5bcb3d7",
        "ContactId": str(demo.SEETHEPRO_CONTACT_ID),
    } | given


def post(stack: RunningStack, body: dict[str, str], **headers: str) -> httpx.Response:
    return stack.client.post(CREATE, json=body, headers=headers)


def created(stack: RunningStack, **given: str) -> dict[str, str]:
    answer = post(stack, members(**given))
    assert answer.status_code == 200, answer.text
    three: dict[str, str] = answer.json()
    return three


def follow(stack: RunningStack, url: str, **headers: str) -> httpx.Response:
    return stack.client.get(url, headers=headers, follow_redirects=False)


def visits(engine: LocalEngine, url: str) -> list[dict[str, Any]]:
    """What is stored of the visits of a link."""
    answer = engine.client("dynamodb").query(
        TableName=engine.outputs["LogsTable"],
        KeyConditionExpression="PK = :pk AND begins_with(SK, :visit)",
        ExpressionAttributeValues=to_item({":pk": keys.interaction(url.rpartition("/")[2])["PK"], ":visit": "VISIT#"}),
    )
    return [from_item(item) for item in answer["Items"]]


def in_xml(body: dict[str, str]) -> str:
    elements = "".join(f"<p:{name}>{value}</p:{name}>" for name, value in body.items())
    return f'<?xml version="1.0"?><p:CreateVspInteraction xmlns:p="{NAMESPACE}">{elements}</p:CreateVspInteraction>'


WRITERS: dict[str, Callable[[dict[str, str]], str]] = {
    "application/json": json.dumps,
    "application/xml": in_xml,
    "application/x-www-form-urlencoded": urlencode,
}


@pytest.mark.parametrize("media_type", WRITERS)
def test_create_in_each_media_type(local_stack: RunningStack, media_type: str) -> None:
    body = members()
    first = post(local_stack, body).json()
    for accept in ("application/json", "application/xml"):
        answer = local_stack.client.post(
            CREATE, content=WRITERS[media_type](body), headers={"content-type": media_type, "accept": accept}
        )
        assert (answer.status_code, answer.headers["content-type"]) == (200, f"{accept}; charset=utf-8")
        if accept == "application/json":
            assert answer.json() == first
        else:
            root = ElementTree.fromstring(answer.text)  # noqa: S314  # our own
            assert [element.text for element in root] == [first[name] for name in sorted(first)]


def test_the_same_request_under_a_key_is_answered_again(local_stack: RunningStack) -> None:
    body, key = members(), secrets.token_hex()
    first, again = (post(local_stack, body, **{"idempotency-key": key}) for _ in range(2))
    assert again.content == first.content
    assert first.status_code == again.status_code == 200
    assert post(local_stack, members(), **{"idempotency-key": key}).status_code == 409


def test_after_a_refusal_the_key_is_free(local_stack: RunningStack) -> None:
    key = secrets.token_hex()
    refused = post(local_stack, members(AccountId="x"), **{"idempotency-key": key})
    assert (refused.status_code, list(refused.json()["ModelState"])) == (400, ["model.AccountId"])
    assert post(local_stack, members(), **{"idempotency-key": key}).status_code == 200


def test_the_visitor_comes_to_the_landing_page_and_is_known_there(
    local_stack: RunningStack, local_engine: LocalEngine
) -> None:
    url = created(local_stack)["InteractionUrl"]
    assert url.startswith(f"{local_stack.base_url}/i/")
    answer = follow(local_stack, url, **{"user-agent": "Firefox"})
    assert answer.status_code == 302
    location = urlsplit(answer.headers["location"])
    secret = local_stack.client.get(f"/api/v1/Contacts/{demo.CONTACT_ID}", auth=(demo.KEYID, demo.SECRET)).json()
    assert parse_qs(location.query) == {"utm_source": ["polypost"], "s": [secret["Secret"]]}
    assert location._replace(query="utm_source=polypost").geturl() == demo.LANDING_PAGE
    (visit,) = visits(local_engine, url)
    assert visit["interactionName"] == demo.CAMPAIGN
    assert not {"ip", "userAgent"} & visit.keys()


def test_a_stranger_comes_to_the_landing_page_too(local_stack: RunningStack) -> None:
    url = created(local_stack, ContactId="00000000-0000-0000-0000-000000000001")["InteractionUrl"]
    assert follow(local_stack, url).headers["location"] == demo.LANDING_PAGE


def test_a_made_up_token_and_other_methods(local_stack: RunningStack, local_engine: LocalEngine) -> None:
    for path in (f"/i/{secrets.token_urlsafe(16)}", "/i/x", "/i/", "/i"):
        answer = follow(local_stack, path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
        assert "leads nowhere" in answer.text
    url = created(local_stack)["InteractionUrl"]
    # A scanner that only looks whether there is something.
    assert local_stack.client.head(url).headers["location"].startswith(demo.LANDING_PAGE.partition("?")[0])
    assert visits(local_engine, url) == []


def test_a_campaigns_page_and_what_a_space_keeps_of_visitors(
    local_stack: RunningStack, local_engine: LocalEngine, run: Run, space: str
) -> None:
    key = as_json(run, "keys", "create", space, "--scope", "interactions:write")
    access_key = f"{key['keyid']}.{key['secret']}"
    run("spaces", "set", space, "--visitor-details", "on")
    plain = created(local_stack, AppAccessKey=access_key, InteractionName="Plain")
    (listed,) = as_json(run, "campaigns", "list", "--space", space)
    assert listed == {"key": plain["CampaignKey"], "name": "Plain", "landingPage": None}
    answer = follow(local_stack, plain["InteractionUrl"], **{"user-agent": "Firefox"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "not ready" in answer.text
    (visit,) = visits(local_engine, plain["InteractionUrl"])
    assert (visit["ip"], visit["userAgent"]) == ("127.0.0.1", "Firefox")
    run("campaigns", "set", "Other", "--space", space, "--url", "https://shop.example/other")
    other = created(local_stack, AppAccessKey=access_key, InteractionName="other")
    assert follow(local_stack, other["InteractionUrl"]).headers["location"] == "https://shop.example/other"
