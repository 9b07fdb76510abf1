"""The Inxmail dialect on the running stack: a mail goes out, and its bounce comes back."""

import json
import secrets
import shlex
from concurrent.futures import ThreadPoolExecutor
from email.utils import getaddresses
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from polypost_local import demo
from support.inxmail import send_body
from support.waiting import eventually

from .conftest import RunningStack

SAMPLES = Path(__file__).parents[1] / "contract" / "samples" / "inxmail-commerce-sap"
AUTH = (demo.KEYID, demo.SECRET)
API = "/api-service/custom/sap/v1"


def send(stack: RunningStack, **members: Any) -> str:
    """Send a mail; its id."""
    answer = stack.client.post(f"{API}/send", json=send_body(**members), auth=AUTH)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["messageId"])


def mail(stack: RunningStack, message_id: str, bcc: str | None = None) -> dict[str, Any]:
    """The mail that went out under an id, to its recipient or to its Bcc."""

    def look() -> list[dict[str, Any]]:
        sent = stack.client.get("/_local/mailbox").json()
        copy_for = [] if bcc is None else [bcc]
        return [entry for entry in sent if (entry["messageId"], entry["bcc"]) == (message_id, copy_for)]

    found = eventually(look)
    assert len(found) == 1
    return dict(found[0])


def listed(stack: RunningStack, name: str, message_id: str) -> list[dict[str, Any]]:
    rows = stack.client.get(f"{API}/{name}", params={"pageSize": 2000}, auth=AUTH).json()[name]
    return [row for row in rows if row["messageId"] == message_id]


def test_the_documents_own_curl_with_host_and_credential_changed(local_stack: RunningStack) -> None:
    words = shlex.split((SAMPLES / "curls.txt").read_text().splitlines()[1])
    assert words[:4] == ["curl", "-X", "POST", "-u"]
    answer = local_stack.client.post(
        urlsplit(words[-1]).path,
        content=words[words.index("-d") + 1],
        headers=dict([words[words.index("-H") + 1].split(": ")]),
        auth=AUTH,
    )
    assert answer.status_code == 200
    entry = mail(local_stack, answer.json()["messageId"])
    assert entry["from"] == "Name of the sender <info@example.invalid>"
    assert entry["to"] == "Max Mustermann <max.mustermann@example.invalid>"
    assert entry["replyTo"] == "Name for reply to <reply@example.invalid>"
    assert entry["headers"]["List-Unsubscribe"] == (
        "<https://www.example.invalid/unsubscribe>, <mailto:unsub@example.invalid>"
    )
    assert entry["subject"] == "Test subject"
    assert entry["html"] == "<html><body><b>This is a test\nbody.</b></body></html>"
    assert entry["text"] == "This is a test text for the text part."
    assert (entry["sourceSystem"], entry["campaignId"], entry["bcc"]) == ("0MB871I", "cMB871df", [])


@pytest.mark.parametrize(
    "name",
    [
        "A company's name that is longer than a line & has a <bracket>, a comma and (more) in it, GmbH & Co. KG",
        "Müller und Söhne, Feinkost und Küchen seit 1873, mit einem Namen über zwei Zeilen, Hamburg",
        "A" * 100,
        '"quoted" \\ name',
    ],
)
def test_names_reach_the_reader_as_they_were(local_stack: RunningStack, name: str) -> None:
    message_id = send(local_stack, senderName=name, recipientName=name)
    entry = mail(local_stack, message_id)
    for header, address in (("from", "info@example.com"), ("to", "max@example.net")):
        assert getaddresses([entry[header]]) == [(name, address)]
    assert listed(local_stack, "bounces", message_id) == []


def test_from_send_to_listed_bounce(local_stack: RunningStack) -> None:
    message_id = send(
        local_stack, recipient="bounce+label@simulator.amazonses.com", sourceSystem="Prüfung", campaignId="日本"
    )
    (row,) = eventually(lambda: listed(local_stack, "bounces", message_id))
    timestamp = row.pop("timestamp")
    assert row == {
        "sourceSystem": "Prüfung",
        "campaignId": "日本",
        "messageId": message_id,
        "recipient": "bounce+label@simulator.amazonses.com",
        "errorCode": "5.1.1",
        "errorText": "smtp; 550 5.1.1 user unknown",
        "type": "Hard",
    }
    answer = local_stack.client.get(
        f"{API}/bounces",
        params={
            "sourceSystem": "Prüfung",
            "campaignId": "日本",
            "startTimeUTC": timestamp,
            "endTimeUTC": timestamp,
            "page": 0,
            "pageSize": 1,
        },
        auth=AUTH,
    )
    assert [found["messageId"] for found in answer.json()["bounces"]] == [message_id]


