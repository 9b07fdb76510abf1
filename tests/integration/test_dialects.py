"""The battery that every dialect inherits, on one endpoint of each."""

import json
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import urlencode

from polypost.dialects import all_dialects
from polypost.models.access import Scope
from support.inxmail import send_body
from support.stratuscore import CODES, entry_body, entry_xml, message_of

from .dialect_battery import Credentials, DialectBattery, Reply, Sent


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
    too_long = ("bodyContentPlainText", 1_200_000, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def check_error(self, reply: Reply) -> None:
        body = json.loads(reply.body)
        assert body["status"] == reply.status
        assert body["error"] == HTTPStatus(reply.status).phrase
        assert ("exception" in body) == (reply.status == HTTPStatus.BAD_REQUEST)
        assert ("WWW-Authenticate" in reply.headers) == (reply.status == HTTPStatus.UNAUTHORIZED)


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
        assert ("WWW-Authenticate" in reply.headers) == (reply.status == HTTPStatus.UNAUTHORIZED)


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
