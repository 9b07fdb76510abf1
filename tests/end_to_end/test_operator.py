"""The operator's command on the running local stack: in this process, but where its process is the point."""

import json
import random
import re
import socket
import threading
import uuid
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from polypost.adapters import keys
from polypost.adapters.dynamodb import to_item
from polypost_local import demo
from support.command import Run, as_json, polypost, run_as_process
from support.inxmail import send_body
from support.ses import bounce_object, bounced
from support.waiting import eventually

from .conftest import LocalEngine, RunningStack
from .test_inxmail import API, listed, mail, send
from .test_rare_paths import report
from .test_stratuscore import id_in
from .test_stratuscore import log as log_mail


def test_help_at_every_level() -> None:
    assert "Usage: polypost" in polypost("--help", command=run_as_process).stdout
    for words in (
        ["spaces"],
        ["spaces", "create"],
        ["keys", "create"],
        ["domains", "add"],
        ["events", "reclassify"],
        ["logs", "show"],
        ["messages", "show"],
        ["messages", "list"],
        ["queues"],
        ["queues", "show"],
        ["queues", "redrive"],
        ["send"],
        ["templates"],
        ["templates", "set"],
        ["local"],
    ):
        assert "Usage: polypost" in polypost(*words, "--help").stdout


def test_a_space_from_its_creation_to_its_end(run: Run, space: str, local_stack: RunningStack) -> None:
    assert f"{space} " in run("spaces", "list").stdout
    run("spaces", "set", space, "--description", "changed")
    shown = as_json(run, "spaces", "show", space)
    assert shown.pop("settings")["uniqueNames"] is True
    assert shown == {
        "id": space,
        "createdAt": shown["createdAt"],
        "description": "changed",
        "keys": [],
        "senderDomains": [],
    }
    key = as_json(run, "keys", "create", space, "--scope", "all")
    run("domains", "add", space, "example.net")
    asked = run("spaces", "delete", space, typed="n\n", expect=1)
    assert f"keys: {key['keyid']};" in asked.stdout
    assert "sender domains: example.net;" in asked.stdout
    assert space in {found["id"] for found in as_json(run, "spaces", "list")}
    run("spaces", "delete", space, typed="y\n")
    assert space not in {found["id"] for found in as_json(run, "spaces", "list")}
    assert f"there is no space {space}" in run("spaces", "show", space, expect=1).stderr
    assert "an id is used once" in run("spaces", "create", space, expect=1).stderr
    auth = (key["keyid"], key["secret"])
    assert local_stack.client.get(f"{API}/verifiedSenders", auth=auth).status_code == 401


def test_a_space_can_do_without_unique_names(run: Run, space: str, local_stack: RunningStack) -> None:
    run("spaces", "set", space, "--unique-names", "off")
    assert re.search(r"^unique names +off *$", run("spaces", "show", space).stdout, re.MULTILINE)
    key = as_json(run, "keys", "create", space, "--scope", "contacts:write")
    namesake = {"RegistrationSource": "shop", "FirstName": "Ann", "LastName": "Lee", "Email": "ann@example.com"}
    for email, status in (("ann@example.com", 201), ("lee@example.com", 201), ("ANN@example.com", 409)):
        body = namesake | {"Email": email}
        answer = local_stack.client.post("/api/v1/Contacts", json=body, auth=(key["keyid"], key["secret"]))
        assert answer.status_code == status


def test_a_key_signs_in_and_its_secret_is_shown_once(run: Run, space: str, local_stack: RunningStack) -> None:
    shown = run("keys", "create", space, "--scope", "domains:read", "--label", "shop", "--expires", "30d").stdout
    match = re.fullmatch(r"keyid   (\S+)\nsecret  (\S{43})\n", shown)
    assert match is not None
    keyid, secret = match.groups()
    assert local_stack.client.get(f"{API}/verifiedSenders", auth=(keyid, secret)).status_code == 200
    assert local_stack.client.get(f"{API}/bounces", auth=(keyid, secret)).status_code == 403
    (key,) = as_json(run, "keys", "list", space)
    assert (key["keyid"], key["label"], key["scopes"]) == (keyid, "shop", ["domains:read"])
    assert 29 <= (datetime.fromisoformat(key["expiresAt"]) - datetime.now(UTC)).days <= 30
    assert secret not in run("keys", "list", space).stdout
    assert "secret" not in json.dumps(as_json(run, "keys", "list", space)).lower()