def test_from_send_to_listed_complaint(local_stack: RunningStack) -> None:
    message_id = send(local_stack, recipient="Complaint@Simulator.amazonses.com")
    (row,) = eventually(lambda: listed(local_stack, "complaints", message_id))
    assert row["type"] == "abuse"
    assert listed(local_stack, "bounces", message_id) == []


def test_a_bcc_bounces_too(local_stack: RunningStack) -> None:
    message_id = send(local_stack, bccRecipient="suppressionlist@simulator.amazonses.com")
    (row,) = eventually(lambda: listed(local_stack, "bounces", message_id))
    assert (row["recipient"], row["type"]) == ("suppressionlist@simulator.amazonses.com", "Hard")
    copy = mail(local_stack, message_id, bcc="suppressionlist@simulator.amazonses.com")
    assert copy | {"bcc": [], "sentAt": ""} == mail(local_stack, message_id) | {"sentAt": ""}


def test_a_delivered_mail_and_an_out_of_office_answer_are_listed_nowhere(local_stack: RunningStack) -> None:
    quiet = [send(local_stack, recipient=f"{name}@simulator.amazonses.com") for name in ("success", "ooto")]
    # Events are recorded in the order of their sending or nearly so: what came after these two has arrived.
    last = send(local_stack, recipient="bounce@simulator.amazonses.com")
    eventually(lambda: listed(local_stack, "bounces", last))
    for message_id in quiet:
        assert mail(local_stack, message_id)
        assert listed(local_stack, "bounces", message_id) == []
        assert listed(local_stack, "complaints", message_id) == []


def test_many_mails_at_once_each_go_out_once(local_stack: RunningStack) -> None:
    with ThreadPoolExecutor(16) as pool:
        sent = list(pool.map(lambda number: send(local_stack, subjectContentPlainText=f"Number {number}"), range(60)))
    assert len(set(sent)) == 60

    def look() -> bool:
        entries = local_stack.client.get("/_local/mailbox").json()
        # A Bcc is a mail of its own.
        went_out = [(entry["messageId"], *entry["bcc"]) for entry in entries]
        assert len(went_out) == len(set(went_out))
        return {(message_id,) for message_id in sent} <= set(went_out)

    assert eventually(look)


@pytest.mark.parametrize(
    ("host", "status"), [("demo.localhost", 200), ("other.localhost", 404), ("localhost", 200), ("127.0.0.1", 200)]
)
def test_the_host_names_the_space(local_stack: RunningStack, host: str, status: int) -> None:
    port = urlsplit(local_stack.base_url).port
    answer = local_stack.client.get(f"{API}/verifiedSenders", headers={"Host": f"{host}:{port}"}, auth=AUTH)
    assert answer.status_code == status
    if status == 404:
        assert answer.json()["message"] == "Unknown tenant."
    else:
        assert answer.json() == {"senderDomains": ["example.com", "example.invalid"]}


@pytest.mark.parametrize(("host", "status"), [("demo.localhost", 200), ("other.localhost", 404)])
def test_the_index_is_a_spaces_too(local_stack: RunningStack, host: str, status: int) -> None:
    answer = local_stack.client.get("/api-service", headers={"Host": f"{host}:{urlsplit(local_stack.base_url).port}"})
    assert answer.status_code == status
    assert ("_links" in answer.json()) is (status == 200)


def test_links_lead_to_the_pages(local_stack: RunningStack) -> None:
    for _ in range(3):
        message_id = send(local_stack, recipient="bounce@simulator.amazonses.com", sourceSystem="pages")
        eventually(partial(listed, local_stack, "bounces", message_id))
    seen: list[str] = []
    url: str | None = f"{API}/bounces?sourceSystem=pages&pageSize=1"
    while url is not None:
        answer = local_stack.client.get(url, auth=AUTH)
        seen += [row["messageId"] for row in answer.json()["bounces"]]
        assert answer.json()["lastPage"] is ("next" not in answer.links)
        url = answer.links.get("next", {}).get("url")
    assert len(set(seen)) == len(seen) == 3


