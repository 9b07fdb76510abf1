"""The sample events, which `sam local invoke` takes too: each function answers its own."""

import json
from typing import Any

import pytest

from polypost_local import demo
from support.sample_events import EVENTS, HTTP_ANSWERS, check_answer, sample_event
from support.template_engine import Engine

from .conftest import Invoke


@pytest.fixture(autouse=True)
def demo_space(engine: Engine) -> None:
    demo.seed(engine.stack.outputs)
    engine.calls.clear()


def answer(invoke: Invoke, function: str) -> Any:
    return invoke(function, sample_event(function))


@pytest.mark.parametrize("function", HTTP_ANSWERS)
def test_http_functions(engine: Engine, invoke: Invoke, function: str) -> None:
    check_answer(function, answer(invoke, function))


def test_mail_worker(engine: Engine, invoke: Invoke) -> None:
    check_answer("mail_worker", answer(invoke, "mail_worker"))
    assert engine.actions("ses") == ["POST /v2/email/outbound-emails"]


def test_contacts_erasure(engine: Engine, invoke: Invoke) -> None:
    check_answer("contacts_erasure", answer(invoke, "contacts_erasure"))


def test_every_sample_event_is_tried() -> None:
    behind_queues = {"contacts_erasure", "mail_worker", "ses_events"}
    assert {path.stem for path in EVENTS.glob("*.json")} == HTTP_ANSWERS.keys() | behind_queues


def test_ses_events(engine: Engine, invoke: Invoke) -> None:
    check_answer("ses_events", answer(invoke, "ses_events"))
    bounces = json.loads(answer(invoke, "inxmail_bounces")["body"])["bounces"]
    assert [bounce["recipient"] for bounce in bounces] == ["bounce@simulator.amazonses.com"]
