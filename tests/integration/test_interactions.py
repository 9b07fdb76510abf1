"""SeeThePro's interactions, from their creation to the visits of their links."""

import json
import re
from base64 import b64encode
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid4
from xml.etree import ElementTree

import pytest
from botocore.exceptions import ClientError

from polypost import runtime
from polypost.adapters import keys
from polypost.adapters.dynamodb import from_item, to_item
from polypost.adapters.interactions import interaction_of, visit_of
from polypost.models.access import Space, SpaceSettings
from polypost.models.campaigns import Campaign
from polypost.models.interactions import Interaction, Visit, Visitor
from support.lambda_events import http_event
from support.template_engine import Engine

from .conftest import CREATED_AT, SECRET, Answer, Api, create_credential

CREATE = "/api/vspinteraction/create"
NAMESPACE = "http://schemas.datacontract.org/2004/07/SeeTheProWebAPI.Models"
HOST = "abc123.execute-api.eu-central-1.amazonaws.com"
LANDING_PAGE = "https://shop.example/spring?a=b#top"

# What the gateway's event of the tests says of who calls.
VISITOR = Visitor("203.0.113.1", "Firefox")


def body(api: Api, **members: Any) -> dict[str, Any]:
    """A request's members with the space's credentials, of an account of its own."""
    return {
        "AppAccessKey": f"{api.keyid}.{SECRET}",
        "InteractionIdentity": "visit-1",
        "InteractionName": "Spring Sale",
        "AccountId": "6925ebd4-125d-4338-a736-99f4b5bcb3d7",
        "ContactId": "3d6ab237-6e5e-4e4a-b76a-4ebe7d89b9e0",
    } | members


def create(api: Api, headers: dict[str, str] | None = None, **members: Any) -> Answer:
    headers = {"authorization": ""} | (headers or {})
    return api.http("POST", CREATE, body=body(api, **members), headers=headers)


def created(api: Api, **members: Any) -> dict[str, str]:
    answer = create(api, **members)
    assert answer.status == 200, answer.body
    three: dict[str, str] = answer.body
    return three


def visit(api: Api, url: str, method: str = "GET", **options: Any) -> dict[str, Any]:
    """Follow a link as a browser does: what the function gives to API Gateway."""
    path = urlsplit(url).path
    token = path.rpartition("/")[2]
    options = {"headers": {"user-agent": VISITOR.user_agent}, "host": urlsplit(url).netloc or HOST} | options
    event = http_event(method, path, route="/i/{token}", path_parameters={"token": token}, **options)
    result: dict[str, Any] = api.invoke("interaction_visit", event)
    return result


def set_landing_page(api: Api, url: str | None, name: str = "Spring Sale") -> None:
    campaign = Campaign(runtime.access().campaign_key(api.space, name), name, url)
    runtime.access().put_campaign(api.space, campaign)
    runtime.access()._found.clear()


def create_contact(api: Api, contact_id: str) -> dict[str, Any]:
    external_ids = [{"System": "seethepro", "Id": contact_id}]
    members = {"RegistrationSource": "test", "ExternalIds": external_ids}
    answer = api.http("POST", "/api/v1/Contacts", body=members)
    assert answer.status == 201, answer.body
    contact: dict[str, Any] = answer.body
    return contact


def items_of(url: str) -> list[dict[str, Any]]:
    """An interaction's items, its own first."""
    key = keys.interaction(urlsplit(url).path.rpartition("/")[2])
    answer = runtime._dynamodb().query(
        TableName=runtime.interactions()._table,
        KeyConditionExpression="PK = :pk",
        ExpressionAttributeValues=to_item({":pk": key["PK"]}),
        ConsistentRead=True,
    )
    return [from_item(item) for item in answer["Items"]]


def stored(url: str) -> Interaction:
    return interaction_of(items_of(url)[0])


def visits(url: str) -> list[Visit]:
    return [visit_of(item) for item in items_of(url)[1:]]


