"""`polypost local` as a process, and the mail that goes through it."""

import signal
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from polypost_local import demo
from support.local_command import free_port, start_local
from support.waiting import PATIENCE, eventually

from .conftest import RunningStack

DEMO = httpx.BasicAuth(demo.KEYID, demo.SECRET)
API = "/api-service/custom/sap/v1"


def send(stack: RunningStack, recipient: str, **fields: Any) -> str:
    """Send a mail of the demo space; its message id."""
    mail = {
        "type": "email",
        "sourceSystem": "shop",
        "campaignId": "spring",
        "sender": "info@example.invalid",
        "recipient": recipient,
        "subjectContentPlainText": "Grüße",
        "bodyContentPlainText": "Text part",
        **fields,
    }
    answer = stack.client.post(f"{API}/send", json=mail, auth=DEMO)
    assert answer.status_code == 200, answer.text
    message_id: str = answer.json()["messageId"]
    return message_id


def mailbox_entry(stack: RunningStack, message_id: str, bcc: Sequence[str] = ()) -> Any:
    """The mail to the recipient, or to the Bcc, in the mailbox, as soon as it is there."""

    def look() -> Any:
        entries = stack.client.get("/_local/mailbox").json()
        return next((e for e in entries if (e["messageId"], e["bcc"]) == (message_id, list(bcc))), None)

    return eventually(look)


def test_prints_the_ready_line_and_a_curl_for_each_endpoint(local_stack: RunningStack) -> None:
    first, *rest = local_stack.command.stdout.splitlines()
    assert first == f"Polypost is ready on {local_stack.base_url}"
    assert rest == "\n".join(demo.curls(local_stack.base_url)).splitlines()
    for path in (f"{API}/send", f"{API}/bounces", f"{API}/complaints", f"{API}/verifiedSenders", "/api-service"):
        assert f"{local_stack.base_url}{path}'" in local_stack.command.stdout


def test_listens_on_the_loopback_interface_only(local_stack: RunningStack) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        # Another loopback address stands for any other interface.
        other.settimeout(2)
        assert other.connect_ex(("127.0.0.2", local_stack.command.port)) != 0


def test_a_mail_is_read_back_from_what_ses_was_given(local_stack: RunningStack) -> None:
    message_id = send(
        local_stack,
        "max@example.invalid",
        recipientName="Max Müstermann",
        senderName="Der Sender",
        bccRecipient="archive@example.invalid",
        replyTo="answers@example.invalid",
        replyToName="Antworten",
        bodyContentHTML="<p>Größe &amp; <script>alert(1)</script></p>",
    )
    mailbox_entry(local_stack, message_id)
    entry = mailbox_entry(local_stack, message_id, bcc=["archive@example.invalid"])
    assert entry["sourceSystem"] == "shop"
    assert entry["campaignId"] == "spring"
    assert entry["from"] == "Der Sender <info@example.invalid>"
    assert entry["to"] == "Max Müstermann <max@example.invalid>"
    assert entry["replyTo"] == "Antworten <answers@example.invalid>"
    assert entry["bcc"] == ["archive@example.invalid"]
    assert "archive@example.invalid" not in str(entry["headers"])
    assert entry["subject"] == entry["headers"]["Subject"] == "Grüße"
    assert entry["text"].rstrip("\n") == "Text part"
    assert entry["html"].rstrip("\n") == "<p>Größe &amp; <script>alert(1)</script></p>"
    assert entry["sentAt"].endswith("Z")
    assert local_stack.client.get("/_local/mailbox").json()[0]["sentAt"] >= entry["sentAt"]


