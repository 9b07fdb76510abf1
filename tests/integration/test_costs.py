"""What an operation costs on AWS, counted from its calls and compared with the table in docs/costs.md."""

import json
import math
import re
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polypost.models.contacts import ExternalId
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.delivery import MessageRef
from polypost.usecases.list_changes import FEED_DELAY_SECONDS
from polypost_local.aws_server import AwsCall
from support.intershop import promotion_body
from support.inxmail import send_body
from support.ses import bounce_object, bounced, event, in_sns_envelope
from support.stratuscore import entry_body
from support.template_engine import Engine

from .conftest import SECRET, Api
from .test_contacts_api import CONTACTS
from .test_event_lists import START, store
from .test_history import create
from .test_interactions import body, create_contact, created, set_landing_page, visit
from .test_promotion_mails import SENDER, change_settings, new_customer
from .test_unsubscribe import follow, link_to, undo, unsubscribe
from .test_worker import queue_mail

COSTS = Path(__file__).parents[2] / "docs" / "costs.md"

#: List prices of us-east-1 in USD per million, without free tiers: AWS's pricing pages, 2025.
PRICES = {
    "API requests": 1.00,
    "function runs": 0.20 + 50 / 1000 * 0.5 * 13.3334,  # 50 ms at 512 MB on arm64
    "SQS requests": 0.40,
    "SNS publishes": 0.50,
    "SES mails": 100.00,
    "read units": 0.125,
    "write units": 0.625,
}

#: The partition key of each index of the Logs table: an item with it is written to the index too.
INDEX_KEYS = (
    "eventList",
    "sourceEventList",
    "campaignEventList",
    "sourceCampaignEventList",
    "sesMessageId",
    "person",
)

TO = "max@example.net"

MAILBOX_FULL = bounce_object(bounced(TO, "4.2.2", "smtp; 452 4.2.2 mailbox full"), feedbackId="soft")


def size(value: Any) -> int:
    """The bytes of attributes, near enough: names and values."""
    if isinstance(value, dict):
        return sum(len(name.encode()) + size(member) for name, member in value.items())
    return sum(map(size, value)) if isinstance(value, list) else len(str(value).encode())


def dynamodb_units(call: AwsCall) -> Counter[str]:
    """Read and write request units of a call (DynamoDB developer guide, "Read and write operations")."""
    request, answer = json.loads(call.request), json.loads(call.response)
    if call.action == "BatchGetItem":
        ((table, asked),) = request["RequestItems"].items()
        each = 1.0 if asked.get("ConsistentRead") else 0.5
        found = answer["Responses"][table]
        # An item that is not there costs what a small one does.
        missing = len(asked["Keys"]) - len(found)
        return Counter({"read units": each * (missing + sum(math.ceil(size(item) / 4096) for item in found))})
    if call.action == "TransactWriteItems":
        # Each member is written twice, to prepare and to commit, and to each index once.
        writes = [write for member in request["TransactItems"] for write in member.values()]
        units = (
            2 * math.ceil(size(write.get("Item", "-")) / 1024) + sum(key in write.get("Item", {}) for key in INDEX_KEYS)
            for write in writes
        )
        return Counter({"write units": sum(units)})
    if call.action in ("GetItem", "Query"):
        items = answer.get("Items") or [answer.get("Item", {})]
        each = 1.0 if request.get("ConsistentRead") else 0.5
        return Counter({"read units": each * max(1, math.ceil(sum(map(size, items)) / 4096))})
    if call.action == "TransactWriteItems":
        # A transaction's own writes count twice, those to the indexes that follow from them once.
        items = [member["Put"]["Item"] for member in request["TransactItems"]]
        each_item = (math.ceil(size(item) / 1024) * (2 + sum(key in item for key in INDEX_KEYS)) for item in items)
        return Counter({"write units": sum(each_item)})
    if call.action == "PutItem":
        attributes = request["Item"]
        kilobytes = math.ceil(size(attributes) / 1024)
    else:
        assert call.action == "UpdateItem"
        names = request.get("ExpressionAttributeNames", {})
        attributes = {names[placeholder]: None for placeholder in re.findall(r"(#\w+) = ", request["UpdateExpression"])}
        kilobytes = 1
    # A write that its condition refused costs as much, but it came to no index.
    indexes = sum(key in attributes for key in INDEX_KEYS) if call.status == 200 else 0
    return Counter({"write units": kilobytes * (1 + indexes)})


