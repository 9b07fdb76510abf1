"""One person's history on the running stack: it is read, exported, and taken out of the log."""

import json
import secrets
from typing import Any

from support.stratuscore import entry_body
from support.waiting import eventually

from .conftest import LocalEngine, RunningStack
from .test_inxmail import AUTH, send

CONTACTS = "/api/v1/Contacts"


def entries(stack: RunningStack, contact_id: int) -> list[dict[str, Any]]:
    answer = stack.client.get(f"{CONTACTS}/{contact_id}/timeline", auth=AUTH)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


def kinds(stack: RunningStack, contact_id: int) -> set[str]:
    return {entry["Kind"] for entry in entries(stack, contact_id)}


def log(engine: LocalEngine) -> str:
    """All that the Logs table holds, as one text."""
    pages = engine.client("dynamodb").get_paginator("scan").paginate(TableName=engine.outputs["LogsTable"])
    return json.dumps([item for page in pages for item in page["Items"]], default=str)


def test_a_person_from_the_first_mail_to_the_erasure(local_stack: RunningStack, local_engine: LocalEngine) -> None:
    name = f"person-{secrets.token_hex(4)}"
    former, address = f"{name}@example.net", f"{name}@example.org"
    body = {"RegistrationSource": "test", "Email": former, "LatestPermissionSource": "web form"}
    created = local_stack.client.post(CONTACTS, json=body, auth=AUTH).json()
    path = f"{CONTACTS}/{created['Id']}"
    send(local_stack, recipient=former, subjectContentPlainText=f"Hello {name}")
    eventually(lambda: kinds(local_stack, created["Id"]) >= {"Mail", "Delivery"})

    changed = {"Version": created["Version"], "Email": address, "LatestPermissionSource": "phone"}
    assert local_stack.client.put(path, json=changed, auth=AUTH).status_code == 200
    send(local_stack, recipient=address, bccRecipient=former, subjectContentPlainText=f"Hello again {name}")
    told = entry_body(AUTH, Email=address, EmailBody=f"Dear {name}")
    assert local_stack.client.post("/api/v1/contact/coffeepage", json=told).status_code == 200
    eventually(lambda: len(entries(local_stack, created["Id"])) == 7)
    assert kinds(local_stack, created["Id"]) == {"Mail", "MailCopy", "Delivery", "LogEntry"}

    export = local_stack.client.get(f"{path}/export", auth=AUTH).json()
    assert export["Contact"]["Email"] == address
    assert [change["LatestPermissionSource"] for change in export["PermissionHistory"]] == ["web form", "phone"]
    assert len(export["Timeline"]) == 7
    (body,) = (entry["Details"]["Body"] for entry in export["Timeline"] if entry["Kind"] == "LogEntry")
    assert body == f"Dear {name}"

    assert name in log(local_engine)
    assert local_stack.client.delete(path, auth=AUTH).status_code == 204
    eventually(lambda: name not in log(local_engine))
    assert local_stack.client.get(f"{path}/timeline", auth=AUTH).status_code == 404
