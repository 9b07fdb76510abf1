"""Requests and answers of the StratusCore dialect."""

import json
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

#: The code of each status that has one of its own; all other refusals are invalid requests.
CODES = {200: "00", 401: "01", 403: "03", 500: "99", 503: "99"}

ENTRY = {
    "Email": "max@example.net",
    "SubjectLine": "Your order",
    "DateSent": "2026-01-02 03:04:05",
    "SentBy": "shop@example.com",
    "EmailBody": "Thank you for your order.",
}


def entry_body(credentials: tuple[str, str] = ("keyid", "secret"), **members: Any) -> dict[str, Any]:
    """The body of a request in JSON, with the given members of the entry, which replace the former."""
    keyid, secret = credentials
    return {"Authentication": {"Id": keyid, "Key": secret}, "Request": ENTRY | members}


def entry_xml(credentials: tuple[str, str] = ("keyid", "secret"), **members: str) -> str:
    """The body of a request in XML, as a DataContractSerializer writes it."""
    keyid, secret = map(escape, credentials)
    entry = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in sorted((ENTRY | members).items()))
    return (
        '<CoffeePageBindingModel xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'
        ' xmlns="http://schemas.datacontract.org/2004/07/ApiModels">'
        '<Authentication xmlns:d2p1="http://schemas.datacontract.org/2004/07/Api.Models">'
        f"<d2p1:Id>{keyid}</d2p1:Id><d2p1:Key>{secret}</d2p1:Key></Authentication>"
        f"<Request>{entry}</Request></CoffeePageBindingModel>"
    )


def message_of(body: str) -> tuple[str, str]:
    """The code and the description of an answer, in either format."""
    if body.startswith("<"):
        namespaces = {name: f"http://schemas.datacontract.org/2004/07/{name}" for name in ("ApiModels", "Api.Models")}
        root = ElementTree.fromstring(body)  # noqa: S314 - the service's own
        assert root.tag == f"{{{namespaces['ApiModels']}}}ContactsOutgoingModel"
        ((code, description),) = root.findall("ApiModels:Message", namespaces)
        assert (code.tag, description.tag) == tuple(
            f"{{{namespaces['Api.Models']}}}{name}" for name in ("Code", "Description")
        )
        return code.text or "", description.text or ""
    answer = json.loads(body)
    assert list(answer) == ["Message"]
    assert list(answer["Message"]) == ["Code", "Description"]
    return answer["Message"]["Code"], answer["Message"]["Description"]