def count(engine: Engine, operation: Callable[[], object], **runs: int) -> Counter[str]:
    """What an operation uses, beside the runs of functions and the messages that come to them."""
    engine.calls.clear()
    operation()
    used: Counter[str] = Counter({name.replace("_", " "): number for name, number in runs.items()})
    for call in engine.calls:
        if call.service == "dynamodb":
            used += dynamodb_units(call)
        elif call.service == "sqs":
            used["SQS requests"] += math.ceil(len(call.request) / 65536)
        elif call.action == "POST /v2/email/outbound-emails":
            used["SES mails"] += 1
    return used


def measured(api: Api, engine: Engine) -> dict[str, Counter[str]]:
    """What each operation uses in a warm function, one message in a batch, which is the dearest way."""
    message = MessageRef(secrets.token_hex(12), api.space, "S", "C")
    entry = entry_body((api.keyid, SECRET))
    new_customer(api.space, external_ids=(ExternalId("intershop", "7"),))
    change_settings(api.space, sender=SENDER)

    def mail_promotion_code() -> None:
        assert api.http("POST", "/customers/7/mails", body=promotion_body()).status == 204

    # Warms what the functions remember.
    api.send(MAIL)
    mail_promotion_code()
    api.deliver(*engine.receive("MailQueueUrl"))
    mail = queue_mail(api, engine)
    delivery = {"delivery": {"timestamp": "2026-01-02T03:04:05.678Z", "recipients": [TO]}}
    # SES publishes, SNS hands on for nothing, Lambda receives and deletes.
    notified = {"function_runs": 1, "SNS_publishes": 1, "SQS_requests": 2}
    key = {"idempotency-key": "key"}
    operations = {
        "accept a mail": count(engine, lambda: api.send(MAIL), API_requests=1, function_runs=1),
        "accept a mail with an Idempotency-Key": count(
            engine, lambda: api.send(MAIL, headers=key), API_requests=1, function_runs=1
        ),
        "answer it again": count(engine, lambda: api.send(MAIL, headers=key), API_requests=1, function_runs=1),
        "accept a promotion code": count(engine, mail_promotion_code, API_requests=1, function_runs=1),
        "send it": count(engine, lambda: api.deliver(mail), function_runs=1, SQS_requests=2),
        "record that it was sent": count(
            engine, lambda: api.notify(in_sns_envelope(event("Send", message, [TO], send={}))), **notified
        ),
        "record that it arrived": count(
            engine, lambda: api.notify(in_sns_envelope(event("Delivery", message, [TO], **delivery))), **notified
        ),
        "record a bounce": count(
            engine,
            lambda: api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=bounce_object(bounced(TO))))),
            **notified,
        ),
        "record a soft bounce": count(
            engine,
            lambda: api.notify(in_sns_envelope(event("Bounce", message, [TO], bounce=MAILBOX_FULL))),
            **notified,
        ),
        "refuse a request without credentials": count(
            engine, lambda: api.bounces(headers={"authorization": ""}), API_requests=1, function_runs=1
        ),
    }
    for number in range(101):
        store(api, START.replace(minute=number // 60, second=number % 60))
    operations["list a page of 100 bounces"] = count(
        engine, lambda: api.bounces("pageSize=100"), API_requests=1, function_runs=1
    )
    operations["log a mail of another system"] = count(
        engine, lambda: api.http("POST", "/api/v1/contact/coffeepage", body=entry), API_requests=1, function_runs=1
    )
    return (
        operations
        | measured_contacts(api, engine)
        | measured_interactions(api, engine)
        | measured_subscriptions(api, engine)
    )


def measured_contacts(api: Api, engine: Engine) -> dict[str, Counter[str]]:
    contact: dict[str, Any] = {}

    def request(method: str, path: str, query: str = "", **options: Any) -> Counter[str]:
        def ask() -> None:
            answer = api.http(method, path, query, **options)
            assert answer.status in (200, 201), answer.body
            contact.update(answer.body if isinstance(answer.body, dict) else {})

        return count(engine, ask, API_requests=1, function_runs=1)

    request("POST", CONTACTS, body={"RegistrationSource": "web form"})  # warms what the functions remember
    operations = {"create a contact with e-mail, phone and name": request("POST", CONTACTS, body=CONTACT)}
    path = f"{CONTACTS}/{contact['Id']}"
    operations["read a contact"] = request("GET", path)
    operations["find a contact by its e-mail"] = request("GET", CONTACTS, "email=max@example.net")
    operations["update a contact"] = request("PUT", path, body=contact | {"ContactCompanyId": 1})
    operations["change its e-mail"] = request("PUT", path, body=contact | {"Email": "mm@example.net"})
    for number in range(100):
        names = {"Email": f"{number}@example.net", "Phone": f"{number}", "LastName": f"{number}"}
        request("POST", CONTACTS, body=CONTACT | names)
    with pytest.MonkeyPatch.context() as patch:
        since = DateTimeOffset.now()
        patch.setattr(DateTimeOffset, "now", lambda: since.plus_seconds(FEED_DELAY_SECONDS + 1))
        operations["list a page of 100 changes"] = request("GET", CONTACTS, "limit=100")
        operations["look for more changes in vain"] = request("GET", CONTACTS, f"modifiedSince={since}")
    return operations


def measured_interactions(api: Api, engine: Engine) -> dict[str, Counter[str]]:
    url = created(api)["InteractionUrl"]
    set_landing_page(api, "https://shop.example/")
    create_contact(api, body(api)["ContactId"])
    visit(api, url)
    created(api, InteractionIdentity="2")
    request = {"API_requests": 1, "function_runs": 1}
    return {
        "create an interaction": count(engine, lambda: created(api, InteractionIdentity="3"), **request),
        "create it again": count(engine, lambda: created(api, InteractionIdentity="3"), **request),
        "follow its link, as a contact": count(engine, lambda: visit(api, url), **request),
    }


def measured_subscriptions(api: Api, engine: Engine) -> dict[str, Counter[str]]:
    create(api, Email="ann@example.net")
    url = link_to(api, "ann@example.net")
    unsubscribe(api, url)
    undo(api, url)
    request = {"API_requests": 1, "function_runs": 1}
    return {
        "look at the page of a link to unsubscribe by": count(engine, lambda: follow(api, url), **request),
        "unsubscribe, as a contact": count(engine, lambda: unsubscribe(api, url), **request),
        "unsubscribe again": count(engine, lambda: unsubscribe(api, url), **request),
        "take it back, as a contact": count(engine, lambda: undo(api, url), **request),
    }


CONTACT = {
    "RegistrationSource": "web form",
    "Email": "max@example.net",
    "Phone": "12 34 56 78",
    "FirstName": "Max",
    "LastName": "Mustermann",
}


MAIL = send_body(sourceSystem="S", campaignId="C")


def table(operations: dict[str, Counter[str]]) -> list[str]:
    """The table of docs/costs.md, line by line."""
    lines = [
        f"| a million times | {' | '.join(PRICES)} | USD |",
        f"|---|{'---:|' * (len(PRICES) + 1)}",
    ]
    for name, used in operations.items():
        cells = [f"{used[unit]:g}" if used[unit] else "" for unit in PRICES]
        cost = sum(used[unit] * price for unit, price in PRICES.items())
        lines.append(f"| {name} | {' | '.join(cells)} | {cost:.2f} |")
    return lines


def test_the_table_of_costs_is_what_the_calls_say(api: Api, engine: Engine) -> None:
    lines = table(measured(api, engine))
    assert "\n".join(lines) in COSTS.read_text(), "docs/costs.md should have:\n" + "\n".join(lines)
