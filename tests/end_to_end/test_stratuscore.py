"""The StratusCore dialect on the running stack: a mail that another system sent is logged."""

import re
import secrets
from typing import Any

import httpx

from polypost_local import demo
from support.stratuscore import entry_body, entry_xml, message_of

from .conftest import RunningStack

PATH = "/api/v1/contact/coffeepage"
DEMO = (demo.KEYID, demo.SECRET)


def log(stack: RunningStack, key: str = "", **members: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return stack.client.post(PATH, json=entry_body(DEMO, **members), headers=headers)


def id_in(answer: httpx.Response) -> str:
    """The id of the entry that an answer tells of."""
    assert answer.status_code == 200, answer.text
    code, description = message_of(answer.text)
    found = re.fullmatch(r"Saved as ([0-9a-f]{32})\.", description)
    assert code == "00"
    assert found is not None
    return found[1]


def test_json_and_xml_tell_of_the_same_mail(local_stack: RunningStack) -> None:
    subject = secrets.token_hex()
    of_json = log(local_stack, SubjectLine=subject)
    document = '<?xml version="1.0" encoding="utf-8"?>\n' + entry_xml(DEMO, SubjectLine=subject)
    headers = {"Content-Type": "application/xml", "Accept": "application/xml"}
    of_xml = local_stack.client.post(PATH, content=document, headers=headers)
    assert of_json.headers["Content-Type"] == "application/json; charset=utf-8"
    assert of_xml.headers["Content-Type"] == "application/xml; charset=utf-8"
    assert id_in(of_json) == id_in(of_xml)
    # httpx asks for `*/*`, which is JSON to ASP.NET.
    anything = local_stack.client.post(PATH, content=document, headers={"Content-Type": "application/xml"})
    assert anything.headers["Content-Type"] == "application/json; charset=utf-8"
    assert id_in(log(local_stack)) != id_in(of_json)


def test_a_document_in_utf_16_is_read(local_stack: RunningStack) -> None:
    document = entry_xml(DEMO, EmailBody="Größe 日本")
    answer = local_stack.client.post(
        PATH, content=document.encode("utf-16"), headers={"Content-Type": "text/xml; charset=utf-16"}
    )
    assert id_in(answer) == id_in(log(local_stack, EmailBody="Größe 日本"))


def test_a_document_in_its_declared_encoding_is_read(local_stack: RunningStack) -> None:
    document = f'<?xml version="1.0" encoding="windows-1252"?>{entry_xml(DEMO, EmailBody="Größe – 5 €")}'
    answer = local_stack.client.post(
        PATH, content=document.encode("windows-1252"), headers={"Content-Type": "application/xml"}
    )
    assert id_in(answer) == id_in(log(local_stack, EmailBody="Größe – 5 €"))


def test_the_same_request_under_a_key_gets_the_same_response(local_stack: RunningStack) -> None:
    key = secrets.token_hex()
    first, again = log(local_stack, key), log(local_stack, key)
    assert again.content == first.content
    assert id_in(again) == id_in(first)
    other = log(local_stack, key, SubjectLine="Another")
    assert (other.status_code, message_of(other.text)[0]) == (409, "02")


def test_after_a_refusal_the_key_is_free(local_stack: RunningStack) -> None:
    key = secrets.token_hex()
    refused = log(local_stack, key, DateSent="yesterday")
    assert refused.status_code == 400
    code, description = message_of(refused.text)
    assert code == "02"
    assert description.startswith("The field Request.DateSent must be a date and time in UTC such as ")
    assert id_in(log(local_stack, key))


def test_wrong_credentials_on_the_wire(local_stack: RunningStack) -> None:
    for wrong in ((demo.KEYID, "wrong"), ("nobody", demo.SECRET)):
        answer = local_stack.client.post(PATH, json=entry_body(wrong))
        assert (answer.status_code, message_of(answer.text)) == (401, ("01", "Missing or invalid credentials."))