# --- Creation ---------------------------------------------------------------------------------------------------------


def test_an_interaction_and_its_link(api: Api) -> None:
    three = created(api)
    assert list(three) == ["InteractionId", "CampaignKey", "InteractionUrl"]
    assert str(UUID(three["InteractionId"])) == three["InteractionId"]
    assert three["CampaignKey"] == runtime.access().campaign_key(api.space, "spring sale")
    assert re.fullmatch(rf"https://{HOST}/i/[A-Za-z0-9_-]{{22}}", three["InteractionUrl"])
    assert three["InteractionId"] not in three["InteractionUrl"]


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"InteractionName": "Another"},
        {"ContactId": str(UUID(int=7))},
        {"TenantKey": str(UUID(int=8)), "GroupKey": str(UUID(int=9))},
    ],
)
def test_the_first_answer_stands(api: Api, others: dict[str, str]) -> None:
    first = created(api)
    before = items_of(first["InteractionUrl"])
    assert created(api, **others) == first
    assert items_of(first["InteractionUrl"]) == before
    assert [campaign.name for campaign in runtime.access().campaigns(api.space)] == ["Spring Sale"]


def test_the_first_answer_stands_on_another_host_too(api: Api) -> None:
    first = created(api)
    other_host = {"authorization": "", "host": f"{api.space}.localhost"}
    assert api.http("POST", CREATE, body=body(api), headers=other_host, host=f"{api.space}.localhost").body == first


@pytest.mark.parametrize("others", [{"AccountId": str(UUID(int=7))}, {"InteractionIdentity": "VISIT-1"}])
def test_another_account_or_identity_is_another_interaction(api: Api, others: dict[str, str]) -> None:
    first, other = created(api), created(api, **others)
    assert first["InteractionId"] != other["InteractionId"]
    assert first["InteractionUrl"] != other["InteractionUrl"]
    assert first["CampaignKey"] == other["CampaignKey"]


def test_another_space_has_its_own_interactions_and_campaigns(api: Api) -> None:
    other = Api(f"{api.space}-b", f"key-of-{api.space}-b", api.invoke, api.template)
    runtime.access().create_space(Space(id=other.space, created_at=CREATED_AT))
    create_credential(other.keyid, other.space)
    first, second = created(api), created(other)
    assert all(first[member] != second[member] for member in first)


def test_a_campaign_comes_with_its_first_interaction_and_keeps_its_page(api: Api) -> None:
    created(api)
    (campaign,) = runtime.access().campaigns(api.space)
    assert (campaign.name, campaign.landing_page) == ("Spring Sale", None)
    set_landing_page(api, LANDING_PAGE)
    assert created(api, InteractionIdentity="2", InteractionName=" SPRING  sale ")["CampaignKey"] == campaign.key
    (campaign,) = runtime.access().campaigns(api.space)
    assert (campaign.name, campaign.landing_page) == ("Spring Sale", LANDING_PAGE)


def test_what_is_stored(api: Api) -> None:
    tenant, group = uuid4(), uuid4()
    three = created(api, TenantKey=str(tenant), GroupKey=str(group))
    item = items_of(three["InteractionUrl"])[0]
    interaction = interaction_of(item)
    assert (interaction.asked.tenant_key, interaction.asked.group_key) == (tenant, group)
    assert (interaction.id, interaction.campaign_key, interaction.url) == tuple(three.values())
    assert interaction.url.endswith(f"/i/{interaction.token}")
    person = keys.person_of_external_id(
        api.space, runtime.access().address_key(), "seethepro", "3d6ab237-6e5e-4e4a-b76a-4ebe7d89b9e0"
    )
    assert (item["person"], item["personOrder"]) == (person, item["createdAt"])


