"""Suppressed addresses on the running stack: over HTTP, and by the command as a shell runs it."""

import getpass
import os
import pty
import secrets
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from polypost_local import demo
from support.command import Run, as_json, polypost
from support.ses import bounce_object, bounced, complaint_object
from support.waiting import eventually

from .conftest import LocalEngine, RunningStack
from .test_inxmail import AUTH, listed, mail, send
from .test_rare_paths import report

CONTACTS = "/api/v1/Contacts"
SUPPRESSIONS = "/api/v1/Suppressions"


@pytest.fixture
def run(local_stack: RunningStack) -> Run:
    return partial(polypost, port=local_stack.command.port)


@pytest.fixture(scope="module")
def client(local_stack: RunningStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=local_stack.base_url, auth=AUTH, timeout=30, trust_env=False) as client:
        yield client


def some_address(local_part: str = "") -> str:
    return f"{local_part}{secrets.token_hex(6)}@example.net"


def path_of(address: str) -> str:
    return f"{SUPPRESSIONS}/{quote(address, safe='')}"


def every(client: httpx.Client, limit: int = 1000) -> dict[str | None, dict[str, Any]]:
    """All suppressed addresses of the demo space, by following the links."""
    found: dict[str | None, dict[str, Any]] = {}
    url: str | None = f"{SUPPRESSIONS}?limit={limit}"
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        assert not found.keys() & {entry["Address"] for entry in answer.json() if entry["Address"]}
        found |= {entry["Address"]: entry for entry in answer.json()}
        url = answer.links.get("next", {}).get("url")
    return found


def is_suppressed(stack: RunningStack, address: str) -> bool:
    """Whether a mail to the address is not sent."""
    message_id = send(stack, recipient=address)

    def look() -> list[bool]:
        sent = [each for each in stack.client.get("/_local/mailbox").json() if each["messageId"] == message_id]
        rows = listed(stack, "bounces", message_id)
        return [not sent] if sent or rows else []

    return bool(eventually(look)[0])


@pytest.mark.parametrize("address", ["max+news", "o'neil", "a%41", "a&b=c", "MAX", "~a{b}", "a*b!c"])
def test_an_address_from_its_suppression_to_the_lifting(
    local_stack: RunningStack, client: httpx.Client, address: str
) -> None:
    address = some_address(address)
    path = path_of(address)
    assert client.get(path).status_code == 404
    added = client.put(path, json={"Reason": "Asked for by phone."})
    assert added.status_code == 200, added.text
    assert added.json()["Address"] == address.lower()
    assert client.get(path.replace("Suppressions", "suppressions")).json() == added.json()
    assert every(client)[address.lower()] == added.json()
    assert is_suppressed(local_stack, address)
    assert client.delete(path, params={"reason": "Changed their mind."}).status_code == 204
    assert client.get(path).status_code == client.delete(path, params={"reason": "x"}).status_code == 404
    assert address.lower() not in every(client)
    assert not is_suppressed(local_stack, address)


def test_the_list_is_read_in_parts(client: httpx.Client) -> None:
    added = {some_address() for _ in range(5)}
    for address in added:
        client.put(path_of(address), json={"Reason": "x"})
    assert every(client, limit=2).keys() == every(client).keys() >= added


