"""`polypost contacts` as a shell runs it: files that are imported and exported, also by processes that are killed."""

import csv
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from polypost.adapters import clients
from polypost.models.contacts import email_claim
from polypost_cli.local_environment import aws_settings
from support.command import Run, as_json, inherited_environment
from support.contacts import SPACE, ContactsOfASpace, consistent_contacts
from support.dynamodb import local_client, template_tables
from support.local_engine import REGION
from support.ministack import running_ministack

from .conftest import RunningStack

# --- On the local stack -----------------------------------------------------------------------------------------------


def test_a_file_and_its_contacts(run: Run, space: str, tmp_path: Path) -> None:
    source = tmp_path / "contacts.csv"
    source.write_text(
        "Email;FirstName;LimitMailsPermanently;LatestPermissionSource;Mood\n"
        "ann@example.com;Ann;true;phone;good\nANN@example.com;;;;bad\n"
    )
    words = ("contacts", "import", str(source), "--space", space)
    assert "has no column RegistrationSource" in run(*words, expect=1).stderr
    done = run(*words, "--registration-source", "fair")
    assert done.stderr == ""
    refused = tmp_path / "contacts.refused.csv"
    assert done.stdout == (
        f"Imported 1 of 2 rows of {source} into {space}."
        f" {refused} has the rows that were refused, each with the reason."
        " Columns that no contact has, left alone: 'Mood'.\n"
    )
    assert (
        refused.read_text().splitlines()[1]
        == "Email: another contact with the same Email exists.;ANN@example.com;;;;bad"
    )
    assert as_json(run, *words, "--registration-source", "fair") == {
        "imported": 1,
        "refused": 1,
        "refusedFile": str(refused),
        "unknownColumns": ["Mood"],
        "warnings": [],
    }

    target = tmp_path / "out.csv"
    assert f"Contacts of {space} in {target}: 1." in run("contacts", "export", str(target), "--space", space).stdout
    (exported,) = records(target)
    assert (exported["Email"], exported["RegistrationSource"]) == ("ann@example.com", "fair")

    shown = as_json(run, "contacts", "show", exported["Id"], "--space", space)
    assert (shown["id"], shown["email"], shown["registrationSource"]) == (
        int(exported["Id"]),
        "ann@example.com",
        "fair",
    )
    (change,) = shown["permissionHistory"]
    assert (change["limitMailsPermanently"], change["source"], change["changedBy"]) == (True, "phone", "polypost")
    text = run("contacts", "show", exported["Id"], "--space", space).stdout
    for words_of_it in ("RegistrationSource", "fair", "ann@example.com", "limited permanently", "phone"):
        assert words_of_it in text
    document = tmp_path / "person.json"
    run("contacts", "show", exported["Id"], "--space", space, "--export", str(document))
    held = json.loads(document.read_text("utf-8"))
    assert (held["Contact"]["Email"], held["Timeline"]) == ("ann@example.com", [])
    assert held["PermissionHistory"][0]["ChangedBy"] == "polypost"


def test_what_was_asked_wrongly(run: Run, space: str, tmp_path: Path) -> None:
    source = tmp_path / "contacts.csv"
    source.write_bytes("RegistrationSource,FirstName\nweb,Jörg\n".encode("latin-1"))
    words = ("contacts", "import", str(source))
    assert "say which space: --space NAME; there are " in run(*words, expect=2).stderr
    assert run(*words, "--space", "nobody", expect=1).stderr == "Error: there is no space nobody\n"
    assert run(*words, "--space", space, expect=1).stderr == f"Error: {source}, line 2: this is not UTF-8\n"
    assert "does not exist" in run("contacts", "import", f"{source}x", "--space", space, expect=2).stderr
    nowhere = tmp_path / "nowhere" / "out.csv"
    failed = run("contacts", "export", str(nowhere), "--space", space, expect=1).stderr
    assert (
        failed
        == f"Error: the progress of the work cannot be stored in {nowhere}.progress: unable to open database file\n"
    )
    assert run("contacts", "show", "7", "--space", space, expect=1).stderr == (
        f"Error: the space {space} has no contact 7\n"
    )
    assert "is not in the range" in run("contacts", "show", "0", "--space", space, expect=2).stderr


