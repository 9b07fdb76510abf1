"""The sample events, and what the functions answer to them."""

import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).parents[2] / "events"

# What each function behind the API answers, on the demo space: a status, and a member of the body, if it has one. An
# event that was answered before may be so in another way.
HTTP_ANSWERS: dict[str, tuple[set[int], str]] = {
    "contacts_attach_external_id": ({200}, "Secret"),
    "contacts_create": ({201, 409}, ""),
    "contacts_delete": ({404}, "Message"),
    "contacts_detach_external_id": ({200, 404}, ""),
    "contacts_export": ({200}, "Timeline"),
    "contacts_query": ({200}, ""),
    "contacts_read": ({200}, "Secret"),
    "contacts_timeline": ({200}, ""),
    # The event's Version is not the contact's.
    "contacts_update": ({409}, "Secret"),
    "default_route": ({200}, "_links"),
    "inxmail_bounces": ({200}, "bounces"),
    "inxmail_complaints": ({200}, "complaints"),
    "inxmail_send": ({200}, "messageId"),
    "inxmail_verified_senders": ({200}, "senderDomains"),
    # A redirect has no body.
    "interaction_visit": ({302}, ""),
    "seethepro_create": ({200}, "InteractionUrl"),
    "intershop_mails": ({204}, ""),
    "stores_create": ({201, 409}, ""),
    "stores_delete": ({204, 404}, ""),
    "stores_list": ({200}, ""),
    "stores_read": ({200}, "Id"),
    "stratuscore_log": ({200}, "Message"),
    # Tokens are signed with a key that each stack makes for itself.
    "unsubscribe_page": ({404}, ""),
    "unsubscribe_post": ({404}, ""),
    "suppressions_delete": ({204, 404}, ""),
    "suppressions_list": ({200}, ""),
    "suppressions_put": ({200}, "Causes"),
    "suppressions_read": ({200, 404}, ""),
}


def sample_event(function: str) -> Any:
    """A function's sample event, by the name of its folder."""
    return json.loads((EVENTS / f"{function}.json").read_text())


def check_answer(function: str, answer: Any) -> None:
    """Assert that a function answered its sample event as it should."""
    if function in HTTP_ANSWERS:
        statuses, member = HTTP_ANSWERS[function]
        assert answer.get("statusCode") in statuses, answer
        assert not member or member in json.loads(answer["body"])
    else:
        assert answer == {"batchItemFailures": []}
