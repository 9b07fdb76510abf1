"""The links by which recipients unsubscribe: which mails carry one, what it does, and what is kept away afterwards."""

import json
import secrets
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from polypost import runtime
from polypost.adapters import keys
from polypost.adapters.dynamodb import to_item
from polypost.adapters.logs_table import LogsTable
from polypost.adapters.mail_queue import decode
from polypost.adapters.suppressions import Suppressions
from polypost.models.access import Space
from polypost.models.contacts import PermissionChange
from polypost.models.delivery import EventKind, MessageRef
from polypost.models.suppression import RECIPIENT, AddressStanding, Decision, SuppressionReason
from polypost.models.unsubscribe_links import Subscription, SubscriptionState
from polypost.usecases.unsubscribe import change_subscription
from support.contacts import SPACE, ContactsOfASpace
from support.dynamodb import DynamodbEngine
from support.intershop import promotion_body
from support.inxmail import send_body
from support.lambda_events import http_event
from support.parallel import in_parallel
from support.ses import complaint_object, event, in_sns_envelope
from support.stops import every_stop
from support.template_engine import Engine

from .conftest import CREATED_AT, Api
from .test_history import create, delete, erase, log_of, timeline
from .test_promotion_mails import SENDER, change_settings, new_customer

TO = "max@example.net"
HOST = "abc123.execute-api.eu-central-1.amazonaws.com"
OWN = "<https://shop.example/unsubscribe>"
ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = {"content-type": "application/x-www-form-urlencoded"}
UNDO = b"undo=1"


def deliver(api: Api, engine: Engine) -> list[EmailMessage]:
    """Let the worker take what is queued; the mails that went out."""
    (queued,) = engine.receive("MailQueueUrl")
    engine.calls.clear()
    assert api.deliver(queued) == []
    requests = [json.loads(call.request) for call in engine.calls if call.action == "POST /v2/email/outbound-emails"]
    raw = [b64decode(request["Content"]["Raw"]["Data"]) for request in requests]
    return [message_from_bytes(each, _class=EmailMessage, policy=policy.default) for each in raw]


def send(api: Api, engine: Engine, **mail: str) -> list[EmailMessage]:
    assert api.send(send_body(**{"recipient": TO} | mail)).status == 200
    return deliver(api, engine)


def promote(api: Api, engine: Engine) -> list[EmailMessage]:
    """Mail a promotion code to the customer with the address, whom `new_customer` has to make before."""
    customer = api.http("GET", "/api/v1/Contacts", f"email={TO}").body["Id"]
    assert api.http("POST", f"/customers/id:{customer}/mails", body=promotion_body()).status == 204
    return deliver(api, engine)


def link_in(mail: EmailMessage) -> str:
    """The link in a mail's header, which is all that the header holds."""
    header = str(mail["List-Unsubscribe"])
    assert (header[0], header[-1]) == ("<", ">")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return header[1:-1]


def link_to(api: Api, address: str = TO, message_id: str = "5534f2f3fcb24820d52f3413") -> str:
    """A link of a mail that nothing is known of."""
    return f"https://{HOST}/u/{runtime.suppressions().unsubscribe_token(api.space, address, message_id)}"


def follow(api: Api, url: str, method: str = "GET", body: bytes = b"", **options: Any) -> dict[str, Any]:
    """What a link answers."""
    path = urlsplit(url).path
    sent = http_event(
        method,
        path,
        route="/u/{token}",
        path_parameters={"token": path.removeprefix("/u/")},
        body=body,
        **{"host": urlsplit(url).netloc or HOST} | options,
    )
    function = {"GET": "unsubscribe_page", "POST": "unsubscribe_post"}[method]
    result: dict[str, Any] = api.invoke(function, sent)
    return result


def unsubscribe(api: Api, url: str, body: bytes = ONE_CLICK, headers: dict[str, str] = FORM) -> str:
    """POST as a mail program does; the page that comes back."""
    answer = follow(api, url, "POST", body, headers=headers)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert not {"location", "set-cookie"} & {name.lower() for name in answer["headers"]}
    return str(answer["body"])


def undo(api: Api, url: str) -> str:
    return unsubscribe(api, url, UNDO)


def standing(api: Api, address: str = TO) -> AddressStanding:
    return runtime.suppressions().standings(api.space, [address])[address]