@pytest.mark.parametrize(("before", "separator"), [("sep=;\r\n", ";"), ("", "\t"), ("sep=|\n", "|")])
def test_a_file_as_excel_writes_it(run: Run, space: str, tmp_path: Path, before: str, separator: str) -> None:
    source = tmp_path / "contacts.csv"
    rows = ["RegistrationSource/Email/Phone", "web/ann@example.com/4.91511E+11", "web/nobody/1", "/bob@example.com/2"]
    source.write_text(before + "".join(f"{row}\r\n" for row in rows).replace("/", separator), newline="")
    done = run("contacts", "import", str(source), "--space", space).stdout
    line = 2 + bool(before)
    refused = tmp_path / "contacts.refused.csv"
    assert done == (
        f"Imported 2 of 3 rows of {source} into {space}."
        f" {refused} has the rows that were refused, each with the reason."
        f" Warning: 1 row has an Email that cannot be mailed, in line {line + 1}: 'nobody'."
        f" Warning: 1 row has a Phone that a spreadsheet has rounded, in line {line}: '4.91511E+11'.\n"
    )
    refused.write_text(refused.read_text().replace(f"{separator}bob@", f"web{separator}bob@"))
    assert as_json(run, "contacts", "import", str(refused), "--space", space)["imported"] == 1


def test_imported_contacts_are_those_of_the_api(
    run: Run,
    space: str,
    tmp_path: Path,
    local_stack: RunningStack,
) -> None:
    key = as_json(run, "keys", "create", space, "--scope", "all")
    auth = (key["keyid"], key["secret"])
    source = tmp_path / "contacts.csv"
    source.write_text("RegistrationSource,Email\nweb,ann@example.com\n")
    run("contacts", "import", str(source), "--space", space)
    found = local_stack.client.get("/api/v1/Contacts?email=ANN@example.com", auth=auth)
    assert (found.status_code, found.json()["RegistrationSource"]) == (200, "web")
    shown = as_json(run, "contacts", "show", str(found.json()["Id"]), "--space", space)
    assert shown["secret"] == found.json()["Secret"]
    assert shown["permissionHistory"] == []


# --- Thousands of rows, and processes that are killed -----------------------------------------------------------------

# Thirty batches of an import, and four parts of an export.
ROWS = 2_000

# A process that takes longer to come to where it is killed, or to its end, is a failure, in seconds.
PATIENCE = 300


