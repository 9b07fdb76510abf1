"""The sample events, and what the functions answer to them."""

import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).parents[2] / "events"

# A member of the answer's body, by the function behind the API.
HTTP_MEMBERS = {
    "default_route": "_links",
    "inxmail_bounces": "bounces",
    "inxmail_complaints": "complaints",
    "inxmail_send": "messageId",
    "inxmail_verified_senders": "senderDomains",
}


def sample_event(function: str) -> Any:
    """A function's sample event, by the name of its folder."""
    return json.loads((EVENTS / f"{function}.json").read_text())


def check_answer(function: str, answer: Any) -> None:
    """Assert that a function answered its sample event as it should."""
    if function in HTTP_MEMBERS:
        assert answer.get("statusCode") == 200, answer
        assert HTTP_MEMBERS[function] in json.loads(answer["body"])
    else:
        assert answer == {"batchItemFailures": []}
