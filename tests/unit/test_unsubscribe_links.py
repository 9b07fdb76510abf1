"""The tokens of links for unsubscribing: whose they are, and that nobody else can make one."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypost.adapters import keys
from polypost.models.access import SPACE_ID
from polypost.models.unsubscribe_links import Subscription, subscription_of, unsubscribe_token

KEY = bytes(range(32))
ADDRESS_HASH = keys.address_hash(KEY, "max@example.net")
SUBSCRIPTION = Subscription("acme", ADDRESS_HASH, "5534f2f3fcb24820d52f3413")
TOKEN = unsubscribe_token(SUBSCRIPTION, KEY)

subscriptions = st.builds(
    Subscription,
    space=st.from_regex(SPACE_ID, fullmatch=True),
    address_hash=st.emails().map(lambda address: keys.address_hash(KEY, address)),
    message_id=st.binary(min_size=12, max_size=12).map(bytes.hex),
)


@given(subscriptions)
def test_a_token_leads_back_to_its_subscription(subscription: Subscription) -> None:
    token = unsubscribe_token(subscription, KEY)
    assert re.fullmatch(r"[A-Za-z0-9_-]{62,144}", token)
    assert subscription_of(token, KEY) == subscription


def test_a_token_says_nothing_of_the_address() -> None:
    raw = urlsafe_b64decode(TOKEN + "=" * (-len(TOKEN) % 4))
    assert b"max" not in raw
    assert b"example" not in raw


@pytest.mark.parametrize("position", range(len(TOKEN)))
def test_a_token_that_was_changed_anywhere_is_none(position: int) -> None:
    for other in "A-z9":
        changed = TOKEN[:position] + other + TOKEN[position + 1 :]
        assert subscription_of(changed, KEY) == (SUBSCRIPTION if changed == TOKEN else None)


@pytest.mark.parametrize(
    "other",
    [
        replace(SUBSCRIPTION, space="acmf"),
        replace(SUBSCRIPTION, address_hash=keys.address_hash(KEY, "ann@example.net")),
        replace(SUBSCRIPTION, message_id="5534f2f3fcb24820d52f3414"),
    ],
)
def test_a_signature_is_good_for_nobody_else(other: Subscription) -> None:
    def raw(token: str) -> bytes:
        return urlsafe_b64decode(token + "=" * (-len(token) % 4))

    theirs = raw(unsubscribe_token(other, b"a key of their own".ljust(32)))
    forged = urlsafe_b64encode(theirs[:-16] + raw(TOKEN)[-16:]).decode().rstrip("=")
    assert subscription_of(forged, KEY) is None


def test_another_stacks_token_is_none() -> None:
    assert subscription_of(TOKEN, KEY[::-1]) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        TOKEN[:-1],
        f"{TOKEN}A",
        f"{TOKEN}=",
        f" {TOKEN}",
        f"{TOKEN}\n",
        TOKEN.upper(),
        "A" * 61,
        "A" * 62,
        "A" * 65,
        "_" * 144,
        "A" * 145,
        "ü" * 70,
        "A" * 1_000_000,
    ],
)
def test_what_is_no_token(text: str) -> None:
    assert subscription_of(text, KEY) is None


@given(st.text("ABCxyz019-_", min_size=60, max_size=150))
def test_what_somebody_made_up_is_no_token(text: str) -> None:
    assert subscription_of(text, KEY) is None