def test_a_rotation_has_no_gap(run: Run, space: str, local_stack: RunningStack) -> None:
    keys = [as_json(run, "keys", "create", space, "--scope", "domains:read") for _ in range(2)]
    for key in keys:
        auth = (key["keyid"], key["secret"])
        assert local_stack.client.get(f"{API}/verifiedSenders", auth=auth).status_code == 200
    run("keys", "revoke", keys[0]["keyid"])
    assert [key["keyid"] for key in as_json(run, "keys", "list", space)] == [keys[1]["keyid"]]
    auth = (keys[1]["keyid"], keys[1]["secret"])
    assert local_stack.client.get(f"{API}/verifiedSenders", auth=auth).status_code == 200
    assert "there is no key" in run("keys", "revoke", keys[0]["keyid"], expect=1).stderr


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--scope", "everything"], "'everything' is not one of"),
        ([], "Missing option '--scope'"),
        (["--scope", "all", "--expires", "2001-01-01"], "2001-01-01 is past"),
        (["--scope", "all", "--expires", "soon"], "soon is neither a date"),
        (["--scope", "all", "--expires", "99999d"], ""),
    ],
)
def test_bad_options_of_a_key(run: Run, space: str, words: list[str], problem: str) -> None:
    if problem:
        assert problem in run("keys", "create", space, *words, expect=2).stderr
    else:
        run("keys", "create", space, *words)


def test_a_sender_domain_from_its_records_to_its_end(run: Run, space: str, local_stack: RunningStack) -> None:
    added = as_json(run, "domains", "add", space, "Bücher.example")
    assert (added["domain"], added["verified"]) == ("xn--bcher-kva.example", True)
    kinds = [(record["type"], record["for"]) for record in added["records"]]
    assert kinds == [("CNAME", "DKIM")] * 3 + [("TXT", "SPF"), ("TXT", "DMARC")]
    for record in added["records"]:
        assert record["name"].endswith("xn--bcher-kva.example")
    assert "SES has verified" in run("domains", "verify", space, "bücher.example").stdout
    key = as_json(run, "keys", "create", space, "--scope", "all")
    auth = (key["keyid"], key["secret"])
    answer = local_stack.client.post(f"{API}/send", json=send_body(sender="shop@bücher.example"), auth=auth)
    assert answer.status_code == 200
    assert mail(local_stack, answer.json()["messageId"])["from"] == "shop@xn--bcher-kva.example"
    run("domains", "remove", space, "bücher.example")
    assert as_json(run, "domains", "list", space) == []
    assert "has no sender domain" in run("domains", "remove", space, "bücher.example", expect=1).stderr


def test_all_that_is_known_of_a_message(run: Run, local_stack: RunningStack) -> None:
    message_id = send(local_stack, recipient="bounce@simulator.amazonses.com", sourceSystem="S", campaignId="C")
    eventually(partial(listed, local_stack, "bounces", message_id))
    known = as_json(run, "messages", "show", message_id)
    assert known["status"] == "bounced"
    assert known["message"]["recipient"] == "bounce@simulator.amazonses.com"
    assert known["message"]["ref"]["sourceSystem"] == "S"
    assert {event["kind"] for event in known["events"]} >= {"send", "bounce"}
    shown = run("messages", "show", message_id).stdout
    for words in (
        "bounced",
        "bounce@simulator.amazonses.com",
        "550 5.1.1 user unknown",
        "info@example.com",
        "text-no-mailbox",
    ):
        assert words in shown