def test_a_mailbox_that_is_back_gets_mail_again(
    local_stack: RunningStack, local_engine: LocalEngine, run: Run, client: httpx.Client
) -> None:
    address = some_address()
    message_id = send(local_stack, recipient=address)
    assert mail(local_stack, message_id)
    report(local_engine, message_id, address, bounce_object(bounced(address)))
    eventually(partial(listed, local_stack, "bounces", message_id))
    shown = run("suppressions", "show", address, "--space", demo.SPACE).stdout
    for words in ("hard bounce", "2026-01-02 03:04:05 UTC", message_id, "text-no-mailbox: There is no such mailbox."):
        assert words in shown
    assert address in run("suppressions", "list", "--space", demo.SPACE).stdout
    lifted = run("suppressions", "remove", address.upper(), "--reason", "It is back.", "--space", demo.SPACE).stdout
    assert lifted == f"Lifted: hard bounce. {address} gets mail of demo again.\n"
    assert not is_suppressed(local_stack, address)
    # SES tells of the same bounce once more.
    report(local_engine, message_id, address, bounce_object(bounced(address)))
    shown = run("suppressions", "show", address, "--space", demo.SPACE).stdout
    assert f"{address} is not suppressed." in shown
    assert f"{getpass.getuser()}: It is back." in shown
    assert not is_suppressed(local_stack, address)
    said = run("suppressions", "remove", address, "--reason", "x", "--space", demo.SPACE, expect=1).stderr
    assert said == "Error: The address is not suppressed.\n"
    assert (
        as_json(run, "suppressions", "show", address, "--space", demo.SPACE)["liftings"][0]["by"] == getpass.getuser()
    )


def test_a_complaint_is_lifted_only_with_its_own_option(
    local_stack: RunningStack, local_engine: LocalEngine, run: Run
) -> None:
    address = some_address()
    message_id = send(local_stack, recipient=address)
    assert mail(local_stack, message_id)
    report(local_engine, message_id, address, complaint_object(address), "Complaint")
    eventually(partial(listed, local_stack, "complaints", message_id))
    run("suppressions", "add", address, "--reason", "Asked for by phone.", "--space", demo.SPACE)
    words = ("suppressions", "remove", address, "--reason", "Subscribed again.", "--space", demo.SPACE)
    why = "The recipient has complained, and a complaint is lifted only where 'complaint' is asked for."
    assert run(*words).stdout == f"Lifted: added by hand. {why}\n"
    assert run(*words, expect=1).stderr == f"Error: {why}\n"
    assert is_suppressed(local_stack, address)
    assert run(*words, "--complaint").stdout == f"Lifted: complaint. {address} gets mail of demo again.\n"
    assert not is_suppressed(local_stack, address)


def test_the_limit_of_a_contact_is_lifted_at_the_contact(
    local_stack: RunningStack, client: httpx.Client, run: Run
) -> None:
    address = some_address()
    contact = client.post(
        CONTACTS, json={"RegistrationSource": "test", "Email": address, "LimitMailsPermanently": True}
    ).json()
    shown = run("contacts", "show", str(contact["Id"]), "--space", demo.SPACE).stdout
    assert f"the contact {contact['Id']}" in shown
    assert "limited permanently" in shown
    words = ("suppressions", "remove", address, "--reason", "x", "--space", demo.SPACE)
    assert f"The contact with the Id {contact['Id']} has limited its mails" in run(*words, expect=1).stderr
    assert client.delete(f"{CONTACTS}/{contact['Id']}").status_code == 204
    assert "a contact that was deleted" in run("suppressions", "show", address, "--space", demo.SPACE).stdout
    assert is_suppressed(local_stack, address)
    again = client.post(
        CONTACTS, json={"RegistrationSource": "test", "Email": address, "LimitMailsPermanently": False}
    ).json()
    assert not is_suppressed(local_stack, address)
    shown = run("contacts", "show", str(again["Id"]), "--space", demo.SPACE).stdout
    assert f"{address} is not suppressed." in shown
    assert f"The contact {again['Id']} is set to no such limit." in shown


def test_what_is_left_of_a_suppressed_person_has_no_address(
    client: httpx.Client, run: Run, local_engine: LocalEngine
) -> None:
    address = some_address()
    contact = client.post(CONTACTS, json={"RegistrationSource": "test", "Email": address}).json()
    entry = client.put(path_of(address), json={"Reason": f"{address} wrote a letter."}).json()
    assert client.delete(f"{CONTACTS}/{contact['Id']}").status_code == 204

    def held() -> str:
        pages = (
            local_engine.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=local_engine.outputs["ContactsTable"])
        )
        return str([item for page in pages for item in page["Items"]])

    eventually(lambda: address not in held())
    assert entry["Id"] in held()
    assert entry["Id"] in {each["Id"] for each in client.get(SUPPRESSIONS, params={"limit": 1000}).json()}
    assert f"(not recorded) {entry['Id']}" in run("suppressions", "list", "--space", demo.SPACE).stdout
    shown = run("suppressions", "show", address, "--space", demo.SPACE).stdout
    assert "added by hand" in shown
    assert "A contact with the address was deleted on" in shown