def is_unsubscribed(api: Api, address: str = TO) -> bool:
    return standing(api, address).decision(SuppressionReason.UNSUBSCRIBED) is not None


def permissions(api: Api, contact_id: int) -> list[PermissionChange]:
    return runtime.contacts().permission_history(api.space, contact_id)


# --- Which mails carry a link -----------------------------------------------------------------------------------------


def test_a_space_has_no_links_until_it_is_switched_on(api: Api, engine: Engine) -> None:
    (mail,) = send(api, engine)
    assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (None, None)


def test_a_mail_whose_caller_gave_no_header_gets_our_own(api: Api, engine: Engine) -> None:
    change_settings(api.space, unsubscribe_link=True)
    (mail,) = send(api, engine)
    url = urlsplit(link_in(mail))
    assert (url.scheme, url.netloc, url.path[:3], url.query) == ("https", HOST, "/u/", "")
    address_hash = keys.address_hash(runtime.access().address_key(), TO)
    assert runtime.suppressions().subscription(url.path[3:]) == Subscription(
        api.space, address_hash, mail["X-Polypost-Message-Id"]
    )


@pytest.mark.parametrize("blank", [{"listUnsubscribe": ""}, {"listUnsubscribe": None}, {"listUnsubscribe": " "}])
def test_a_blank_header_is_none(api: Api, engine: Engine, blank: dict[str, Any]) -> None:
    change_settings(api.space, unsubscribe_link=True)
    (mail,) = send(api, engine, **blank)
    assert link_in(mail)


def test_a_callers_own_header_stays_as_it_is(api: Api, engine: Engine) -> None:
    change_settings(api.space, unsubscribe_link=True)
    (mail,) = send(api, engine, listUnsubscribe=OWN)
    assert (mail.get_all("List-Unsubscribe"), mail["List-Unsubscribe-Post"]) == ([OWN], None)


def test_a_transactional_source_system_gets_no_link(api: Api, engine: Engine) -> None:
    change_settings(api.space, unsubscribe_link=True, transactional=("billing", "erp"))
    (invoice,) = send(api, engine, sourceSystem="billing")
    assert invoice["List-Unsubscribe"] is None
    for source_system in ("Billing", "news"):
        (mail,) = send(api, engine, sourceSystem=source_system)
        assert link_in(mail)


@pytest.mark.parametrize("settings", [{}, {"unsubscribe_link": True, "transactional": ("intershop",)}])
def test_a_promotion_always_has_a_link_in_its_header_and_for_its_template(
    api: Api, engine: Engine, settings: dict[str, Any]
) -> None:
    change_settings(api.space, sender=SENDER, **settings)
    new_customer(api.space, email=TO)
    (mail,) = promote(api, engine)
    link = link_in(mail)
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert part is not None
        assert link in part.get_content()


def test_the_link_leads_to_where_the_client_reached_the_service(api: Api, engine: Engine) -> None:
    change_settings(api.space, unsubscribe_link=True)
    lying = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    for host in (f"{api.space}.localhost:3000", f"{api.space}.localhost"):
        assert api.send(send_body(), host=host, headers=lying).status == 200
        (mail,) = deliver(api, engine)
        assert urlsplit(link_in(mail)).netloc == host


def test_accepting_a_mail_takes_no_more_calls(api: Api, engine: Engine) -> None:
    api.send(send_body())
    engine.calls.clear()
    api.send(send_body())
    before = [call.action for call in engine.calls]
    change_settings(api.space, unsubscribe_link=True)
    api.send(send_body())
    engine.calls.clear()
    api.send(send_body())
    assert [call.action for call in engine.calls] == before == ["SendMessage"]


def test_a_bcc_never_gets_the_recipients_link(api: Api, engine: Engine) -> None:
    change_settings(api.space, unsubscribe_link=True)
    assert api.send(send_body(recipient=TO, bccRecipient="bcc@example.org")).status == 200
    (queued,) = engine.receive("MailQueueUrl")
    engine.calls.clear()
    assert api.deliver(queued) == []
    recipients_own = runtime.suppressions().unsubscribe_token(api.space, TO, decode(queued).message_id)
    requests = [json.loads(call.request) for call in engine.calls if call.action == "POST /v2/email/outbound-emails"]
    to_the_bcc = [request for request in requests if request["Destination"].get("BccAddresses")]
    assert to_the_bcc
    for request in to_the_bcc:
        assert recipients_own not in b64decode(request["Content"]["Raw"]["Data"]).decode()