@dataclass(frozen=True)
class FastStack:
    """A stack on an engine that makes a transaction in a third of moto's time, with one space."""

    contacts: ContactsOfASpace
    environment: dict[str, str]

    def start(self, *words: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start `polypost contacts …`, without naming the space: it is the only one."""
        return subprocess.Popen(
            [sys.executable, "-m", "polypost_cli", "contacts", *words, "--stack", "fast", "--json"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=self.environment,
        )

    def run(self, *words: str) -> dict[str, Any]:
        """Run it to its end; what it prints."""
        with self.start(*words) as process:
            printed, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, "")
        answer: dict[str, Any] = json.loads(printed)
        return answer

    def kill(self, *words: str, when: Callable[[], object], pause: float) -> None:
        """Start it, look every so many seconds whether something is so, and kill it then."""
        deadline = time.monotonic() + PATIENCE
        with self.start(*words) as process:
            try:
                while not when():
                    assert process.poll() is None, process.communicate()
                    assert time.monotonic() < deadline
                    time.sleep(pause)
            finally:
                process.kill()
        assert process.returncode == -signal.SIGKILL

    def has(self, email: str) -> bool:
        """Whether there is a contact with an address."""
        claim = email_claim(email)
        assert claim is not None
        return self.contacts.table.holder(SPACE, claim) is not None


@pytest.fixture(scope="module")
def fast_stack() -> Iterator[FastStack]:
    """A stack that the command finds by its name, as it finds one on AWS."""
    with running_ministack("cloudformation,dynamodb") as endpoint:
        client = local_client(clients.dynamodb, endpoint)
        settings = aws_settings(endpoint, "Test") | {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        with template_tables(client) as engine:
            template = {
                "Resources": {"Any": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
                "Outputs": {name: {"Value": table} for name, table in engine.tables.items()},
            }
            session = boto3.Session(aws_access_key_id="Test", aws_secret_access_key="test", region_name=REGION)
            cloudformation = session.client("cloudformation", endpoint_url=endpoint)
            cloudformation.create_stack(StackName="fast", TemplateBody=json.dumps(template))
            cloudformation.get_waiter("stack_create_complete").wait(StackName="fast")
            environment = inherited_environment() | settings | {"TERM": "xterm"}
            yield FastStack(ContactsOfASpace(engine), environment)
        client.close()


def rows_and_reasons() -> Iterator[tuple[dict[str, str], str]]:
    """Rows of a file, each with the beginning of the reason why it is refused, or ""."""
    for number in range(ROWS):
        row = {
            "RegistrationSource": "web",
            "RegistrationIp": "192.0.2.1",
            "Email": f"c{number}@example.com",
            "Phone": "",
            # No rule makes it unique.
            "ContactCompanyId": str(number),
            # No column of a contact.
            "Row": str(number),
        }
        match number % 50:
            case 3:
                # The row before is worked on at the same time.
                yield row | {"Email": f"C{number - 1}@EXAMPLE.com"}, "Email: another contact"
            case 6 | 16 | 26:
                yield row | {"RegistrationIp": "192.0.2"}, "The field RegistrationIp"
            case 9 | 19 | 29:
                yield row | {"RegistrationSource": " "}, "The RegistrationSource field is required."
            case 12:
                yield row | {"Phone": f"+{number}"}, ""
            case 15 if number > 500:
                # A row of an earlier batch.
                yield row | {"Phone": f"{number - 503}"}, "Phone: another contact"
            case 18:
                # Equal rows, with nothing that has to be unique.
                yield row | {"Email": "", "ContactCompanyId": ""}, ""
            case _:
                yield row, ""


def test_thousands_of_rows_are_done_once_though_the_import_is_killed(fast_stack: FastStack, tmp_path: Path) -> None:
    source, refused = tmp_path / "contacts.csv", tmp_path / "contacts.refused.csv"
    rows = list(rows_and_reasons())
    with source.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0][0])
        writer.writeheader()
        writer.writerows(row for row, _ in rows)

    for half_way in (ROWS // 4, ROWS // 2):
        # Each look takes the engine's time.
        fast_stack.kill("import", str(source), when=partial(fast_stack.has, f"c{half_way}@example.com"), pause=0.3)
        assert not fast_stack.has(f"c{ROWS - 1}@example.com")
        assert not refused.exists()

    wanted = [row for row, reason in rows if not reason]
    reasons = {row["Row"]: reason for row, reason in rows if reason}
    outcome = {
        "imported": len(wanted),
        "refused": len(reasons),
        "refusedFile": str(refused),
        "unknownColumns": ["Row"],
        "warnings": [],
    }
    assert fast_stack.run("import", str(source)) == outcome
    items = fast_stack.contacts.items()
    stored = consistent_contacts(items)
    assert Counter((item.get("email", ""), str(item.get("contactCompanyId", ""))) for item in stored) == Counter(
        (row["Email"], row["ContactCompanyId"]) for row in wanted
    )
    told = records(refused)
    assert [row["Row"] for row in told] == list(reasons)
    assert all(row["Reason"].startswith(reasons[row["Row"]]) for row in told)

    refused_before = refused.read_bytes()
    assert fast_stack.run("import", str(source)) == outcome
    assert by_key(fast_stack.contacts.items()) == by_key(items)
    assert refused.read_bytes() == refused_before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["contacts.csv", "contacts.refused.csv"]

    exported_once_though_killed(fast_stack, tmp_path / "out.csv", {str(item["contactId"]) for item in stored})


def by_key(items: Iterable[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(item["PK"], item["SK"]): item for item in items}


def records(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def exported_once_though_killed(stack: FastStack, target: Path, ids: set[str]) -> None:
    progress = target.with_name(f"{target.name}.progress")

    def has_begun() -> bool:
        # Before its first part it is two pages of SQLite's.
        return progress.exists() and progress.stat().st_size > 32_768

    stack.kill("export", str(target), when=has_begun, pause=0.01)
    assert progress.exists()
    assert not target.exists()
    assert stack.run("export", str(target)) == {"exported": len(ids), "file": str(target)}
    exported = [row["Id"] for row in records(target)]
    assert len(exported) == len(set(exported))
    assert set(exported) == ids
    assert not progress.exists()


def test_an_import_that_is_interrupted_says_how_it_goes_on(fast_stack: FastStack, tmp_path: Path) -> None:
    source = tmp_path / "contacts.csv"
    source.write_text("RegistrationSource,Email\n" + "".join(f"web,i{row}@example.com\n" for row in range(1000)))
    terminal, its_end = pty.openpty()
    with fast_stack.start("import", str(source), stderr=its_end) as process:
        os.close(its_end)
        while not fast_stack.has("i100@example.com"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        shown = read_all(terminal)
    assert process.returncode == 1
    assert "Importing contacts" in shown
    assert shown.endswith("Error: stopped; the same command goes on from here\r\n")
    assert fast_stack.run("import", str(source))["imported"] == 1000


def read_all(terminal: int) -> str:
    """What a terminal was shown, until nobody shows it anything any more."""
    shown = b""
    # Linux says so with an error.
    with os.fdopen(terminal, "rb", buffering=0) as file, suppress(OSError):
        while part := file.read(65536):
            shown += part
    return shown.decode()