def test_events_are_read_again_after_the_table_has_changed(
    run: Run, local_stack: RunningStack, local_engine: LocalEngine
) -> None:
    address = f"{uuid.uuid4().hex[:8]}@example.net"
    message_id = send(local_stack, recipient=address)
    report(local_engine, message_id, address, bounce_object(bounced(address, "5.2.2", "552 5.2.2 mailbox full")))
    (row,) = eventually(partial(listed, local_stack, "bounces", message_id))
    assert row["type"] == "Soft"
    words = ("events", "reclassify", "--space", demo.SPACE)
    assert [change for change in as_json(run, *words)["changes"] if change["messageId"] == message_id] == []
    # As an earlier table may have had it.
    logs = local_engine.client("dynamodb")
    table = local_engine.outputs["LogsTable"]
    (item,) = [
        item
        for item in logs.query(
            TableName=table,
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues=to_item({":pk": keys.message(message_id)["PK"]}),
        )["Items"]
        if item.get("rule")
    ]
    logs.update_item(
        TableName=table,
        Key={"PK": item["PK"], "SK": item["SK"]},
        UpdateExpression="SET #rule = :rule, #type = :type",
        ExpressionAttributeNames={"#rule": "rule", "#type": "type"},
        ExpressionAttributeValues=to_item({":rule": "former", ":type": "Hard"}),
    )
    shown = run(*words).stdout
    for expected in (address, "bounce Hard (former)", "bounce Soft (status-mailbox-full)", "--yes applies it"):
        assert expected in shown
    assert [row["type"] for row in listed(local_stack, "bounces", message_id)] == ["Hard"]
    assert "Applied 1 of 1 changes." in run(*words, "--yes").stdout
    assert [row["type"] for row in listed(local_stack, "bounces", message_id)] == ["Soft"]
    assert as_json(run, *words, "--yes", "--since", "2026-01-01")["applied"] == 0
    assert "there is no space nobody" in run("events", "reclassify", "--space", "nobody", expect=1).stderr
    assert "2026-13-01" in run(*words, "--since", "2026-13-01", expect=2).stderr


def test_a_space_sets_how_many_soft_bounces_suppress(run: Run, space: str) -> None:
    assert as_json(run, "spaces", "show", space)["settings"]["softBounceLimit"] == 5
    run("spaces", "set", space, "--soft-bounce-limit", "2")
    assert re.search(r"^soft bounce limit +2 *$", run("spaces", "show", space).stdout, re.MULTILINE)
    assert "20" in run("spaces", "set", space, "--soft-bounce-limit", "21", expect=2).stderr


def test_an_id_that_is_none_is_asked_wrongly(run: Run) -> None:
    assert "24 hexadecimal digits" in run("messages", "show", "x", expect=2).stderr


def test_a_body_of_one_mebibyte_is_read_back_whole_by_the_operator(local_stack: RunningStack, run: Run) -> None:
    characters = [chr(code) for code in (*range(0x20, 0xD800), *range(0xE000, 0x110000))]
    body = "".join(random.Random(1).choices(characters, k=300_000))  # noqa: S311 - reproducible, not secret
    assert len(body.encode()) > 1_048_576
    entry_id = id_in(log_mail(local_stack, SubjectLine="One mebibyte", EmailBody=body))
    shown = as_json(run, "logs", "show", entry_id)
    assert shown.pop("loggedAt")
    assert shown == {
        "id": entry_id,
        "space": demo.SPACE,
        "email": "max@example.net",
        "subject": "One mebibyte",
        "sentAt": "2026-01-02 03:04:05+00:00",
        "sentBy": "shop@example.com",
        "body": body,
    }


def test_an_operator_sees_an_entry(local_stack: RunningStack, run: Run) -> None:
    entry_id = id_in(log_mail(local_stack, EmailBody="First line\n\tSecond\x1b[31m line"))
    shown = run("logs", "show", entry_id.upper()).stdout
    for words in (entry_id, "max@example.net", "Your order", "2026-01-02 03:04:05 UTC", "shop@example.com"):
        assert words in shown
    assert shown.endswith("\n\nFirst line\n        Second\N{REPLACEMENT CHARACTER}[31m line\n")
    bare = id_in(log_mail(local_stack, Email="nobody", SubjectLine=None, DateSent=None, SentBy=None, EmailBody=None))
    shown = run("logs", "show", bare).stdout
    assert [line.split()[0] for line in shown.splitlines() if line] == ["entry", "space", "to", "logged"]
    told = as_json(run, "logs", "show", bare)
    assert [told[name] for name in ("email", "subject", "sentAt", "sentBy", "body")] == ["nobody", *[None] * 4]
    assert f"there is no log entry {'0' * 32}" in run("logs", "show", "0" * 32, expect=1).stderr
    assert "32 hexadecimal digits" in run("logs", "show", "x", expect=2).stderr


def test_errors_are_one_clear_line(run: Run) -> None:
    for words in (
        ["spaces", "show", "nobody"],
        ["keys", "list", "nobody"],
        ["domains", "add", "nobody", "example.com"],
    ):
        assert run(*words, expect=1).stderr == "Error: there is no space nobody\n"
    as_process = partial(run, command=run_as_process)
    assert as_process("spaces", "show", "nobody", expect=1).stderr == "Error: there is no space nobody\n"
    assert "is no DNS label" in as_process("spaces", "create", "Not_A_Label", expect=2).stderr
    assert "is no domain name" in run("domains", "add", "demo", "not a domain", expect=2).stderr