def test_the_index_and_unknown_paths_and_methods(local_stack: RunningStack) -> None:
    links = local_stack.client.get("/api-service").json()["_links"]
    assert local_stack.client.get(links["verifiedSenders"]["href"], auth=AUTH).status_code == 200
    assert local_stack.client.get("/api-service/").status_code == 200
    for method, path, status in (
        ("GET", f"{API}/nothing", 404),
        ("PUT", f"{API}/bounces", 405),
        ("HEAD", f"{API}/send", 405),
    ):
        answer = local_stack.client.request(method, path, auth=AUTH)
        assert answer.status_code == status
        if method != "HEAD":
            assert list(answer.json()) == ["timestamp", "status", "error", "message", "path"]


def test_errors_on_the_wire(local_stack: RunningStack) -> None:
    refused = local_stack.client.get(f"{API}/bounces", auth=(demo.KEYID, "wrong"))
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    bad = local_stack.client.get(f"{API}/bounces?startTimeUTC=29990101000000", auth=AUTH)
    assert (bad.status_code, bad.json()["exception"]) == (400, "com.inxmail.xcom.api.rest.InvalidDateParameter")
    assert bad.json()["path"] == "/custom/sap/v1/bounces?startTimeUTC=29990101000000"
    form = local_stack.client.post(f"{API}/send", data={"type": "email"}, auth=AUTH)
    assert form.status_code == 415


def test_the_printed_curls_are_complete_and_work(local_stack: RunningStack) -> None:
    commands = demo.curls(local_stack.base_url)
    asked = set()
    for command in commands:
        words = shlex.split(command, comments=True)
        url = next(word for word in words if word.startswith("http"))
        auth = AUTH if "-u" in words else httpx.USE_CLIENT_DEFAULT
        if "-d" in words:
            body = json.loads(words[words.index("-d") + 1])
            answer = local_stack.client.post(url, json=body, auth=auth)
        else:
            answer = local_stack.client.get(url, auth=auth)
        assert answer.status_code in (200, 201, 204, 302), answer.text
        asked.add((answer.request.method, urlsplit(url).path))
    assert asked >= {
        ("POST", f"{API}/send"),
        ("GET", f"{API}/bounces"),
        ("GET", f"{API}/complaints"),
        ("GET", f"{API}/verifiedSenders"),
        ("POST", "/api/v1/Contacts"),
        ("GET", f"/api/v1/Contacts/{demo.CONTACT_ID}"),
        ("GET", "/api/v1/Contacts"),
        ("POST", "/api/v1/contact/coffeepage"),
        ("POST", f"/customers/{demo.CUSTOMER_ID}/mails"),
    }


def test_an_opt_out_that_came_with_an_invisible_character_holds(local_stack: RunningStack) -> None:
    name = f"opt{secrets.token_hex(6)}"
    contact = {"RegistrationSource": "import", "Email": f"\ufeff{name}@example.net", "LimitMailsPermanently": True}
    assert local_stack.client.post("/api/v1/Contacts", json=contact, auth=AUTH).status_code == 201
    message_id = send(local_stack, recipient=f"{name}@EXAMPLE.net")
    (row,) = eventually(partial(listed, local_stack, "bounces", message_id))
    assert row["errorText"] == "Not sent: limited permanently"
    sent = {entry["messageId"] for entry in local_stack.client.get("/_local/mailbox").json()}
    assert message_id not in sent


def test_scalars_and_members_that_are_given_twice(local_stack: RunningStack) -> None:
    body = json.dumps(send_body())[:-1]
    headers = {"Content-Type": "application/json"}
    url = f"{API}/send"
    read = local_stack.client.post(url, content=f'{body}, "campaignId": 4587.0}}', headers=headers, auth=AUTH)
    assert read.status_code == 200
    twice = local_stack.client.post(url, content=f'{body}, "recipient": "b@example.net"}}', headers=headers, auth=AUTH)
    assert (twice.status_code, twice.json()["message"]) == (400, "recipient is given more than once")