# --- The command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def space(run: Run) -> str:
    name = f"s-{secrets.token_hex(4)}"
    run("spaces", "create", name)
    return name


def test_an_operator_adds_and_lifts_addresses(run: Run, space: str) -> None:
    suppressions = partial(as_json, run, "suppressions")
    assert suppressions("list", "--space", space) == []
    assert f"No address of {space} is suppressed." in run("suppressions", "list", "--space", space).stdout
    added = suppressions("add", "Max@Bücher.example", "--reason", "By letter.", "--by", "Anna", "--space", space)
    (cause,) = added["causes"]
    assert (added["address"], cause["reason"], cause["by"], cause["note"]) == (
        "max@xn--bcher-kva.example",
        "added by hand",
        "Anna",
        "By letter.",
    )
    assert suppressions("list", "--space", space) == [added]
    said = run("suppressions", "add", "ann@example.net", "--reason", "By letter.", "--space", space).stdout
    assert said == f"ann@example.net gets no mail of {space} any more.\n"
    lifted = suppressions("remove", "max@bücher.example", "--reason", "He asks for it.", "--space", space)
    assert (lifted["causes"], lifted["liftings"][0]["reasons"]) == ([], ["added by hand"])
    assert [each["address"] for each in suppressions("list", "--space", space)] == ["ann@example.net"]
    assert "there is no space nobody" in run("suppressions", "list", "--space", "nobody", expect=1).stderr


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["add", "nobody", "--reason", "x"], "nobody is no e-mail address"),
        (["add", "max@example.net"], "say why: --reason TEXT"),
        (["remove", "max@example.net", "--reason", " "], "say why: --reason TEXT"),
        (["add", "max@example.net", "--reason", "x" * 201], "at most 200 characters"),
        (["add", "max@example.net", "--reason", "x", "--by", "a\nb"], "at most 200 characters, on one line"),
        (["import", "/nowhere.csv", "--reason", "x"], "does not exist"),
    ],
)
def test_bad_words(run: Run, words: list[str], problem: str) -> None:
    said = run("suppressions", *words, "--space", demo.SPACE, expect=2).stderr
    assert problem in " ".join(said.split())


def test_a_person_at_a_terminal_is_asked_why(local_stack: RunningStack, run: Run, space: str) -> None:
    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "polypost_cli", "suppressions", "add", "max@example.net", "--space", space]
    command += ["--local", "--port", str(local_stack.command.port)]
    with subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        os.write(master, b"He called.\n")
        assert process.wait(60) == 0
    for end in (master, terminal):
        os.close(end)
    (known,) = as_json(run, "suppressions", "list", "--space", space)
    assert known["causes"][0]["note"] == "He called."


def test_addresses_from_a_file(run: Run, space: str, tmp_path: Path) -> None:
    source = tmp_path / "addresses.csv"
    added = [f"a{number}@example.net" for number in range(70)]
    source.write_text("Name;E-Mail\n" + "".join(f"x;{address}\n" for address in added) + "\ny;nobody\nz;\n")
    words = ("suppressions", "import", str(source), "--reason", "From the former system.", "--space", space)
    shown = run(*words).stdout
    assert f"70 addresses of {source} get no mail of {space} any more. 2 lines were refused." in shown
    for expected in ("73 ", "nobody", "74 "):
        assert expected in shown
    before = as_json(run, "suppressions", "list", "--space", space)
    assert sorted(each["address"] for each in before) == sorted(added)
    outcome = as_json(run, *words)
    assert (outcome["suppressed"], [each["line"] for each in outcome["refused"]]) == (70, [73, 74])
    assert as_json(run, "suppressions", "list", "--space", space) == before