def test_a_stack_has_to_be_chosen_and_to_be_there() -> None:
    assert "say which stack" in polypost("spaces", "list", expect=2).stderr
    assert "no local stack answers on port 1;" in polypost("spaces", "list", port=1, expect=1).stderr
    assert "AWS is not configured here" in polypost("spaces", "list", "--stack", "polypost", expect=1).stderr


def test_text_from_outside_is_shown_as_it_is(run: Run) -> None:
    name = f"s-{uuid.uuid4().hex[:8]}"
    run("spaces", "create", name, "--description", "x [/foo] [red]y")
    assert "x [/foo] [red]y" in run("spaces", "list").stdout
    assert "x [/foo] [red]y" in run("spaces", "show", name).stdout
    for text in ("two\nlines", "x" * 201, "\x1b[2J"):
        assert "at most 200 characters" in run("spaces", "set", name, "--description", text, expect=2).stderr


def test_a_deletion_that_was_stopped_half_way_can_be_finished(run: Run, space: str, local_engine: LocalEngine) -> None:
    run("domains", "add", space, "example.net")
    local_engine.client("dynamodb").update_item(
        TableName=local_engine.outputs["AccessTable"],
        Key=to_item(keys.space(space)),
        UpdateExpression="SET deletedAt = :now REMOVE directory",
        ExpressionAttributeValues=to_item({":now": "2026-01-01T00:00:00+00:00"}),
    )
    run("spaces", "delete", space, "--yes")
    assert f"there is no space {space}" in run("spaces", "delete", space, "--yes", expect=1).stderr


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", b""])
def test_something_else_on_the_port(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        threading.Thread(target=reply, daemon=True).start()
        port = server.getsockname()[1]
        assert "no local stack answers" in polypost("spaces", "list", port=port, expect=1).stderr


def test_a_domain_that_ses_does_not_know_is_not_verified(run: Run, space: str, local_engine: LocalEngine) -> None:
    local_engine.client("dynamodb").put_item(
        TableName=local_engine.outputs["AccessTable"],
        Item=to_item(keys.sender_domain(space, "gone.test") | {"domain": "gone.test", "verified": True}),
    )
    assert "SES does not know gone.test" in run("domains", "verify", space, "gone.test", expect=1).stderr
    assert as_json(run, "domains", "list", space) == [{"domain": "gone.test", "verified": False}]


def test_records_are_printed_whole(run: Run, space: str) -> None:
    shown = run("domains", "add", space, "whole.example").stdout
    for record in as_json(run, "domains", "add", space, "whole.example")["records"]:
        assert f"  name   {record['name']}\n  value  {record['value']}\n" in shown


def test_stack_and_local_exclude_each_other(run: Run) -> None:
    assert "not both" in run("spaces", "list", "--stack", "x", expect=2).stderr


def test_what_is_done_can_be_piped_too(run: Run) -> None:
    space = f"s-{uuid.uuid4().hex[:8]}"
    as_process = partial(run, command=run_as_process)
    assert as_json(as_process, "spaces", "create", space)["id"] == space
    assert as_json(run, "spaces", "set", space, "--description", "new")["description"] == "new"
    keyid = as_json(run, "keys", "create", space, "--scope", "all")["keyid"]
    assert as_json(run, "keys", "revoke", keyid) == {"revoked": keyid}
    as_json(run, "domains", "add", space, "piped.example")
    assert as_json(run, "domains", "verify", space, "piped.example")["verified"] is True
    assert as_json(run, "domains", "remove", space, "piped.example") == {"removed": "piped.example"}
    deleted = json.loads(as_process("spaces", "delete", space, "--json", typed="y\n").stdout)
    assert deleted == {"deleted": space, "keys": [], "senderDomains": [], "campaigns": []}


def test_a_campaign_from_its_first_page_to_its_end(run: Run, space: str) -> None:
    campaigns = partial(as_json, run, "campaigns")
    assert campaigns("list", "--space", space) == []
    url = "https://bücher.example/früh?a=b"
    made = campaigns("set", "Spring Sale", "--space", space, "--url", url)
    assert made == {
        "key": made["key"],
        "name": "Spring Sale",
        "landingPage": "https://xn--bcher-kva.example/fr%C3%BCh?a=b",
    }
    assert campaigns("show", "spring  SALE", "--space", space) == made
    assert campaigns("list", "--space", space) == [made]
    listed = run("campaigns", "list", "--space", space).stdout
    assert "Spring Sale" in listed
    assert made["landingPage"] in listed
    assert "lead to no page within a minute" in run("campaigns", "set", "Spring", "--space", space, "--no-url").stdout
    assert campaigns("show", "Spring", "--space", space)["landingPage"] is None
    assert "none, a visitor is told so" in run("campaigns", "show", "Spring", "--space", space).stdout
    assert "campaigns: Spring, Spring Sale;" in run("spaces", "delete", space, typed="n\n", expect=1).stdout
    run("campaigns", "delete", "Spring", "--space", space)
    assert campaigns("delete", "spring sale", "--space", space) == {"deleted": "Spring Sale"}
    assert campaigns("set", "SPRING SALE", "--space", space, "--no-url")["key"] == made["key"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["x"], "--url URL, or --no-url"),
        (["x", "--url", "https://shop.example/", "--no-url"], "--url URL, or --no-url"),
        ([" ", "--no-url"], "is not blank"),
        (["x", "--url", "shop.example"], "shop.example is no http or https URL"),
        (["x", "--url", "ftp://shop.example/"], "ftp://shop.example/ is no http or https URL"),
        (["x", "--url", "javascript:alert(1)"], "is no http or https URL"),
        (["x", "--url", f"https://shop.example/{'x' * 2083}"], "at most 2083 characters"),
        (["x", "--url", "https://shop.example/?s=search"], "has a parameter s, where the contact's Secret goes"),
    ],
)
def test_bad_options_of_a_campaign(run: Run, words: list[str], problem: str) -> None:
    said = run("campaigns", "set", *words, "--space", "demo", expect=2).stderr
    assert problem in " ".join(said.split())


