"""`polypost messages`, `send` and `queues` on the template's own resources, where nothing moves by itself."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from polypost import runtime
from polypost.adapters.mail_queue import decode
from polypost.models.attempts import Attempt
from polypost.models.message_ids import new_message_id
from polypost_cli import aws
from polypost_cli.commands import queues as queues_command
from polypost_cli.main import app
from polypost_cli.target import QUEUES
from polypost_local.stack import STACK_NAME
from support.inxmail import send_body
from support.stops import every_stop
from support.template_engine import Engine

from .conftest import Api

TO = "max@example.net"


def run(*words: str, expect: int = 0, typed: str | None = None) -> Result:
    """Run a command on the engine's stack."""
    runner = CliRunner(mix_stderr=False)
    done = runner.invoke(app, [*words, "--stack", STACK_NAME], input=typed, prog_name="polypost")
    assert done.exit_code == expect, done.stdout + done.stderr
    return done


def refused(*words: str, expect: int = 1) -> str:
    """What a command says that is not carried out, on one line."""
    done = run(*words, expect=expect)
    assert done.stdout == ""
    return " ".join(done.stderr.split())


def as_json(*words: str, expect: int = 0) -> Any:
    return json.loads(run(*words, "--json", expect=expect).stdout)


def new_id(ago: timedelta = timedelta()) -> str:
    """An id that the stack gave some time ago."""
    return new_message_id(Attempt.fresh(datetime.now(UTC) - ago), runtime.access().address_key())


# --- messages ---------------------------------------------------------------------------------------------------------


def test_an_accepted_mail_without_a_row_is_queued(api: Api) -> None:
    message_id = new_id()
    shown = as_json("messages", "show", message_id)
    assert (shown["status"], shown["message"], shown["events"]) == ("queued", None, [])
    (recipient,) = shown["recipients"]
    assert recipient["recipient"] is None
    assert recipient["why"].startswith("Accepted on ")
    assert "queued" in run("messages", "show", message_id.upper()).stdout


def test_a_mail_that_the_queue_keeps_no_longer_has_expired(api: Api) -> None:
    assert as_json("messages", "show", new_id(timedelta(days=13, hours=23)))["status"] == "queued"
    assert as_json("messages", "show", new_id(timedelta(days=14, minutes=1)))["status"] == "expired"


def test_a_mistyped_id_is_unknown(api: Api) -> None:
    message_id = new_id()
    mistyped = message_id[:-1] + "0123456789abcdef0"["0123456789abcdef".index(message_id[-1]) + 1]
    assert refused("messages", "show", mistyped) == (
        f"Error: unknown: this stack has accepted no mail with the id {mistyped}"
    )
    assert as_json("messages", "show", mistyped, expect=1) == {"messageId": mistyped, "status": "unknown"}


def test_a_mail_to_two_and_what_became_of_each(api: Api, engine: Engine) -> None:
    limit = {"RegistrationSource": "x", "Email": "bcc@example.org", "LimitMailsPermanently": True}
    assert api.http("POST", "/api/v1/Contacts", body=limit).status == 201
    message_id = str(api.send(send_body(bccRecipient="bcc@example.org")).body["messageId"])
    api.deliver(*engine.receive("MailQueueUrl"))
    to, bcc = as_json("messages", "show", message_id)["recipients"]
    assert (to["recipient"], to["status"], to["evidence"]) == (TO, "sent", None)
    assert (bcc["recipient"], bcc["status"], bcc["rule"]) == ("bcc@example.org", "suppressed", "limited permanently")
    assert bcc["evidence"]["errorText"] == "Not sent: limited permanently"
    lines = [line.split(maxsplit=1) for line in run("messages", "show", message_id).stdout.splitlines()]
    names = [words[0] for words in lines]
    assert names[:4] == ["message", "status", "why", "copy"]
    assert names[4:8] == ["status", "why", "rule", "evidence"]