def test_the_mailbox_has_a_page_that_runs_no_script_of_a_mail(local_stack: RunningStack) -> None:
    message_id = send(local_stack, "page@example.invalid", bodyContentHTML="<b>bold</b><script>alert(1)</script>")
    mailbox_entry(local_stack, message_id)
    page = local_stack.client.get("/_local/mailbox", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert message_id in page.text
    assert 'srcdoc="&lt;b&gt;bold&lt;/b&gt;&lt;script&gt;' in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize(
    ("recipient", "listed"),
    [
        ("bounce@simulator.amazonses.com", "bounces"),
        ("Bounce+Label@Simulator.AmazonSES.com", "bounces"),
        ("suppressionlist@simulator.amazonses.com", "bounces"),
        ("complaint@simulator.amazonses.com", "complaints"),
    ],
)
def test_what_becomes_of_a_simulator_mail_is_listed(local_stack: RunningStack, recipient: str, listed: str) -> None:
    message_id = send(local_stack, recipient)

    def look() -> list[Any]:
        events = local_stack.client.get(f"{API}/{listed}", auth=DEMO, params={"pageSize": 2000}).json()[listed]
        return [event for event in events if event["messageId"] == message_id]

    assert len(eventually(look)) == 1


@pytest.mark.parametrize("name", ["success", "ooto"])
def test_what_was_delivered_is_listed_nowhere(local_stack: RunningStack, name: str) -> None:
    delivered = send(local_stack, f"{name}@simulator.amazonses.com")
    # Notifications are read in order, so a later bounce says that the earlier mail's were read too.
    bounced = send(local_stack, "bounce@simulator.amazonses.com")

    def listed(events: str) -> set[str]:
        page = local_stack.client.get(f"{API}/{events}", auth=DEMO, params={"pageSize": 2000}).json()
        return {event["messageId"] for event in page[events]}

    eventually(lambda: bounced in listed("bounces"))
    assert delivered not in listed("bounces") | listed("complaints")


def test_a_space_is_found_by_its_host_and_requests_run_at_once(local_stack: RunningStack) -> None:
    url = f"http://127.0.0.1:{local_stack.command.port}{API}/verifiedSenders"
    answers: list[httpx.Response] = []

    def ask(host: str) -> None:
        answers.append(httpx.get(url, headers={"Host": host}, auth=DEMO, timeout=30, trust_env=False))

    hosts = ["demo.localhost", "localhost", "127.0.0.1", "demo.localhost:3000"] * 5
    threads = [threading.Thread(target=ask, args=(host,)) for host in [*hosts, "other.localhost"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * len(hosts) + [404]


def test_a_port_in_use_is_one_clear_line(local_stack: RunningStack, tmp_path: Path) -> None:
    second = start_local(tmp_path, local_stack.command.port)
    assert second.process.wait(PATIENCE) == 2
    assert second.stdout == ""
    (line,) = second.stderr.splitlines()
    assert str(local_stack.command.port) in line
    assert "in use" in line


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    command = start_local(tmp_path, port)
    assert command.process.wait(PATIENCE) == 2
    assert "--port" in command.stderr
    assert "Traceback" not in command.stderr


@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, True)])
def test_a_signal_ends_all_of_it_while_requests_are_under_way(
    tmp_path: Path, number: signal.Signals, group: bool
) -> None:
    command = start_local(tmp_path, free_port())
    command.await_ready()
    assert len(command.processes()) > 2

    def keep_asking() -> None:
        with httpx.Client(base_url=command.base_url, trust_env=False, timeout=30) as client:
            while True:
                try:
                    client.get(f"{API}/verifiedSenders", auth=DEMO)
                except httpx.HTTPError:
                    return

    askers = [threading.Thread(target=keep_asking) for _ in range(4)]
    for asker in askers:
        asker.start()
    # One request of which the end never comes, and one idle connection, beside the askers and the queues' long polls.
    with socket.create_connection(("127.0.0.1", command.port)) as half, httpx.Client(trust_env=False) as idle:
        half.sendall(f"POST {API}/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{{".encode())
        assert idle.get(f"{command.base_url}/api-service").status_code == 200
        assert command.end(number, group=group) == 0
    for asker in askers:
        asker.join()
    assert command.processes() == set()
    assert command.stderr == ""


@pytest.mark.parametrize("seconds_after_listening", [0, 0.6, 1.2, 1.8])
def test_a_signal_ends_a_stack_that_is_still_starting(tmp_path: Path, seconds_after_listening: float) -> None:
    port = free_port()
    command = start_local(tmp_path, port)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(listens)
    time.sleep(seconds_after_listening)
    # What is being loaded is loaded to its end.
    assert command.end(signal.SIGTERM, PATIENCE) == 0
    # What multiprocessing had started by then ends as it notices.
    eventually(lambda: command.processes() == set())
    assert command.stderr == ""


def test_workers_end_with_a_stack_that_is_killed(tmp_path: Path) -> None:
    command = start_local(tmp_path, free_port())
    command.await_ready()
    command.end(signal.SIGKILL)
    eventually(lambda: command.processes() == set())