# --- The page ---------------------------------------------------------------------------------------------------------


def test_who_only_looks_is_not_unsubscribed(api: Api, engine: Engine) -> None:
    change_settings(api.space, unsubscribe_link=True)
    (mail,) = send(api, engine)
    engine.calls.clear()
    for _ in range(2):
        page = follow(api, link_in(mail))
        assert page["statusCode"] == 200
        assert page["body"].count("<button") == 1
        assert ">Unsubscribe</button>" in page["body"]
        assert TO not in page["body"]
    assert set(engine.actions("dynamodb")) == {"GetItem"}
    assert not is_unsubscribed(api)
    assert send(api, engine)


def test_the_page_says_whose_mails_they_are_if_the_space_has_a_name(api: Api) -> None:
    assert "these emails" in follow(api, link_to(api))["body"]
    change_settings(api.space, sender=SENDER.model_copy(update={"name": "Shop & <Sons>"}))
    assert "emails from Shop &amp; &lt;Sons&gt;" in follow(api, link_to(api))["body"]


def test_the_page_knows_what_was_decided(api: Api) -> None:
    url = link_to(api)
    assert ">Undo</button>" in unsubscribe(api, url)
    for _ in range(2):
        page = follow(api, url)["body"]
        assert "You are unsubscribed" in page
        assert page.count("<button") == 1
        assert ">Undo</button>" in page
    assert ">Unsubscribe</button>" in undo(api, url)
    assert ">Unsubscribe</button>" in follow(api, url)["body"]


# --- Unsubscribing ----------------------------------------------------------------------------------------------------

MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
    {"content-type": "multipart/form-data; boundary=b"},
)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (ONE_CLICK, FORM),
        MULTIPART,
        (ONE_CLICK, {"content-type": "text/plain"}),
        (ONE_CLICK, {}),
        (b"", {}),
        (b"", FORM),
        (b"List-Unsubscribe%3DOne-Click", FORM),
        (b"undo=0&List-Unsubscribe=One-Click", FORM),
        (b"\xff" * 100_000, {"content-type": "application/octet-stream"}),
        (b"{}", {"content-type": "application/json"}),
    ],
)
def test_a_post_unsubscribes_at_once_however_it_is_spelled(api: Api, body: bytes, headers: dict[str, str]) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    url = link_to(api)
    unsubscribe(api, url, body, headers)
    decision = standing(api).decision(SuppressionReason.UNSUBSCRIBED)
    assert decision is not None
    assert before <= decision.at <= datetime.now(UTC)
    assert (decision.by, decision.message_id) == (RECIPIENT, "5534f2f3fcb24820d52f3413")


def reasons(api: Api) -> list[str]:
    """Why mails were kept from the address, as they are listed."""
    return [row["errorText"] for row in api.bounces().body["bounces"] if row["type"] == "Hard"]


NEWS = {"sourceSystem": "news"}
INVOICE = {"sourceSystem": "billing"}


def test_who_unsubscribed_gets_what_carries_no_header_and_nothing_else(api: Api, engine: Engine) -> None:
    change_settings(api.space, sender=SENDER, unsubscribe_link=True, transactional=("billing",))
    new_customer(api.space, email=TO)
    kept_away: list[Callable[[], list[EmailMessage]]] = [
        partial(send, api, engine, **NEWS),
        partial(send, api, engine, listUnsubscribe=OWN, **INVOICE),
        partial(promote, api, engine),
    ]
    mails = [attempt() for attempt in kept_away]
    assert [len(each) for each in mails] == [1, 1, 1]
    unsubscribe(api, link_in(mails[0][0]))
    assert [attempt() for attempt in kept_away] == [[], [], []]
    assert reasons(api) == ["Not sent: unsubscribed"] * 3
    assert len(send(api, engine, **INVOICE)) == 1
    undo(api, link_in(mails[2][0]))
    assert [len(attempt()) for attempt in kept_away] == [1, 1, 1]
    assert len(reasons(api)) == 3


def test_in_a_space_without_links_a_callers_header_and_a_promotion_are_kept_away(api: Api, engine: Engine) -> None:
    change_settings(api.space, sender=SENDER)
    new_customer(api.space, email=TO)
    (promotion,) = promote(api, engine)
    unsubscribe(api, link_in(promotion))
    assert send(api, engine, listUnsubscribe=OWN) == []
    assert promote(api, engine) == []
    assert len(send(api, engine)) == 1


