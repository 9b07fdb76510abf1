"""The links by which recipients unsubscribe, on the running stack: from a mail in the mailbox and back."""

import re
import secrets
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx

from polypost_local import demo
from support.command import as_json, polypost
from support.intershop import promotion_body
from support.inxmail import send_body
from support.waiting import eventually

from .conftest import RunningStack
from .test_history import CONTACTS
from .test_intershop import mails, new_code
from .test_inxmail import API, AUTH, listed, mail, send

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
OWN = "<https://shop.example/unsubscribe>"


def promote(stack: RunningStack, contact_id: int) -> str:
    """Mail a promotion code; the code."""
    code = new_code()
    answer = stack.client.post(f"/customers/id:{contact_id}/mails", json=promotion_body(code=code), auth=AUTH)
    assert answer.status_code == 204
    return code


def link_in(entry: dict[str, Any]) -> str:
    """The link in the header of a mail."""
    assert entry["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = re.fullmatch(r"<(.+)>", entry["headers"]["List-Unsubscribe"])
    assert found is not None
    return found[1]


def page(answer: httpx.Response) -> str:
    """The text of a page that was shown without a detour."""
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), answer.text
    assert "set-cookie" not in answer.headers
    return answer.text


def test_a_link_is_followed_from_the_mail_and_back(local_stack: RunningStack) -> None:
    address = f"{secrets.token_hex(4)}@example.net"
    body = {"RegistrationSource": "test", "Email": address}
    contact_id = local_stack.client.post(CONTACTS, json=body, auth=AUTH).json()["Id"]
    code = promote(local_stack, contact_id)
    (promotion,) = eventually(partial(mails, local_stack, code))
    link = link_in(promotion)
    assert link.startswith(f"{local_stack.base_url}/u/")
    assert link in promotion["text"]
    assert link in promotion["html"]

    # A scanner looks, and nothing happens.
    asked = page(local_stack.client.get(link))
    assert "Example Shop" in asked
    assert address not in asked
    assert eventually(partial(mails, local_stack, promote(local_stack, contact_id)))

    # The mail program unsubscribes, as often as it likes.
    for _ in range(2):
        assert "You are unsubscribed" in page(httpx.post(link, data=ONE_CLICK, trust_env=False))
    assert "You are unsubscribed" in page(local_stack.client.get(link))
    newsletter = send(local_stack, recipient=address, listUnsubscribe=OWN)
    (row,) = eventually(partial(listed, local_stack, "bounces", newsletter))
    assert (row["type"], row["errorText"]) == ("Hard", "Not sent: unsubscribed")
    kept_away = promote(local_stack, contact_id)
    invoice = send(local_stack, recipient=address)
    assert mail(local_stack, invoice)["to"] == address

    assert "subscribed again" in page(local_stack.client.post(link, data={"undo": "1"}))
    arrived = promote(local_stack, contact_id)
    assert link_in(eventually(partial(mails, local_stack, arrived))[0]) != link
    assert mails(local_stack, kept_away) == []

    export = local_stack.client.get(f"{CONTACTS}/{contact_id}/export", auth=AUTH).json()
    assert [change["Unsubscribed"] for change in export["PermissionHistory"]] == [True, False]
    kinds = [entry["Kind"] for entry in export["Timeline"]]
    assert kinds.count("Unsubscribe") == kinds.count("UnsubscribeUndone") == 1
    assert kinds.count("Suppressed") == 2


def test_a_space_is_switched_on(local_stack: RunningStack) -> None:
    run, space = partial(polypost, port=local_stack.command.port), f"s-{secrets.token_hex(4)}"
    run("spaces", "create", space)
    run("domains", "add", space, demo.SENDER_DOMAINS[0])
    run("domains", "verify", space, demo.SENDER_DOMAINS[0])
    run("spaces", "set", space, "--unsubscribe-link", "on", "--transactional", "erp", "--transactional", "billing")
    shown = run("spaces", "show", space).stdout
    assert re.search(r"^unsubscribe link +on *$", shown, re.MULTILINE)
    assert re.search(r"^transactional +billing, erp *$", shown, re.MULTILINE)
    key = as_json(run, "keys", "create", space, "--scope", "mail:send")
    auth = (key["keyid"], key["secret"])

    def sent(**members: str) -> dict[str, Any]:
        answer = local_stack.client.post(f"{API}/send", json=send_body(**members), auth=auth)
        assert answer.status_code == 200, answer.text
        return mail(local_stack, answer.json()["messageId"])

    link = link_in(sent(sourceSystem="news"))
    assert "List-Unsubscribe" not in sent(sourceSystem="billing")["headers"]
    assert sent(listUnsubscribe=OWN)["headers"]["List-Unsubscribe"] == OWN
    # A link is its space's alone.
    on_another_host = local_stack.client.get(urlsplit(link).path, headers={"Host": f"{demo.SPACE}.localhost"})
    assert on_another_host.status_code == 404
    assert "stop getting these emails" in page(local_stack.client.get(link))
    run("spaces", "set", space, "--transactional", "")
    assert as_json(run, "spaces", "show", space)["settings"]["transactional"] == []
    refused = run("spaces", "set", space, "--transactional", "ü" * 96, expect=2)
    assert "is longer than 190 bytes" in refused.stderr


def test_a_link_that_is_none(local_stack: RunningStack) -> None:
    for path in (f"/u/{secrets.token_urlsafe(60)}", "/u/x"):
        for answer in (local_stack.client.get(path), local_stack.client.post(path, data=ONE_CLICK)):
            assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
            assert "leads nowhere" in answer.text
