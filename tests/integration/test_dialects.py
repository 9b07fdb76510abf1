"""The battery that every dialect inherits, on one endpoint of each."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import urlencode

import pytest

from polypost.dialects import all_dialects
from polypost.models.access import Scope
from polypost.models.contacts import ExternalId
from support.intershop import promotion_body, promotion_xml
from support.inxmail import send_body
from support.stratuscore import CODES, entry_body, entry_xml, message_of
from support.template_engine import Engine

from .conftest import Api
from .dialect_battery import Credentials, DialectBattery, Reply, Sent
from .test_promotion_mails import SENDER, change_settings, new_customer

INTERACTION = {
    "AppAccessKey": "signed.later",
    "InteractionIdentity": "visit-1",
    "InteractionName": "Spring Sale",
    "AccountId": "6925ebd4-125d-4338-a736-99f4b5bcb3d7",
    "ContactId": "3d6ab237-6e5e-4e4a-b76a-4ebe7d89b9e0",
}


def interaction_xml(members: Mapping[str, str]) -> str:
    """The body of an interaction as a DataContract."""
    elements = "".join(f"<{name}>{members[name]}</{name}>" for name in sorted(members))
    namespace = "http://schemas.datacontract.org/2004/07/SeeTheProWebAPI.Models"
    return f'<CreateVspInteraction xmlns="{namespace}">{elements}</CreateVspInteraction>'


def test_every_dialect_inherits_the_battery() -> None:
    paths = [battery.path.lower() for battery in DialectBattery.__subclasses__()]
    for dialect in all_dialects():
        assert any(path.startswith(base.lower()) for path in paths for base in dialect.BASE_PATHS), dialect


class TestInxmail(DialectBattery):
    path = "/api-service/custom/sap/v1/send"
    scope = Scope.MAIL_SEND
    bodies = dict.fromkeys(("application/json", "text/json"), json.dumps(send_body()))
    success = HTTPStatus.OK
    writes = ("application/json",)
    longest_body = None
    too_long = ("bodyContentPlainText", 1_200_000, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def check_error(self, reply: Reply) -> None:
        body = json.loads(reply.body)
        assert body["status"] == reply.status
        assert body["error"] == HTTPStatus(reply.status).phrase
        assert ("exception" in body) == (reply.status == HTTPStatus.BAD_REQUEST)


class TestContacts(DialectBattery):
    path = "/api/v1/Contacts"
    scope = Scope.CONTACTS_WRITE
    bodies: ClassVar = {
        "application/json": '{"RegistrationSource": "web form"}',
        "text/json": '{"RegistrationSource": "web form"}',
        "application/x-www-form-urlencoded": urlencode({"RegistrationSource": "web form"}),
    }
    success = HTTPStatus.CREATED
    writes = ("application/json", "text/json")
    too_long = ("LatestPermissionSource", 4001, HTTPStatus.BAD_REQUEST)

    def check_error(self, reply: Reply) -> None:
        body = json.loads(reply.body)
        assert body["Message"]
        assert ("ModelState" in body) == (reply.status == HTTPStatus.BAD_REQUEST)


class TestStratuscore(DialectBattery):
    path = "/api/v1/contact/coffeepage"
    scope = Scope.LOGS_WRITE
    bodies: ClassVar = {
        "application/json": json.dumps(entry_body()),
        "text/json": json.dumps(entry_body()),
        "application/xml": entry_xml(),
        "text/xml": entry_xml(),
    }
    success = HTTPStatus.OK
    writes = tuple(bodies)
    longest_body = None
    too_long = ("EmailBody", 4_500_000, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def sign(self, request: Sent, credentials: Credentials | None) -> Sent:
        if credentials is None:
            return request.with_member("Authentication", None)
        keyid, secret = credentials
        return request.with_member("Id", keyid).with_member("Key", secret)

    def check_error(self, reply: Reply) -> None:
        code, description = message_of(reply.body)
        assert code == CODES.get(reply.status, "02")
        assert description


class TestIntershop(DialectBattery):
    path = "/customers/battery/mails"
    scope = Scope.MAIL_SEND
    bodies: ClassVar = {
        "application/json": json.dumps(promotion_body()),
        "text/json": json.dumps(promotion_body()),
        "application/xml": promotion_xml(),
        "text/xml": promotion_xml(),
    }
    success = HTTPStatus.NO_CONTENT
    writes = tuple(bodies)
    too_long = ("code", 600_000, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    # The document knows no other status of what went wrong on this side.
    unavailable = HTTPStatus.INTERNAL_SERVER_ERROR

    @pytest.fixture(autouse=True)
    def _customer(self, api: Api, engine: Engine) -> None:
        new_customer(api.space, external_ids=(ExternalId("intershop", "battery"),))
        change_settings(api.space, sender=SENDER)
        engine.calls.clear()

    def check_error(self, reply: Reply) -> None:
        if reply.media_type.endswith("json"):
            body = json.loads(reply.body)
            assert (body["type"], body["status"]) == ("Error", reply.status)
            assert body["message"]
        else:
            assert f"<status>{reply.status}</status>" in reply.body


class TestSeethepro(DialectBattery):
    path = "/api/vspinteraction/create"
    scope = Scope.INTERACTIONS_WRITE
    bodies: ClassVar = {
        "application/json": json.dumps(INTERACTION),
        "text/json": json.dumps(INTERACTION),
        "application/xml": interaction_xml(INTERACTION),
        "text/xml": interaction_xml(INTERACTION),
        "application/x-www-form-urlencoded": urlencode(INTERACTION),
    }
    success = HTTPStatus.OK
    writes = ("application/json", "text/json", "application/xml", "text/xml")
    too_long = ("InteractionIdentity", 1001, HTTPStatus.BAD_REQUEST)

    def sign(self, request: Sent, credentials: Credentials | None) -> Sent:
        return request.with_member("AppAccessKey", None if credentials is None else ".".join(credentials))

    def check_error(self, reply: Reply) -> None:
        if reply.media_type.endswith("json"):
            body = json.loads(reply.body)
            assert body["Message"]
            assert ("ModelState" in body) == (reply.status == HTTPStatus.BAD_REQUEST)
        else:
            assert reply.body.startswith("<Error><Message>")