@pytest.mark.parametrize("spelled", ["MAX@example.net", "Max@EXAMPLE.NET"])
def test_another_spelling_is_the_same_address(api: Api, spelled: str) -> None:
    unsubscribe(api, link_to(api, spelled))
    assert is_unsubscribed(api)


def test_nobody_else_is_concerned(api: Api) -> None:
    unsubscribe(api, link_to(api))
    assert not is_unsubscribed(api, "ann@example.net")
    assert runtime.suppressions().standings("another", [TO]) == {TO: AddressStanding()}


def test_told_again_it_is_recorded_once(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=TO)
    url = link_to(api)
    unsubscribe(api, url)
    decided = standing(api)
    engine.calls.clear()
    for other in (url, link_to(api, message_id="5534f2f3fcb24820d52f3414")):
        unsubscribe(api, other)
    assert set(engine.actions("dynamodb")) == {"GetItem"}
    assert standing(api) == decided
    assert len(permissions(api, contact_id)) == 1
    assert [entry["Kind"] for entry in timeline(api, contact_id).body] == ["Unsubscribe"]


def test_an_undo_of_nothing_records_nothing(api: Api) -> None:
    contact_id = create(api, Email=TO)
    assert "You are subscribed again" in undo(api, link_to(api))
    assert standing(api) == AddressStanding()
    assert (permissions(api, contact_id), timeline(api, contact_id).body) == ([], [])


def test_an_undo_takes_back_an_unsubscribe_and_nothing_else(api: Api) -> None:
    by_hand = Decision(SuppressionReason.MANUAL, CREATED_AT, "anna")
    runtime.suppressions().decide(api.space, TO, by_hand)
    message = MessageRef(secrets.token_hex(12), api.space)
    assert api.notify(in_sns_envelope(event("Complaint", message, [TO], complaint=complaint_object(TO)))) == []
    url = link_to(api)
    unsubscribe(api, url)
    undo(api, url)
    assert standing(api).decisions == {by_hand}
    assert standing(api).complained
    (lifting,) = standing(api).liftings
    assert (lifting.reasons, lifting.by) == (frozenset({SuppressionReason.UNSUBSCRIBED}), RECIPIENT)


# --- What stands of it ------------------------------------------------------------------------------------------------


def test_a_contacts_history_and_export_tell_of_it(api: Api) -> None:
    contact_id = create(api, Email=TO, LatestPermissionSource="web form", LimitMailsTemporarilyUntil="2020-01-01")
    before = api.http("GET", f"/api/v1/Contacts/{contact_id}").body
    url = link_to(api)
    unsubscribe(api, url)
    undo(api, url)
    assert api.http("GET", f"/api/v1/Contacts/{contact_id}").body == before
    first, ended, renewed = permissions(api, contact_id)
    assert [change.unsubscribed for change in (first, ended, renewed)] == [None, True, False]
    for change in (ended, renewed):
        assert (change.changed_by, change.source) == (RECIPIENT, "link of the mail 5534f2f3fcb24820d52f3413")
        assert change.limit_mails_permanently is False
        assert change.limit_mails_temporarily_until == first.limit_mails_temporarily_until
    export = api.http("GET", f"/api/v1/Contacts/{contact_id}/export").body
    assert [change["Unsubscribed"] for change in export["PermissionHistory"]] == [None, True, False]
    assert [entry["Kind"] for entry in export["Timeline"]] == ["UnsubscribeUndone", "Unsubscribe"]
    assert export["Timeline"][1]["Details"] == {"MessageId": "5534f2f3fcb24820d52f3413"}
    decided = datetime.fromisoformat(export["PermissionHistory"][1]["At"])
    assert abs(datetime.fromisoformat(export["Timeline"][1]["At"]) - decided) < timedelta(milliseconds=1)


def test_it_works_for_who_is_no_contact_and_stands_when_they_become_one(api: Api, engine: Engine) -> None:
    unsubscribe(api, link_to(api))
    contact_id = create(api, Email=TO)
    assert [entry["Kind"] for entry in timeline(api, contact_id).body] == ["Unsubscribe"]
    assert permissions(api, contact_id) == []
    assert send(api, engine, listUnsubscribe=OWN) == []


