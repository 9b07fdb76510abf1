"""Requests of the Inxmail dialect."""

from typing import Any


def send_body(**members: Any) -> dict[str, Any]:
    """The body of a send with what is required and the given members, which replace the former."""
    return {
        "type": "email",
        "sender": "info@example.com",
        "recipient": "max@example.net",
        "subjectContentPlainText": "Hello",
        "bodyContentPlainText": "World",
    } | members