def test_a_campaign_that_is_not_there(run: Run) -> None:
    for command in ("show", "delete"):
        said = run("campaigns", command, "nothing", "--space", "demo", expect=1).stderr
        assert said == "Error: the space demo has no campaign nothing\n"
    assert "there is no space nobody" in run("campaigns", "list", "--space", "nobody", expect=1).stderr


def test_the_sender_of_a_spaces_own_mails(run: Run, space: str) -> None:
    sender = partial(run, "spaces", "set", space, "--sender")
    assert "mail.example is no verified sender domain" in sender("a@mail.example", expect=1).stderr
    run("domains", "add", space, "mail.example")
    for wrong in (
        "",
        "nobody",
        "a@mail.example, b@mail.example",
        "The Shop, Ltd. <a@mail.example>",
        "a@mail.example\n",
    ):
        assert "is no sender such as" in sender(wrong, expect=2).stderr
    sender("a@mail.example")
    assert "a@mail.example" in run("spaces", "show", space).stdout
    sender('"The Shop, Ltd." <shop@MAIL.example>')
    shown = as_json(run, "spaces", "show", space)["settings"]["sender"]
    assert shown == {"address": "shop@mail.example", "name": "The Shop, Ltd."}
    assert "The Shop, Ltd. <shop@mail.example>" in run("spaces", "show", space).stdout


def test_the_shops_of_a_space(run: Run, space: str) -> None:
    def shops(*words: str) -> list[dict[str, str]]:
        options = [word for url in words for word in ("--shop-url", url)]
        found: list[dict[str, str]] = as_json(run, "spaces", "set", space, *options)["settings"]["shops"]
        return found

    default = {"channel": "", "url": "https://shop.example/"}
    assert shops("https://shop.example", "B2B=https://b2b.example/a=b") == [
        default,
        {"channel": "B2B", "url": "https://b2b.example/a=b/"},
    ]
    assert shops("B2B=https://bücher.example/x/") == [
        default,
        {"channel": "B2B", "url": "https://xn--bcher-kva.example/x/"},
    ]
    assert "https://shop.example/, B2B=https://xn--bcher-kva.example/x/" in run("spaces", "show", space).stdout
    assert shops("B2B=") == [default]
    assert shops("") == []
    for wrong in (
        "http://shop.example",
        "B2B=shop.example",
        "B2B",
        "https://",
        "https://a.example/?b",
        "a\nb=https://c.d",
    ):
        assert "is no https URL" in run("spaces", "set", space, "--shop-url", wrong, expect=2).stderr


