"""Secrets of contacts."""

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from polypost.models.attempts import Attempt
from polypost.models.contact_secrets import contact_id_of, new_secret

KEY = b"k" * 32
IDS = st.integers(1, 2**31 - 1)


def an_attempt() -> Attempt:
    return Attempt.fresh(datetime.now(UTC))


@given(IDS)
def test_a_secret_leads_to_its_contact(contact_id: int) -> None:
    assert contact_id_of(new_secret(contact_id, an_attempt(), KEY), KEY) == contact_id


@given(IDS)
def test_a_secret_needs_no_escaping_in_a_link(contact_id: int) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{27}", new_secret(contact_id, an_attempt(), KEY))


def test_no_two_secrets_of_a_contact_share_a_part() -> None:
    decoded = {new_secret(7, an_attempt(), KEY) for _ in range(1000)}
    assert len(decoded) == 1000
    # The id is under a mask, so that equal ids leave no equal ends.
    assert len({secret[-5:] for secret in decoded}) > 990


@given(IDS)
def test_another_stacks_key_leads_elsewhere(contact_id: int) -> None:
    secret = new_secret(contact_id, an_attempt(), KEY)
    # By chance one of four thousand million keys would lead to the same id.
    assert any(contact_id_of(secret, bytes([other]) * 32) != contact_id for other in range(3))


@given(st.text())
def test_no_text_makes_it_fail(text: str) -> None:
    found = contact_id_of(text, KEY)
    assert found is None or 0 <= found < 2**32


def test_a_secret_has_one_spelling() -> None:
    secret = new_secret(7, an_attempt(), KEY)
    for other in (f"{secret}=", f" {secret}", f"{secret}\n", secret[:-1], f"{secret}A", f"{secret[:5]}!{secret[5:]}"):
        assert contact_id_of(other, KEY) is None


def test_each_try_of_an_attempt_makes_the_same_secret() -> None:
    attempt = an_attempt()
    assert new_secret(7, attempt, KEY) == new_secret(7, attempt, KEY) != new_secret(7, an_attempt(), KEY)
