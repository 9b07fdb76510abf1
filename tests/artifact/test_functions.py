"""Each function, out of what `make build` made, runs once and answers its sample event."""

import json
import subprocess
from base64 import b64decode
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from polypost_local import demo
from support.sample_events import EVENTS, check_answer, sample_event

from .conftest import Lambda

FUNCTIONS = sorted(path.stem for path in EVENTS.glob("*.json"))


def answer(aws_lambda: Lambda, function: str, folder: Path) -> Any:
    """Invoke a function by the name of its folder; what it prints is shown where the test fails."""
    (name,) = (name for name, code in aws_lambda.engine.template.code.items() if code.function.name == function)
    log = folder / "log"
    given = aws_lambda.invoke(name, sample_event(function), log)
    print(log.read_text())
    return given


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_answers_its_sample_event(aws_lambda: Lambda, function: str, tmp_path: Path) -> None:
    aws_lambda.engine.calls.clear()
    check_answer(function, answer(aws_lambda, function, tmp_path))
    calls = [call for call in aws_lambda.engine.calls if call.service == "ses"]
    if function != "mail_worker":
        assert calls == []
        return
    (call,) = calls
    assert (call.caller, call.action, call.status) == ("MailWorker", "POST /v2/email/outbound-emails", 200)
    raw = b64decode(json.loads(call.request)["Content"]["Raw"]["Data"])
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail["From"].addresses[0].domain in demo.SENDER_DOMAINS
    assert mail["Subject"]


def test_what_ses_tells_is_listed(aws_lambda: Lambda, tmp_path: Path) -> None:
    check_answer("ses_events", answer(aws_lambda, "ses_events", tmp_path))
    bounces = json.loads(answer(aws_lambda, "inxmail_bounces", tmp_path)["body"])["bounces"]
    assert [bounce["recipient"] for bounce in bounces] == ["bounce@simulator.amazonses.com"]


def test_code_and_layer_lie_where_lambda_has_them_and_cannot_be_written(aws_lambda: Lambda) -> None:
    if not aws_lambda.placed:
        pytest.skip("nothing can be mounted on this machine: the functions ran from folders of their own")
    script = "test -f /var/task/app.py && test -d /opt/python/polypost && ! touch /var/task/x && ! touch /opt/python/x"
    command = aws_lambda.command("InxmailSend", "sh", "-c", script, placed=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("Read-only file system")) == (0, 2), done.stderr