def test_a_template_from_its_default_and_back(run: Run, space: str, tmp_path: Path) -> None:
    name = ("promotion-code", "--space", space)
    shown = as_json(run, "templates", "show", *name)
    assert (shown["own"], shown["subject"]) == (False, run("templates", "show", *name, "--part", "subject").stdout)
    assert f"The default promotion-code of {space}" in run("templates", "show", *name).stdout
    html = tmp_path / "mail.html"
    html.write_text("<p>Grüße {{ first_name }}: {{ code }}</p>\n", "utf-8")
    page = tmp_path / "page.html"
    tried = run("templates", "preview", *name, "--html", str(html), "--save-html", str(page)).stdout
    assert page.read_text("utf-8") == "<p>Grüße Ann: CC2M8Y5VY4MW</p>"
    assert "Hello Ann," in tried
    assert "<p>" not in tried
    assert as_json(run, "templates", "show", *name)["own"] is False
    run("templates", "set", *name, "--html", str(html))
    run("templates", "set", *name, "--subject", "Your {{ code }}")
    shown = as_json(run, "templates", "show", *name)
    assert (shown["own"], shown["subject"], shown["html"]) == (True, "Your {{ code }}", html.read_text("utf-8"))
    assert run("templates", "show", *name, "--part", "html").stdout == html.read_text("utf-8")
    assert as_json(run, "templates", "preview", *name)["subject"] == "Your CC2M8Y5VY4MW"
    assert f"{space} has the default promotion-code again" in run("templates", "reset", *name).stdout
    assert as_json(run, "templates", "show", *name)["own"] is False
    assert "has no promotion-code of its own" in run("templates", "reset", *name, expect=1).stderr


def test_a_template_that_would_not_work_is_not_stored(run: Run, space: str, tmp_path: Path) -> None:
    name = ("promotion-code", "--space", space)
    broken, latin = tmp_path / "broken.txt", tmp_path / "latin.txt"
    broken.write_text("Hello\n{{ nobody }}")
    latin.write_bytes("Grüße".encode("latin-1"))
    for command in ("set", "preview"):
        refused = run("templates", command, *name, "--text", str(broken), expect=1).stderr
        assert refused.startswith("Error: text: there is no nobody, only code, title")
        assert "is not UTF-8" in run("templates", command, *name, "--text", str(latin), expect=2).stderr
    assert "line 1" in run("templates", "set", *name, "--subject", "{{", expect=1).stderr
    assert "say what to change" in run("templates", "set", *name, expect=2).stderr
    assert "is not 'promotion-code'" in run("templates", "show", "other", "--space", space, expect=2).stderr
    assert "there is no space" in run("templates", "show", "promotion-code", "--space", "nobody", expect=1).stderr
    assert as_json(run, "templates", "show", *name)["own"] is False


def test_a_space_that_was_set_up_by_commands_mails_promotion_codes(
    run: Run, space: str, local_stack: RunningStack
) -> None:
    run("domains", "add", space, "mail.example")
    key = as_json(run, "keys", "create", space, "--scope", "all")
    run("spaces", "set", space, "--sender", "Shop <shop@mail.example>", "--shop-url", "https://shop.example/de")
    run("templates", "set", "promotion-code", "--space", space, "--subject", "{{ code }} at {{ link }}")
    auth, code = (key["keyid"], key["secret"]), uuid.uuid4().hex
    contact = {
        "RegistrationSource": "shop",
        "Email": "ann@example.net",
        "ExternalIds": [{"System": "intershop", "Id": "7"}],
    }
    assert local_stack.client.post("/api/v1/Contacts", json=contact, auth=auth).status_code == 201
    body = {"type": "PromotionCode", "code": code, "promotion": {"uri": "p"}}
    assert local_stack.client.post("/customers/7/mails", json=body, auth=auth).status_code == 204

    def look() -> list[dict[str, Any]]:
        return [entry for entry in local_stack.client.get("/_local/mailbox").json() if code in entry["subject"]]

    (entry,) = eventually(look)
    assert (entry["from"], entry["to"]) == ("Shop <shop@mail.example>", "ann@example.net")
    assert entry["subject"] == f"{code} at https://shop.example/de/p"