GUID = UUID("6925ebd4-125d-4338-a736-99f4b5bcb3d7")
SPELLINGS = {
    "N": GUID.hex,
    "D": str(GUID).upper(),
    "B": f"{{{GUID}}}",
    "P": f"({GUID})",
    "X": "{0x6925ebd4,0x125d,0x4338,{0xa7,0x36,0x99,0xf4,0xb5,0xbc,0xb3,0xd7}}",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_guids_in_every_spelling(api: Api, spelling: str) -> None:
    first = created(api)
    assert created(api, AccountId=spelling) == first
    other = created(api, InteractionIdentity="2", ContactId=spelling, TenantKey=spelling)
    item = items_of(other["InteractionUrl"])[0]
    assert item["accountId"] == item["contactId"] == item["tenantKey"] == str(GUID)


@pytest.mark.parametrize(
    ("members", "field", "message"),
    [
        ({"AccountId": "5"}, "AccountId", "The value '5' is not valid for AccountId."),
        ({"ContactId": 5}, "ContactId", "The value '5' is not valid for ContactId."),
        ({"TenantKey": "x"}, "TenantKey", "The value 'x' is not valid for TenantKey."),
        ({"GroupKey": "(6925ebd4-125d-4338-a736-99f4b5bcb3d7}"}, "GroupKey", ""),
        ({"AccountId": None}, "AccountId", "The AccountId field is required."),
        ({"ContactId": ""}, "ContactId", "The ContactId field is required."),
        ({"InteractionIdentity": " "}, "InteractionIdentity", "The InteractionIdentity field is required."),
        ({"InteractionName": None}, "InteractionName", "The InteractionName field is required."),
        ({"InteractionName": "x" * 1001}, "InteractionName", ""),
    ],
)
def test_a_wrong_field_is_named(api: Api, engine: Engine, members: dict[str, Any], field: str, message: str) -> None:
    answer = create(api, **members)
    assert answer.status == 400
    assert answer.body["Message"] == "The request is invalid."
    assert list(answer.body["ModelState"]) == [f"model.{field}"]
    assert message in answer.body["ModelState"][f"model.{field}"][0]
    assert "PutItem" not in engine.actions("dynamodb")


def test_keys_that_are_empty_are_none(api: Api) -> None:
    three = created(api, TenantKey="", GroupKey=None)
    asked = stored(three["InteractionUrl"]).asked
    assert (asked.tenant_key, asked.group_key) == (None, None)


@pytest.mark.parametrize("key", ["", "key", f".{SECRET}", "key.", "{keyid}.wrong", "{keyid}:{secret}", None])
def test_a_wrong_access_key(api: Api, key: str | None) -> None:
    spelled = key and key.format(keyid=api.keyid, secret=SECRET)
    # Whatever else is wrong is nobody's business.
    answer = create(api, AppAccessKey=spelled, AccountId="x")
    assert answer.status == 401
    assert answer.body == {"Message": "Authorization has been denied for this request."}
    assert answer.headers["WWW-Authenticate"] == 'AppAccessKey realm="SeeThePro"'


def test_credentials_of_a_header_are_no_access_key(api: Api) -> None:
    token = b64encode(f"{api.keyid}:{SECRET}".encode()).decode()
    assert create(api, {"authorization": f"Basic {token}"}, AppAccessKey="").status == 401


def test_a_form_and_xml_are_read_and_xml_is_written(api: Api) -> None:
    first = created(api)

    def post(media_type: str, content: str) -> dict[str, Any]:
        result: dict[str, Any] = api.invoke(
            "seethepro_create", http_event("POST", CREATE, headers={"content-type": media_type}, body=content.encode())
        )
        assert result["statusCode"] == 200, result
        return result

    form = post("application/x-www-form-urlencoded", urlencode(body(api, InteractionName="Another")))
    assert json.loads(form["body"]) == first
    members = "".join(f"<{name}>{value}</{name}>" for name, value in sorted(body(api).items()))
    xml = post("text/xml", f'<CreateVspInteraction xmlns="{NAMESPACE}">{members}</CreateVspInteraction>')
    assert xml["headers"]["Content-Type"] == "text/xml; charset=utf-8"
    root = ElementTree.fromstring(xml["body"])  # noqa: S314  # our own
    answered = {element.tag: element.text for element in root}
    assert answered == {f"{{{NAMESPACE}}}{name}": value for name, value in sorted(first.items())}


# --- The link ---------------------------------------------------------------------------------------------------------


def test_without_a_page_the_visitor_is_told_so(api: Api) -> None:
    url = created(api)["InteractionUrl"]
    result = visit(api, url)
    assert result["statusCode"] == 200
    assert result["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert "not ready" in result["body"]
    assert len(visits(url)) == 1


def test_the_visitor_is_redirected_to_the_landing_page(api: Api) -> None:
    url = created(api)["InteractionUrl"]
    set_landing_page(api, LANDING_PAGE)
    result = visit(api, url)
    assert (result["statusCode"], result["headers"]["Location"], result["body"]) == (302, LANDING_PAGE, "")
    assert result["headers"]["Cache-Control"] == "no-store"


@pytest.mark.parametrize("spelling", [str.lower, str.upper])
def test_the_landing_page_learns_which_contact_comes(api: Api, spelling: Any) -> None:
    url = created(api)["InteractionUrl"]
    set_landing_page(api, LANDING_PAGE)
    contact = create_contact(api, spelling("3d6ab237-6e5e-4e4a-b76a-4ebe7d89b9e0"))
    location = urlsplit(visit(api, url)["headers"]["Location"])
    assert location._replace(query="").geturl() == "https://shop.example/spring#top"
    assert parse_qs(location.query) == {"a": ["b"], "s": [contact["Secret"]]}
    found = api.http("GET", "/api/v1/Contacts", f"secret={parse_qs(location.query)['s'][0]}")
    assert found.body["Id"] == contact["Id"]
    # Whoever has the id now.
    api.http("DELETE", f"/api/v1/Contacts/{contact['Id']}")
    assert visit(api, url)["headers"]["Location"] == LANDING_PAGE
    other = create_contact(api, "3d6ab237-6e5e-4e4a-b76a-4ebe7d89b9e0")
    assert f"&s={other['Secret']}#" in visit(api, url)["headers"]["Location"]


def test_a_page_that_is_set_or_taken_away_later_counts_for_links_that_are_out(api: Api) -> None:
    url = created(api)["InteractionUrl"]
    for page in ("https://one.example/", "https://two.example/"):
        set_landing_page(api, page)
        assert visit(api, url)["headers"]["Location"] == page
    set_landing_page(api, None)
    assert visit(api, url)["statusCode"] == 200
    runtime.access().delete_campaign(api.space, stored(url).campaign_key)
    runtime.access()._found.clear()
    assert visit(api, url)["statusCode"] == 200
    # The next interaction makes the campaign anew, and the key is the same.
    assert created(api, InteractionIdentity="2")["CampaignKey"] == stored(url).campaign_key
    assert [campaign.name for campaign in runtime.access().campaigns(api.space)] == ["Spring Sale"]


TOKENS = ["x", "A" * 22, "A" * 5000, "demo interaction token", "%00", "é" * 22, "{token}", "VISIT#1"]


@pytest.mark.parametrize("token", TOKENS)
def test_a_made_up_token_is_not_found(api: Api, engine: Engine, token: str) -> None:
    result = visit(api, f"/i/{token}")
    assert result["statusCode"] == 404
    assert "leads nowhere" in result["body"]
    assert result["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert "PutItem" not in engine.actions("dynamodb")


def test_a_link_is_good_on_its_spaces_host_and_on_those_of_none(api: Api) -> None:
    url = created(api)["InteractionUrl"]
    other = f"{api.space}-b"
    runtime.access().create_space(Space(id=other, created_at=CREATED_AT))
    for host, status in [(f"{api.space}.localhost:3000", 200), ("127.0.0.1", 200), (f"{other}.localhost", 404)]:
        assert visit(api, url, host=host)["statusCode"] == status
    unknown = visit(api, url, host="nobody.localhost")
    assert (unknown["statusCode"], unknown["headers"]["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert len(visits(url)) == 2


def test_links_end_with_their_space(api: Api) -> None:
    url = created(api)["InteractionUrl"]
    set_landing_page(api, LANDING_PAGE)
    runtime.access().delete_space(api.space, CREATED_AT)
    runtime.access()._found.clear()
    assert visit(api, url)["statusCode"] == 404
    assert visits(url) == []


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_another_method_is_no_visit(api: Api, method: str) -> None:
    url = created(api)["InteractionUrl"]
    result = api.invoke("default_route", http_event(method, urlsplit(url).path))
    assert (result["statusCode"], result["headers"]["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert result["headers"]["Content-Type"] == "text/html; charset=utf-8"
    assert visits(url) == []


@pytest.mark.parametrize("landing_page", [LANDING_PAGE, None])
def test_who_only_asks_whether_the_link_leads_anywhere_is_no_visitor(api: Api, landing_page: str | None) -> None:
    url = created(api)["InteractionUrl"]
    if landing_page is not None:
        set_landing_page(api, landing_page)
    followed = visit(api, url)
    asked = visit(api, url, method="HEAD")
    assert asked["statusCode"] == followed["statusCode"]
    assert asked["headers"].items() >= followed["headers"].items()
    assert asked["body"] == ""
    assert len(visits(url)) == 1


# --- Visits -----------------------------------------------------------------------------------------------------------


def test_each_visit_is_recorded_and_of_the_visitor_nothing(api: Api) -> None:
    three = created(api)
    for _ in range(3):
        visit(api, three["InteractionUrl"])
    seen = visits(three["InteractionUrl"])
    assert [(each.interaction_id, each.name) for each in seen] == [(three["InteractionId"], "Spring Sale")] * 3
    assert [each.visitor for each in seen] == [None] * 3
    assert seen == sorted(seen, key=lambda each: each.visited_at)
    for item in items_of(three["InteractionUrl"])[1:]:
        assert (item["person"], item["personOrder"]) == (
            items_of(three["InteractionUrl"])[0]["person"],
            item["visitedAt"],
        )
        assert not {VISITOR.ip, VISITOR.user_agent} & set(map(str, item.values()))


def test_a_space_may_allow_to_record_the_visitor(api: Api) -> None:
    url = created(api)["InteractionUrl"]
    settings = SpaceSettings(visitor_details=True)
    runtime.access().change_space(Space(id=api.space, created_at=CREATED_AT, settings=settings))
    runtime.access()._found.clear()
    visit(api, url)
    visit(api, url, headers={"user-agent": "x" * 10_000})
    visit(api, url, headers={})
    assert sorted(str(each.visitor and each.visitor.user_agent) for each in visits(url)) == ["", "Firefox", "x" * 500]
    assert {each.visitor and each.visitor.ip for each in visits(url)} == {VISITOR.ip}


def test_a_visitor_does_not_wait_for_our_book_keeping(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url = created(api)["InteractionUrl"]
    set_landing_page(api, LANDING_PAGE)

    def throttled(**request: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "PutItem")

    monkeypatch.setattr(runtime._dynamodb(), "put_item", throttled)
    assert visit(api, url)["headers"]["Location"] == LANDING_PAGE
    assert "A visit could not be recorded" in caplog.messages


def test_who_cannot_be_led_anywhere_may_come_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    url = created(api)["InteractionUrl"]
    set_landing_page(api, LANDING_PAGE)
    with monkeypatch.context() as patch:
        patch.setattr(runtime.contacts()._table, "name", "no-such-table")
        result = visit(api, url)
    assert result["statusCode"] == HTTPStatus.SERVICE_UNAVAILABLE
    assert "in a moment" in result["body"]
    assert visits(url) == []