def test_a_former_address_of_a_contact_is_not_the_contacts(api: Api) -> None:
    contact_id = create(api, Email=TO)
    version = api.http("GET", f"/api/v1/Contacts/{contact_id}").body["Version"]
    body = {"Version": version, "Email": "new@example.net"}
    assert api.http("PUT", f"/api/v1/Contacts/{contact_id}", body=body).status == 200
    unsubscribe(api, link_to(api))
    assert permissions(api, contact_id) == []
    assert (is_unsubscribed(api), is_unsubscribed(api, "new@example.net")) == (True, False)


def test_it_is_an_event_of_its_mail(api: Api, engine: Engine) -> None:
    change_settings(api.space, unsubscribe_link=True)
    (mail,) = send(api, engine)
    unsubscribe(api, link_in(mail))
    record, events = runtime.logs().history(mail["X-Polypost-Message-Id"])
    assert record is not None
    assert [(each.fact.kind, each.fact.recipient) for each in events] == [(EventKind.UNSUBSCRIBE, "")]


def test_only_hmacs_are_left_of_it(api: Api) -> None:
    unsubscribe(api, link_to(api))
    assert "example.net" not in log_of(api)
    suppression = keys.suppression(api.space, keys.address_hash(runtime.access().address_key(), TO))
    answer = runtime.suppressions()._client.get_item(
        TableName=runtime.suppressions()._table, Key=to_item(suppression), ConsistentRead=True
    )
    assert "unsubscribed" in str(answer["Item"])
    assert "example.net" not in str(answer["Item"])


def test_an_erasure_takes_the_person_and_leaves_the_unsubscribe(api: Api, engine: Engine) -> None:
    contact_id = create(api, Email=TO)
    change_settings(api.space, unsubscribe_link=True)
    (mail,) = send(api, engine)
    url = link_in(mail)
    unsubscribe(api, url)
    (job,) = delete(api, engine, contact_id)
    assert erase(api, job) == []
    person = keys.person(api.space, keys.address_hash(runtime.access().address_key(), TO))
    assert person not in log_of(api)
    assert permissions(api, contact_id) == []
    assert timeline(api, create(api, Email=TO)).body == []
    # And the old link still works.
    assert is_unsubscribed(api)
    undo(api, url)
    assert not is_unsubscribed(api)


# --- Links that are none ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_no_link_is_not_found_and_all_look_the_same(api: Api, method: str) -> None:
    other = f"{api.space}-b"
    runtime.access().create_space(Space(id=other, created_at=CREATED_AT))
    url = link_to(api)
    token = urlsplit(url).path.removeprefix("/u/")
    forged = token[:-1] + ("A" if token.endswith("-") else "-")
    gone = runtime.suppressions().unsubscribe_token("no-such-space", TO, "5534f2f3fcb24820d52f3413")
    answers = [
        follow(api, f"/u/{each}", method)
        for each in (gone, token[:-1], forged, "x", "A" * 80, "%00", "ü" * 70, "A" * 5000)
    ]
    answers.append(follow(api, url, method, host=f"{other}.localhost"))
    answers.append(follow(api, url, method, host="nobody.localhost"))
    assert {answer["statusCode"] for answer in answers} == {404}
    assert len({answer["body"] for answer in answers}) == 1
    assert "leads nowhere" in answers[0]["body"]
    assert follow(api, url, method, host=f"{api.space}.localhost")["statusCode"] == 200


def test_links_end_with_their_space(api: Api) -> None:
    url = link_to(api)
    runtime.access().delete_space(api.space, CREATED_AT)
    runtime.access()._found.clear()
    for method in ("GET", "POST"):
        assert follow(api, url, method)["statusCode"] == 404
    assert standing(api) == AddressStanding()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods(api: Api, method: str) -> None:
    result = api.invoke("default_route", http_event(method, urlsplit(link_to(api)).path))
    assert result["statusCode"] == 405
    assert {"GET", "POST"} <= set(result["headers"]["Allow"].split(", "))
    assert result["headers"]["Content-Type"] == "text/html; charset=utf-8"


def test_while_nothing_can_be_written_it_may_be_sent_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    url = link_to(api)
    with monkeypatch.context() as patch:
        patch.setattr(runtime.suppressions(), "_table", "no-such-table")
        assert follow(api, url, "POST", ONE_CLICK)["statusCode"] == 503
    unsubscribe(api, url)
    assert is_unsubscribed(api)


# --- Many at once, and runs that are cut off --------------------------------------------------------------------------