def test_the_mails_to_an_address_below_its_standing(api: Api, engine: Engine) -> None:
    message_ids: list[str] = []
    for number in range(3):
        message_ids.insert(0, str(api.send(send_body(subjectContentPlainText=f"Number {number}")).body["messageId"]))
        api.deliver(*engine.receive("MailQueueUrl"))
    to = ("messages", "list", "--space", api.space, "--to", "Max@example.net")
    known = as_json(*to)
    assert (known["address"], known["standing"]) == (
        "Max@example.net",
        {"getsMail": True, "reasons": [], "erasedAt": None},
    )
    assert [each["messageId"] for each in known["messages"]] == message_ids
    assert [each["subject"] for each in known["messages"]] == ["Number 2", "Number 1", "Number 0"]
    assert {each["status"] for each in known["messages"]} == {"sent"}
    assert [each["messageId"] for each in as_json(*to, "--limit", "2")["messages"]] == message_ids[:2]
    assert run(*to, "--limit", "3").stderr == "There may be more: see --limit and --since.\n"
    assert run(*to, "--limit", "4").stderr == ""
    assert len(as_json(*to, "--since", "1h")["messages"]) == 3
    assert as_json(*to, "--since", "2999-01-01")["messages"] == []
    shown = run(*to).stdout
    assert shown.index("standing  gets mail") < shown.index("Number 2") < shown.index("Number 1")


def test_an_address_that_gets_no_mail_is_shown_with_all_reasons(api: Api) -> None:
    limits = {"LimitMailsPermanently": True, "LimitMailsTemporarilyUntil": "2999-01-02T03:04:05Z"}
    body = {"RegistrationSource": "x", "Email": TO} | limits
    assert api.http("POST", "/api/v1/Contacts", body=body).status == 201
    to = ("messages", "list", "--space", api.space, "--to", TO)
    standing = as_json(*to)["standing"]
    assert standing["getsMail"] is False
    assert [each["rule"] for each in standing["reasons"]] == ["limited permanently", "limited temporarily"]
    shown = run(*to).stdout
    assert "until 2999-01-02 03:04:05 UTC (LimitMailsTemporarilyUntil) (rule: limited temporarily)" in shown
    assert shown.endswith("No mail to this address is recorded; one that waits in the queue is not yet.\n")


@pytest.mark.parametrize(
    ("words", "status", "problem"),
    [
        (["--to", "nobody"], 2, "nobody is no e-mail address"),
        (["--to", TO, "--since", "yesterday"], 2, "yesterday is neither a date such as 2026-01-31 nor a time ago"),
        (["--to", TO, "--since", "999999d"], 2, "999999d is neither a date"),
        (["--to", TO, "--limit", "0"], 2, "--limit"),
        ([], 2, "Missing option '--to'"),
        (["--to", TO, "--space", "nobody"], 1, "there is no space nobody"),
    ],
)
def test_a_list_that_is_asked_for_wrongly(api: Api, words: list[str], status: int, problem: str) -> None:
    assert problem in refused("messages", "list", "--space", api.space, *words, expect=status)


# --- send -------------------------------------------------------------------------------------------------------------


def test_a_test_mail_is_queued_like_any_other(api: Api, engine: Engine, tmp_path: Path) -> None:
    to = ("send", "--space", api.space, "--from", "Shop <shop@example.com>", "--to", TO)
    (label, message_id) = run(*to).stdout.split()
    (body,) = engine.receive("MailQueueUrl")
    queued = decode(body)
    assert (label, message_id, queued.space) == ("message", queued.message_id, api.space)
    mail = queued.mail
    assert (mail.sender.name, mail.sender.address, mail.recipient.address) == ("Shop", "shop@example.com", TO)
    assert (mail.subject, mail.source_system, mail.html) == ("Test mail", "polypost-send", None)
    assert mail.text
    html = tmp_path / "mail.html"
    html.write_text("<p>Grüße</p>", "utf-8")
    assert as_json(*to, "--subject", "Größe", "--html", str(html))["messageId"]
    mail = decode(engine.receive("MailQueueUrl")[0]).mail
    assert (mail.subject, mail.text, mail.html) == ("Größe", None, "<p>Grüße</p>")


def test_a_test_mail_that_nobody_takes_in_time(api: Api) -> None:
    to = ("send", "--space", api.space, "--from", "shop@example.com", "--to", TO, "--wait", "1")
    shown = run(*to, expect=1)
    assert "queued" in shown.stdout
    assert shown.stderr == "Error: the time is over: after 1 seconds it is not known what became of the mail\n"
    assert as_json(*to, expect=1)["status"] == "queued"


@pytest.mark.parametrize(
    ("words", "status", "problem"),
    [
        (["--from", "a@elsewhere.example"], 1, "elsewhere.example is not a verified sender domain"),
        (["--from", "nobody"], 2, "nobody is no sender such as"),
        (["--to", "nobody"], 2, "nobody is no e-mail address"),
        (["--subject", "two\nlines"], 2, "on one line"),
        (["--wait", "0"], 2, "--wait"),
        (["--text", "/nonexistent"], 2, "does not exist"),
        (["--space", "nobody"], 1, "there is no space nobody"),
    ],
)
def test_a_test_mail_that_is_asked_for_wrongly(
    api: Api, engine: Engine, words: list[str], status: int, problem: str
) -> None:
    to = ("send", "--space", api.space, "--from", "shop@example.com", "--to", TO)
    assert problem in refused(*to, *words, expect=status)
    assert engine.receive("MailQueueUrl") == []


