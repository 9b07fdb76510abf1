"""The sample events, which `sam local invoke` takes too: each function answers its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from polypost_cli.local import demo

from .conftest import Engine, Invoke

EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture(scope="module", autouse=True)
def demo_space(session_engine: Engine) -> None:
    demo.seed(session_engine.stack.outputs)


def answer(invoke: Invoke, function: str) -> Any:
    return invoke(function, json.loads((EVENTS / f"{function}.json").read_text()))


@pytest.mark.parametrize(
    ("function", "member"),
    [
        ("default_route", "_links"),
        ("inxmail_bounces", "bounces"),
        ("inxmail_complaints", "complaints"),
        ("inxmail_send", "messageId"),
        ("inxmail_verified_senders", "senderDomains"),
    ],
)
def test_http_functions(engine: Engine, invoke: Invoke, function: str, member: str) -> None:
    response = answer(invoke, function)
    assert response["statusCode"] == 200
    assert member in json.loads(response["body"])


def test_mail_worker(engine: Engine, invoke: Invoke) -> None:
    assert answer(invoke, "mail_worker") == {"batchItemFailures": []}
    assert engine.actions("ses") == ["POST /v2/email/outbound-emails"]


def test_ses_events(engine: Engine, invoke: Invoke) -> None:
    assert answer(invoke, "ses_events") == {"batchItemFailures": []}
    bounces = json.loads(answer(invoke, "inxmail_bounces")["body"])["bounces"]
    assert [bounce["recipient"] for bounce in bounces] == ["bounce@simulator.amazonses.com"]
