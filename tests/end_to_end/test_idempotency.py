"""The header Idempotency-Key on the running stack."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from support.inxmail import send_body

from .conftest import RunningStack
from .test_inxmail import API, AUTH, mail


def post(stack: RunningStack, key: str, **members: Any) -> httpx.Response:
    return stack.client.post(f"{API}/send", json=send_body(**members), auth=AUTH, headers={"Idempotency-Key": key})


def test_a_repeated_send_is_one_mail(local_stack: RunningStack) -> None:
    key = secrets.token_hex()
    first = post(local_stack, key)
    again = post(local_stack, key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert mail(local_stack, first.json()["messageId"])


def test_another_body_is_a_conflict(local_stack: RunningStack) -> None:
    key = secrets.token_hex()
    assert post(local_stack, key).status_code == 200
    answer = post(local_stack, key, subjectContentPlainText="Another")
    assert (answer.status_code, answer.json()["error"]) == (409, "Conflict")
    assert "Idempotency-Key" in answer.json()["message"]


def test_after_a_refusal_the_key_is_free(local_stack: RunningStack) -> None:
    key = secrets.token_hex()
    assert post(local_stack, key, sender="info@example.org").status_code == 400
    assert post(local_stack, key).status_code == 200


def test_of_many_at_once_one_takes_effect(local_stack: RunningStack) -> None:
    key = secrets.token_hex()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(local_stack, key), range(8)))
    for answer in answers:
        assert answer.status_code == 200 or (answer.status_code == 409 and answer.headers["Retry-After"])
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