# --- queues -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that was received and not deleted can be received again at once, and nobody waits for more."""
    monkeypatch.setattr(aws, "_WAIT_SECONDS", 0)
    monkeypatch.setattr(aws, "_HIDDEN_SECONDS", 0)


def put(engine: Engine, output: str, body: str, **options: Any) -> None:
    engine.clients.sqs.send_message(QueueUrl=engine.stack.outputs[output], MessageBody=body, **options)


@pytest.fixture(params=QUEUES)
def queue(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_depth_and_age_of_every_queue(api: Api, engine: Engine, queue: str) -> None:
    live, dead = QUEUES[queue]
    put(engine, live, "waits")
    put(engine, live, "is held back", DelaySeconds=600)
    for _ in range(2):
        put(engine, dead, "was put aside")
    engine.clients.sqs.receive_message(QueueUrl=engine.stack.outputs[dead], VisibilityTimeout=1)
    rows = {(row["queue"], row["deadLetters"]): row for row in as_json("queues")}
    assert list(rows) == [(name, is_dead) for name in QUEUES for is_dead in (False, True)]
    for (name, is_dead), row in rows.items():
        numbers = (row["waiting"], row["inFlight"], row["delayed"])
        assert numbers == ((0, 0, 0) if name != queue else (1, 1, 0) if is_dead else (1, 0, 1))
        assert (row["oldestSeconds"] is None) is (name != queue)
        assert name != queue or 0 <= row["oldestSeconds"] < 60


def test_the_queues_as_a_table(api: Api) -> None:
    lines = [line.rstrip() for line in run("queues").stdout.splitlines()]
    assert lines[0].split() == ["queue", "waiting", "in", "flight", "delayed", "oldest"]
    assert [line.partition("  ")[0] for line in lines[1:]] == [
        each for name in QUEUES for each in (name, f"{name}, dead letters")
    ]
    assert run("queues", "show").stdout == run("queues").stdout


def test_ages_that_nobody_tells_are_not_in_the_way(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:9")
    shown = run("queues")
    assert "mail, dead letters" in shown.stdout
    assert shown.stderr.startswith("The ages are not known: cloudwatch.GetMetricData: ")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (7384, "2 h 3 min"), (180_000, "2 d 2 h")],
)
def test_an_age_in_words(seconds: int, words: str) -> None:
    assert queues_command._in_words(seconds) == words


def test_the_age_of_messages_that_have_left_since_is_not_told(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws.Queues, "ages", lambda queues, urls: [timedelta(hours=1)] * len(urls))
    put(engine, "MailQueueUrl", "waits")
    assert [row["oldestSeconds"] for row in as_json("queues")] == [3600, None, None, None, None, None]


