"""A page of bounces or complaints is never larger than Lambda's answer may be, whatever is stored."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polypost.dialects import inxmail
from polypost.models.delivery import DeliveryEvent, EventFilter, EventKind, EventPage, Fact, MessageRef
from polypost.web.http import Request

#: What Lambda says in its error: "maximum allowed payload size (6291556 bytes)".
LAMBDAS_LIMIT = 6_291_556

HOST = "a-very-long-space-name-that-is-still-one-label.mail.example.com"
MOMENT = datetime(2026, 3, 1, 12, 0, 0, 999_000, tzinfo=UTC)


def event(text: str, label: str = "label", *, recipient: str = "max@example.net", code: str = "5.1.1") -> DeliveryEvent:
    message = MessageRef("5534f2f3fcb24820d52f3413", "demo", label, label)
    fact = Fact(EventKind.BOUNCE, recipient, MOMENT, "1", type="Hard", error_code=code, error_text=text)
    return DeliveryEvent(message, fact)


def answer(*events: DeliveryEvent, label: str = "label") -> dict[str, Any]:
    """What the function gives to Lambda."""
    query = inxmail.EventsQuery(criteria=EventFilter(label, label), page=1, page_size=2000)
    request = Request("GET", "/api-service/custom/sap/v1/bounces", headers={"host": HOST})
    return inxmail.encode_bounces(request, query, EventPage(1, False, events)).to_event()


def row(one: DeliveryEvent) -> dict[str, str]:
    (found,) = json.loads(answer(one)["body"])["bounces"]
    return dict(found)


#: A character of each kind that JSON makes much of.
CHARACTERS = {
    "Chinese": "漢",
    "quotation marks": '"',
    "backslashes": "\\",
    "control characters": "\x01",
    "line breaks": "\n",
    "emoji": "😀",
    "DEL": "\x7f",
    "line separators": "\u2028",
    "letters": "x",
}


@pytest.mark.parametrize("characters", [1000, 10_000])
@pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS)
def test_2000_rows_of_the_longest_texts_fit(character: str, characters: int) -> None:
    label = character * (190 // len(character.encode()))
    longest = event(
        character * characters,
        label,
        recipient=f"{'r' * 64}@{'.'.join(['d' * 60] * 3)}.example",
        code=character * 100,
    )
    result = answer(*[longest] * 2000, label=label)
    rows = json.loads(result["body"])["bounces"]
    assert len(rows) == 2000
    assert rows[0]["messageId"] == "5534f2f3fcb24820d52f3413"
    assert rows[0]["timestamp"] == "20260301120000"
    assert rows[0]["recipient"] == longest.fact.recipient
    # As Lambda's runtimes write it, and as the local stack does.
    for ensure_ascii in (False, True):
        assert len(json.dumps(result, ensure_ascii=ensure_ascii).encode()) <= LAMBDAS_LIMIT


@pytest.mark.parametrize("character", ["x", "é", "\n", '"'])
def test_a_text_that_fits_is_whole(character: str) -> None:
    text = character * 350
    assert row(event(text))["errorText"] == text
    assert row(event("x" * 1000))["errorText"] == "x" * 1000


@pytest.mark.parametrize("character", ["漢", "😀", "\x01"])
def test_what_does_not_fit_is_cut_at_its_end(character: str) -> None:
    found = row(event(f"550 {character * 1000}"))
    assert found["errorText"].startswith(f"550 {character * 150}")
    assert found["errorText"].endswith(f"{character}…")
    assert found["sourceSystem"] == found["campaignId"] == "label"
    assert list(found) == [
        *("sourceSystem", "campaignId", "messageId", "recipient", "errorCode", "errorText", "type", "timestamp")
    ]


@given(st.text(max_size=3000), st.text(max_size=1000), st.text(max_size=1000), st.text(max_size=1000))
@example("", "\x01" * 190, "r@example.com", "5.1.1")
@example("x", "\x01" * 1000, "\x01" * 1000, "\x01" * 1000)
def test_any_row_fits(text: str, label: str, recipient: str, code: str) -> None:
    one = len(json.dumps(answer(event(text, label, recipient=recipient, code=code))))
    assert one - len(json.dumps(answer())) <= LAMBDAS_LIMIT / 2000 - 40


@given(st.text(max_size=300), st.text(max_size=40))
def test_no_usual_row_is_changed(text: str, label: str) -> None:
    found = row(event(text[:100], label))
    assert (found["errorText"], found["sourceSystem"], found["campaignId"]) == (text[:100], label, label)
