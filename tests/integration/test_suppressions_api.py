"""Suppressed addresses over HTTP, as programs see them, add to them and lift them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from polypost import runtime
from polypost.models.access import Scope, Space
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.suppression import RECIPIENT, Decision, SuppressionReason
from support.template_engine import Engine

from .conftest import CREATED_AT, SECRET, Answer, Api, create_credential
from .test_suppression import TO, bounce, complaint, send

SUPPRESSIONS = "/api/v1/Suppressions"
WHY = "He asked for it by phone."


def one(api: Api, method: str, address: str = TO, query: str = "", **options: Any) -> Answer:
    return api.http(method, f"{SUPPRESSIONS}/{address}", query, **options)


def put(api: Api, address: str = TO, reason: object = WHY) -> Answer:
    return one(api, "PUT", address, body={"Reason": reason})


def lift(api: Api, address: str = TO, **query: str) -> Answer:
    return one(api, "DELETE", address, "&".join(f"{name}={quote(value)}" for name, value in query.items()))


def kinds(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [cause["Kind"] for cause in answer.body["Causes"]]


def parts(api: Api, query: str = "") -> Iterator[Answer]:
    """The parts of the list, from one to the next by its link."""
    following: str | None = query
    while following is not None:
        answer = api.http("GET", SUPPRESSIONS, following)
        assert answer.status == 200, answer.body
        yield answer
        link = answer.headers.get("Link")
        assert link is None or link.endswith('>; rel="next"')
        following = urlsplit(link.partition(">")[0].strip("<")).query if link else None


def listed(api: Api, query: str = "") -> list[dict[str, Any]]:
    return [entry for part in parts(api, query) for entry in part.body]


def create(api: Api, **members: Any) -> dict[str, Any]:
    answer = api.http("POST", "/api/v1/Contacts", body={"RegistrationSource": "test", "Email": TO} | members)
    assert answer.status == 201, answer.body
    return dict(answer.body)


def delete(api: Api, contact: dict[str, Any]) -> None:
    assert api.http("DELETE", f"/api/v1/Contacts/{contact['Id']}").status == 204


# --- Seeing -----------------------------------------------------------------------------------------------------------


def test_a_hard_bounce_says_since_when_by_which_message_and_rule(api: Api) -> None:
    api.notify(bounce(api, status="5.1.1"))
    answer = one(api, "GET")
    (cause,) = answer.body["Causes"]
    (ground,) = runtime.suppressions().standings(api.space, [TO])[TO].grounds
    assert cause == {
        "Kind": "HardBounce",
        "Since": "2026-01-02T03:04:05.6780000+00:00",
        "Until": None,
        "MessageId": ground.message_id,
        "Rule": ground.rule,
        "By": None,
        "Reason": None,
        "ContactId": None,
    }
    assert list(answer.body) == ["Id", "Address", "Causes", "Liftings"]
    assert (answer.body["Address"], answer.body["Liftings"]) == (TO, [])


def test_all_causes_are_told_the_weightiest_first(api: Api) -> None:
    until = DateTimeOffset.now().plus_seconds(3600)
    contact = create(api, LimitMailsTemporarilyUntil=str(until), LimitMailsPermanently=True)
    now = datetime.now(UTC)
    runtime.suppressions().decide(api.space, TO, Decision(SuppressionReason.UNSUBSCRIBED, now, RECIPIENT))
    api.notify(bounce(api), complaint(api))
    assert put(api).status == 200
    answer = one(api, "GET")
    assert kinds(answer) == [
        "Complaint",
        "Manual",
        "HardBounce",
        "LimitedPermanently",
        "Unsubscribed",
        "LimitedTemporarily",
    ]
    by_kind = {cause["Kind"]: cause for cause in answer.body["Causes"]}
    assert (by_kind["Manual"]["By"], by_kind["Manual"]["Reason"]) == (api.keyid, WHY)
    assert by_kind["Unsubscribed"]["By"] == "recipient"
    assert by_kind["LimitedPermanently"]["ContactId"] == contact["Id"]
    assert by_kind["LimitedPermanently"]["Until"] is None
    assert by_kind["LimitedTemporarily"]["Until"][:23] == str(until)[:23]
    assert by_kind["LimitedTemporarily"]["Since"][:23] == contact["LastModified"][:23]


@pytest.mark.parametrize("address", [TO, "nobody", "a" * 5000, "\N{PILE OF POO}@x", "max@example.net\n"])
def test_an_address_that_is_not_suppressed(api: Api, address: str) -> None:
    create(api)
    for answer in (one(api, "GET", address), lift(api, address, reason="x")):
        assert (answer.status, answer.body) == (404, {"Message": "The address is not suppressed."})


@pytest.mark.parametrize("spelled", ["MAX@example.net", "max@EXAMPLE.net", " max@example.net "])
def test_one_normal_form_decides_which_address_it_is(api: Api, spelled: str) -> None:
    assert put(api, "Max@Example.net").body["Address"] == TO
    assert one(api, "GET", spelled).body["Address"] == TO
    assert lift(api, spelled, reason="x").status == 204
    assert one(api, "GET").status == 404


def test_an_address_with_a_plus_and_an_international_domain(api: Api) -> None:
    for address in ("max+news@example.net", "max@bücher.example"):
        assert put(api, address).status == 200
        assert kinds(one(api, "GET", address)) == ["Manual"]
    assert {entry["Address"] for entry in listed(api)} == {"max+news@example.net", "max@xn--bcher-kva.example"}


def test_another_space_sees_nothing(api: Api) -> None:
    put(api)
    other = f"{api.space}-b"
    assert runtime.access().create_space(Space(id=other, created_at=CREATED_AT))
    create_credential(f"others-{api.space}", other)
    theirs = replace(api, space=other, keyid=f"others-{api.space}")
    assert (len(listed(api)), listed(theirs), one(theirs, "GET").status) == (1, [], 404)


# --- The list ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_the_list_misses_nothing_and_repeats_nothing(api: Api, limit: int) -> None:
    added = {f"max{number}@example.net" for number in range(7)}
    for address in added:
        assert put(api, address).status == 200
    create(api, Email="limited@example.net", LimitMailsPermanently=True)
    create(api, Email="free@example.net")
    found = listed(api, f"limit={limit}")
    assert sorted(entry["Address"] for entry in found) == sorted(added | {"limited@example.net"})
    for entry in found:
        assert entry == one(api, "GET", entry["Address"]).body


def test_what_is_lifted_or_over_is_listed_no_more(api: Api) -> None:
    soon = DateTimeOffset.now().plus_seconds(1)
    create(api, Email="soon@example.net", LimitMailsTemporarilyUntil=str(soon))
    limited = create(api, Email="limited@example.net", LimitMailsPermanently=True)
    for address in (TO, "ann@example.net"):
        put(api, address)
    assert len(listed(api)) == 4
    lift(api, TO, reason="x")
    api.http("PUT", f"/api/v1/Contacts/{limited['Id']}", body=limited | {"LimitMailsPermanently": False})
    later = runtime.suppressions().page(api.space, "", 10, datetime.now(UTC) + timedelta(seconds=2))
    assert [entry.address for entry in later.entries] == ["ann@example.net"]


def test_a_list_whose_beginning_is_not_suppressed_any_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polypost.adapters.suppressions._LEAST_ITEMS", 1)
    monkeypatch.setattr("polypost.adapters.suppressions._READS", 2)
    for number in range(12):
        put(api, f"max{number}@example.net")
    for entry in listed(api)[:11]:
        lift(api, entry["Address"], reason="x")
    found = list(parts(api, "limit=1"))
    assert [len(part.body) for part in found] == [0, 0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=%21", f"cursor={'a' * 23}"])
def test_a_query_that_is_none(api: Api, query: str) -> None:
    answer = api.http("GET", SUPPRESSIONS, query)
    assert answer.status == 400
    assert list(answer.body["ModelState"]) == [query.partition("=")[0]]


def test_a_part_that_would_be_too_large_ends_earlier(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        put(api, f"max{number}@example.net")
    monkeypatch.setattr("polypost.dialects.contacts.suppressions.MAX_RESPONSE_BYTES", 1000)
    found = [part.body for part in parts(api)]
    assert max(map(len, found)) < 7
    assert len({entry["Address"] for part in found for entry in part}) == sum(map(len, found)) == 7


# --- Adding -----------------------------------------------------------------------------------------------------------


def test_adding_keeps_all_mail_away_and_is_told_who_and_why(api: Api, engine: Engine) -> None:
    answer = put(api)
    assert kinds(answer) == ["Manual"]
    assert answer.body == one(api, "GET").body
    assert send(api, engine) == []


def test_adding_again_changes_nothing_and_another_reason_replaces_one(api: Api, engine: Engine) -> None:
    first = put(api)
    engine.calls.clear()
    assert put(api).body == first.body
    assert "UpdateItem" not in engine.actions("dynamodb")
    (cause,) = put(api, reason="By letter.").body["Causes"]
    assert cause["Reason"] == "By letter."


@pytest.mark.parametrize(
    ("reason", "problem"),
    [
        (None, "The Reason field is required."),
        (" ", "The Reason field is required."),
        ("x" * 201, "The field Reason must be a string with a maximum length of 200."),
    ],
)
def test_a_reason_is_required_and_bounded(api: Api, reason: str | None, problem: str) -> None:
    answer = put(api, reason=reason)
    assert (answer.status, answer.body["ModelState"]) == (400, {"suppression.Reason": [problem]})
    query = {"reason": reason} if reason is not None else {}
    answer = lift(api, **query)
    assert answer.status == 400
    assert answer.body["ModelState"] == {"reason": [problem.replace("Reason", "reason")]}


def test_what_is_no_address_cannot_be_added(api: Api) -> None:
    for address in ("nobody", "max@example", "a@b@c.example"):
        answer = put(api, address)
        assert (answer.status, list(answer.body["ModelState"])) == (400, ["address"])
    assert listed(api) == []


# --- Lifting ----------------------------------------------------------------------------------------------------------


def test_a_lifted_address_gets_mail_again_and_the_lifting_is_remembered(api: Api, engine: Engine) -> None:
    reported = bounce(api)
    api.notify(reported)
    put(api)
    assert send(api, engine) == []
    assert lift(api, reason="The mailbox is back.") == Answer(204, {}, None)
    assert send(api, engine) == [[TO]]
    # SES tells of it again, and it counts no more.
    assert api.notify(reported) == []
    assert send(api, engine) == [[TO]]
    put(api, reason="Again.")
    (lifting,) = one(api, "GET").body["Liftings"]
    assert (lifting["By"], lifting["Reason"], lifting["Kinds"]) == (
        api.keyid,
        "The mailbox is back.",
        ["Manual", "HardBounce"],
    )


def test_a_complaint_is_lifted_only_if_that_is_asked_for(api: Api, engine: Engine) -> None:
    api.notify(complaint(api), bounce(api))
    answer = lift(api, reason="x")
    assert kinds(answer) == ["Complaint"]
    assert answer.body["Liftings"][0]["Kinds"] == ["HardBounce"]
    again = lift(api, reason="x", complaint="false")
    assert again.status == 409
    assert "complaint" in again.body["Message"]
    assert send(api, engine) == []
    assert lift(api, reason="She asked for the newsletter.", Complaint="True").status == 204
    assert send(api, engine) == [[TO]]
    # Another report of the time before.
    api.notify(complaint(api))
    assert send(api, engine) == [[TO]]
    assert lift(api, reason="x", complaint="yes").body["ModelState"] == {
        "complaint": ["The value 'yes' is not valid for complaint."]
    }


def test_the_limit_of_a_living_contact_is_the_contacts(api: Api, engine: Engine) -> None:
    contact = create(api, LimitMailsPermanently=True)
    answer = lift(api, reason="x")
    assert answer.status == 409
    assert f"The contact with the Id {contact['Id']} has limited its mails" in answer.body["Message"]
    put(api)
    assert kinds(lift(api, reason="x")) == ["LimitedPermanently"]
    delete(api, contact)
    (cause,) = one(api, "GET").body["Causes"]
    assert (cause["ContactId"], cause["Since"][:23]) == (None, contact["LastModified"][:23])
    assert lift(api, reason="x").status == 204
    assert send(api, engine) == [[TO]]


@pytest.mark.parametrize(
    ("scope", "method", "status"),
    [
        (Scope.SUPPRESSIONS_READ, "GET", 404),
        (Scope.SUPPRESSIONS_WRITE, "PUT", 400),
        (Scope.SUPPRESSIONS_WRITE, "DELETE", 400),
    ],
)
def test_each_endpoint_has_its_scope(api: Api, scope: Scope, method: str, status: int) -> None:
    create_credential(f"only-{api.space}", api.space, scopes=frozenset({scope}))
    create_credential(f"others-{api.space}", api.space, scopes=frozenset(Scope) - {scope})
    assert one(api, method, credentials=(f"only-{api.space}", SECRET)).status == status
    assert one(api, method, credentials=(f"others-{api.space}", SECRET)).status == 403
    if method == "GET":
        assert api.http("GET", SUPPRESSIONS, credentials=(f"others-{api.space}", SECRET)).status == 403
    assert one(api, method, credentials=(api.keyid, "wrong")).status == 401


def test_the_paths_are_known_in_lower_case_too(api: Api) -> None:
    assert api.http("GET", SUPPRESSIONS.lower()).status == 200
    assert api.http("PUT", f"{SUPPRESSIONS.lower()}/{TO}", body={"reason": WHY}).status == 200


# --- A contact that is set to no limit --------------------------------------------------------------------------------

LIMITS: dict[str, Any] = {"LimitMailsPermanently": True, "LimitMailsTemporarilyUntil": "2040-01-01T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("says", "left"),
    [
        ({}, ["limited permanently", "limited temporarily"]),
        ({"LimitMailsPermanently": None}, ["limited permanently", "limited temporarily"]),
        ({"LimitMailsPermanently": False}, ["limited temporarily"]),
        ({"LimitMailsTemporarilyUntil": None}, ["limited permanently"]),
        ({"LimitMailsPermanently": "false", "LimitMailsTemporarilyUntil": ""}, []),
        # It says something else, and what was left is not shortened by it.
        ({"LimitMailsTemporarilyUntil": "2020-01-01T00:00:00Z"}, ["limited permanently", "limited temporarily"]),
    ],
)
@pytest.mark.parametrize("by", ["POST", "form", "PUT"])
def test_a_contact_that_expressly_has_no_limit_ends_what_an_earlier_one_left(
    api: Api, engine: Engine, by: str, says: dict[str, Any], left: list[str]
) -> None:
    delete(api, create(api, **LIMITS))
    if by == "POST":
        contact = create(api, **says)
    elif by == "form":
        given = {name: "" if value is None else str(value) for name, value in says.items()}
        fields = urlencode({"RegistrationSource": "test", "Email": TO} | given).encode()
        media_type = {"content-type": "application/x-www-form-urlencoded"}
        contact = api.http("POST", "/api/v1/Contacts", body=fields, headers=media_type).body
    else:
        new = create(api)
        body = {"Version": new["Version"], "Email": TO} | says
        contact = api.http("PUT", f"/api/v1/Contacts/{new['Id']}", body=body).body
    known = runtime.suppressions().known(api.space, TO, datetime.now(UTC))
    assert [cause.reason for cause in known.causes] == left
    assert (send(api, engine) == [[TO]]) is (left == [])
    assert [str(contact["Id"]) in lifting.note for lifting in known.liftings] == [True] * (len(left) < 2)
    assert {lifting.by for lifting in known.liftings} <= {api.keyid}


def test_no_limit_lifts_nothing_else(api: Api, engine: Engine) -> None:
    delete(api, create(api, LimitMailsPermanently=True))
    api.notify(complaint(api), bounce(api))
    put(api)
    create(api, LimitMailsPermanently=False, LimitMailsTemporarilyUntil=None)
    assert kinds(one(api, "GET")) == ["Complaint", "Manual", "HardBounce"]


def test_a_contact_that_moves_to_an_address_ends_the_limit_that_was_left_there(api: Api, engine: Engine) -> None:
    delete(api, create(api, LimitMailsPermanently=True))
    ann = create(api, Email="ann@example.net")
    moved = api.http("PUT", f"/api/v1/Contacts/{ann['Id']}", body=ann | {"Email": TO})
    assert moved.status == 200
    assert one(api, "GET").status == 404
    assert send(api, engine) == [[TO]]


def test_a_limit_moves_with_its_contact(api: Api) -> None:
    contact = create(api, LimitMailsPermanently=True)
    moved = api.http("PUT", f"/api/v1/Contacts/{contact['Id']}", body=contact | {"Email": "ann@example.net"}).body
    assert [entry["Address"] for entry in listed(api)] == ["ann@example.net"]
    nowhere = api.http("PUT", f"/api/v1/Contacts/{contact['Id']}", body=moved | {"Email": None})
    assert nowhere.status == 200
    assert listed(api) == []