def test_dead_letters_are_moved_back_as_they_are(api: Api, engine: Engine, queue: str) -> None:
    live, dead = QUEUES[queue]
    attributes = {
        "Text": {"DataType": "String", "StringValue": "ü"},
        "Bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    put(engine, dead, "with attributes", MessageAttributes=attributes)
    bodies = {"with attributes", *(f"body {number}" for number in range(25))}
    for body in bodies - {"with attributes"}:
        put(engine, dead, body)
    assert run("queues", "redrive", queue).stdout == f"Moved 26 dead letters back into the queue {queue}.\n"
    moved = {}
    while "Messages" in (
        answer := engine.clients.sqs.receive_message(
            QueueUrl=engine.stack.outputs[live],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            VisibilityTimeout=10,
        )
    ):
        for message in answer["Messages"]:
            moved[message["Body"]] = message.get("MessageAttributes", {})
            engine.clients.sqs.delete_message(
                QueueUrl=engine.stack.outputs[live], ReceiptHandle=message["ReceiptHandle"]
            )
    assert moved.keys() == bodies
    assert moved["with attributes"] == attributes
    assert engine.receive(dead) == []
    assert run("queues", "redrive", queue).stdout == f"The queue {queue} has no dead letters.\n"


def test_the_largest_messages_are_moved_too(api: Api, engine: Engine) -> None:
    body = secrets.token_hex(1_048_576 // 2)
    put(engine, "MailDeadLetterQueueUrl", body)
    assert as_json("queues", "redrive", "mail") == {"queue": "mail", "moved": 1, "cameBack": 0}
    assert engine.receive("MailQueueUrl") == [body]


def test_no_more_are_moved_than_asked_for(api: Api, engine: Engine) -> None:
    for number in range(15):
        put(engine, "MailDeadLetterQueueUrl", str(number))
    assert as_json("queues", "redrive", "mail", "--limit", "12")["moved"] == 12
    assert len(engine.receive("MailQueueUrl")) == 12
    assert len(engine.receive("MailDeadLetterQueueUrl")) == 3


def test_many_are_moved_when_it_was_asked_for_twice(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues_command, "_UNASKED", 2)
    for number in range(3):
        put(engine, "MailDeadLetterQueueUrl", str(number))
    asked = run("queues", "redrive", "mail", typed="n\n", expect=1)
    assert "Move 3 dead letters back into the queue mail? [y/N]" in asked.stdout
    assert engine.receive("MailQueueUrl") == []
    run("queues", "redrive", "mail", "--limit", "1")
    run("queues", "redrive", "mail", "--limit", "1", "--yes")
    put(engine, "MailDeadLetterQueueUrl", "3")
    put(engine, "MailDeadLetterQueueUrl", "4")
    run("queues", "redrive", "mail", typed="y\n")
    assert sorted(engine.receive("MailQueueUrl")) == ["0", "1", "2", "3", "4"]


def test_what_comes_back_at_once_is_left_so_that_the_run_ends(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = aws.Queues._move

    def put_aside_again(queues: aws.Queues, message: Any, source: str, target: str) -> None:
        move(queues, message, source, target)
        if message["Body"].startswith("poison"):
            put(engine, "MailDeadLetterQueueUrl", message["Body"])

    monkeypatch.setattr(aws.Queues, "_move", put_aside_again)
    for body in ("poison 1", "good", "poison 2"):
        put(engine, "MailDeadLetterQueueUrl", body)
    told = (
        "Moved 3 dead letters back into the queue mail. Of them 2 came back at once; the log of its function says why."
    )
    assert run("queues", "redrive", "mail").stdout == f"{told}\n"


def test_two_that_say_the_same_are_both_moved(api: Api, engine: Engine) -> None:
    for _ in range(2):
        put(engine, "MailDeadLetterQueueUrl", "twice")
    assert as_json("queues", "redrive", "mail") == {"queue": "mail", "moved": 2, "cameBack": 0}
    assert engine.receive("MailQueueUrl") == ["twice", "twice"]


def test_a_run_that_is_cut_off_loses_nothing(api: Api, engine: Engine, at_once: None) -> None:
    queues = aws.Queues()
    source, target = (engine.stack.outputs[f"Mail{name}QueueUrl"] for name in ("DeadLetter", ""))

    for stop in every_stop(queues._sqs):
        put(engine, "MailDeadLetterQueueUrl", "mail")
        with stop:
            list(queues.redrive(source, target, None))
        list(queues.redrive(source, target, None))
        assert set(engine.receive("MailQueueUrl")) == {"mail"}, stop
        assert engine.receive("MailDeadLetterQueueUrl") == [], stop


def test_a_queue_that_does_not_answer_is_told_with_how_far_it_came(
    api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        put(engine, "MailDeadLetterQueueUrl", str(number))
    receive, calls = aws.Queues._receive, iter(range(10))

    def receive_once(queues: aws.Queues, url: str, number: int) -> Any:
        return receive(queues, url if next(calls) == 0 else f"{url}-gone", number)

    monkeypatch.setattr(aws.Queues, "_receive", receive_once)
    told = "stopped after 10 dead letters; the same command goes on with the others: sqs.ReceiveMessage"
    assert told in refused("queues", "redrive", "mail")
    engine.receive("MailDeadLetterQueueUrl")


def test_a_stack_of_an_older_release(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = {name: value for name, value in engine.stack.outputs.items() if name != "MailQueueUrl"}
    monkeypatch.setattr(aws, "stack_outputs", lambda name: outputs)
    for words in (["queues"], ["send", "--space", api.space, "--from", "shop@example.com", "--to", TO]):
        assert refused(*words) == "Error: the stack has no output MailQueueUrl; deploy this release first"


def test_a_queue_that_there_is_not(api: Api) -> None:
    assert "is not one of 'mail', 'events', 'erasures'" in refused("queues", "redrive", "letters", expect=2)
    assert "No such command 'bogus'" in refused("queues", "bogus", expect=2)