class Owner:
    """The use case on both engines, for one address, which a contact has."""

    def __init__(self, engine: DynamodbEngine, email: str) -> None:
        self.contacts = ContactsOfASpace(engine)
        self.contact = self.contacts.create(email=email)
        access = self.contacts.access
        self.suppressions = Suppressions(
            engine.client, engine.tables["ContactsTable"], access.address_key, access.settings
        )
        self.logs = LogsTable(engine.client, engine.tables["LogsTable"], access.address_key)
        self.email = email
        self.message_id = secrets.token_hex(12)
        self.token = self.suppressions.unsubscribe_token(SPACE, email, self.message_id)

    def change(self, unsubscribed: bool, now: datetime | None = None) -> SubscriptionState:
        return change_subscription(
            self.token,
            None,
            now or datetime.now(UTC),
            unsubscribed=unsubscribed,
            access=self.contacts.access,
            suppressions=self.suppressions,
            contacts=self.contacts.table,
            logs=self.logs,
        )

    def seen(self) -> tuple[bool, list[bool | None], list[EventKind]]:
        """Whether the address is unsubscribed, by the suppressions; the history; the events of the mail."""
        decisions = self.suppressions.standings(SPACE, [self.email])[self.email].decisions
        history = self.contacts.table.permission_history(SPACE, self.contact.id)
        events = self.logs.history(self.message_id)[1]
        return bool(decisions), [change.unsubscribed for change in history], [each.fact.kind for each in events]


ENDED = (True, [True], [EventKind.UNSUBSCRIBE])
UNDONE = (False, [True, False], [EventKind.UNSUBSCRIBE, EventKind.UNSUBSCRIBE_UNDONE])


def test_of_many_posts_at_once_one_is_recorded(dynamodb_engine: DynamodbEngine) -> None:
    owner = Owner(dynamodb_engine, TO)
    for outcome in in_parallel([partial(owner.change, True)] * 8):
        assert outcome.result() == SubscriptionState("", unsubscribed=True, changed=True)
    assert owner.seen() == ENDED
    for outcome in in_parallel([partial(owner.change, False)] * 8):
        assert not outcome.result().unsubscribed
    assert owner.seen() == UNDONE


def test_changes_of_mind_stand_in_their_order_whatever_the_clocks_say(dynamodb_engine: DynamodbEngine) -> None:
    owner = Owner(dynamodb_engine, TO)
    now = datetime.now(UTC)
    for seconds, unsubscribed in ((0, True), (0, False), (-5, True), (-60, False), (1, True)):
        owner.change(unsubscribed, now + timedelta(seconds=seconds))
    ended, history, events = owner.seen()
    assert ended
    assert history == [True, False, True, False, True]
    assert events == [EventKind.UNSUBSCRIBE, EventKind.UNSUBSCRIBE_UNDONE] * 2 + [EventKind.UNSUBSCRIBE]


def test_an_unsubscribe_stands_everywhere_or_nowhere_wherever_its_run_stops(dynamodb_engine: DynamodbEngine) -> None:
    for number, stop in enumerate(every_stop(dynamodb_engine.client)):
        owner = Owner(dynamodb_engine, f"max{number}@example.net")
        with stop:
            owner.change(True)
        assert owner.seen() in ((False, [], []), ENDED), stop
        owner.change(True)
        assert owner.seen() == ENDED, stop


def test_an_undo_stands_everywhere_or_nowhere_wherever_its_run_stops(dynamodb_engine: DynamodbEngine) -> None:
    for number, stop in enumerate(every_stop(dynamodb_engine.client)):
        owner = Owner(dynamodb_engine, f"max{number}@example.net")
        owner.change(True)
        with stop:
            owner.change(False)
        assert owner.seen() in (ENDED, UNDONE), stop
        owner.change(False)
        assert owner.seen() == UNDONE, stop


def test_a_contact_that_changes_meanwhile_is_read_again(
    dynamodb_engine: DynamodbEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner(dynamodb_engine, TO)
    commit = owner.suppressions.commit

    def after_a_change(*members: Any) -> bool:
        monkeypatch.setattr(owner.suppressions, "commit", commit)
        owner.contacts.delete(owner.contact)
        return commit(*members)

    monkeypatch.setattr(owner.suppressions, "commit", after_a_change)
    owner.change(True)
    assert owner.seen() == (True, [], [EventKind.UNSUBSCRIBE])
