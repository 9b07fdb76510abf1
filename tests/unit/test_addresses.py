"""What is an address, and when two are one."""

import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypost.adapters.keys import address_hash
from polypost.models.addresses import InvalidAddress, domain_of, mailable_address, normalised, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("max.mustermann@example.invalid", "max.mustermann@example.invalid"),
        ("Max@Example.COM", "Max@example.com"),
        ("max@bücher.example", "max@xn--bcher-kva.example"),
        ("max@xn--bcher-kva.example", "max@xn--bcher-kva.example"),
        ("bounce+label@simulator.amazonses.com", "bounce+label@simulator.amazonses.com"),
        ("o'neil_x-y=z@host.test", "o'neil_x-y=z@host.test"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "max",
        "@example.com",
        "max@",
        "max@localhost",
        "max@example..com",
        ".max@example.com",
        "max@[127.0.0.1]",
        '"max mustermann"@example.com',
        "müller@example.com",
        "Max <max@example.com>",
        "max@example.com,eva@example.com",
        f"{'x' * 65}@example.com",
        "max@example.com\n",
        "=?utf-8?q?max?=@example.com",
        "max=?@example.com",
        "\ufeffmax@example.com",
        "max@example.com.",
        "mailto:max@example.com",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_address(text)


@pytest.mark.parametrize(
    "address", ["max@Example.com", "max@example.com.", "Max <max@EXAMPLE.com>", "max@\uff45xample\u3002com"]
)
def test_the_domain_of_an_address(address: str) -> None:
    assert domain_of(address) == "example.com"


@pytest.mark.parametrize("domain", ["b\u00fccher.example", "bu\u0308cher.example", "B\u00dcCHER.example"])
def test_a_domain_is_in_punycode(domain: str) -> None:
    assert domain_of(f"max@{domain}") == domain_of("max@xn--bcher-kva.example") == "xn--bcher-kva.example"


# --- The normal form --------------------------------------------------------------------------------------------------


def test_two_spellings_of_one_address() -> None:
    assert normalised(" Max@EXAMPLE.com ") == normalised("max@example.com")
    assert address_hash(b"k", "Max@EXAMPLE.com") == address_hash(b"k", "max@example.com")
    assert address_hash(b"k", "max@example.com") != address_hash(b"other", "max@example.com")
    assert address_hash(b"k", "max@example.com") != address_hash(b"k", "max@example.net")


#: Every character of the category "format" but those that are seen: signs that enclose digits, and hieroglyphs' layout.
FORMAT = [
    character
    for character in map(chr, range(0x110000))
    if unicodedata.category(character) == "Cf"
    and unicodedata.bidirectional(character) != "AN"
    and not 0x110BD <= ord(character) <= 0x110CD
    and not 0x13430 <= ord(character) <= 0x13440
    and character not in "\u070f\u0890\u0891\u08e2"
]

#: Control characters that are no blanks, and what Unicode calls ignorable beside format characters.
IGNORABLE = ["\0", "\x1b", "\x7f", "\x80", "\u034f", "\u3164", "\ufe0f", "\U000e0100"]


@pytest.mark.parametrize("unseen", FORMAT + IGNORABLE, ids=lambda character: f"U+{ord(character):04X}")
def test_what_nobody_sees_does_not_count(unseen: str) -> None:
    for spelled in (f"{unseen}max@example.com", f"ma{unseen}x@exam{unseen}ple.com", f"max@example.com{unseen}"):
        assert normalised(spelled) == "max@example.com"


def test_the_unseen_characters_that_people_paste_are_among_them() -> None:
    pasted = "\ufeff\u200b\u200c\u200d\u00ad\u200e\u200f\u202a\u202e\u2060\u2066\u2069\u061c"
    assert set(pasted) <= set(FORMAT)


@pytest.mark.parametrize(
    "spelled",
    [
        "MAX.M+shop@Example.Com",
        "\t max.m+shop@example.com\r\n",
        "\u00a0max.m+shop@example.com\u3000",
        "max.m+shop@example.com.",
        "max.m+shop@example.com. ",
        "max.m+shop@example.com . .",
        "max.m+shop@example\u3002com\uff61",
        "mailto:max.m+shop@example.com",
        "MailTo: max.m+shop@example.com",
        "mailto:max.m%2Bshop%40example.com?subject=Hello&body=a@b",
        "<max.m+shop@example.com>",
        "<mailto:max.m+shop@example.com>",
        "< max.m+shop@example.com >",
        "Max <max.m+shop@example.com>",
        "Max<max.m+shop@example.com>.",
        "M\u00fcller, Max <max.m+shop@example.com>",
        '"M\u00fcller, \\"Max\\" <x@y>" <max.m+shop@example.com>',
        "max.m+shop@example.com <max.m+shop@example.com>",
        "Max <mailto:max.m+shop@example.com?subject=x>",
        "max.m+shop@example.com (Max M\u00fcller)",
        '"max.m+shop"@example.com',
        "\ufeffMax\u200b <\u200emax.m+shop@exam\u00adple.com.> ",
    ],
)
def test_a_spelling_of_an_address(spelled: str) -> None:
    assert normalised(spelled) == "max.m+shop@example.com"
    assert mailable_address(spelled).lower() == "max.m+shop@example.com"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("j\u00f6rg@example.com", "jo\u0308rg@example.com"),
        ("J\u00d6RG@example.com", "jo\u0308rg@example.com"),
        # Cyrillic, Greek and Hangul, composed and decomposed.
        ("\u0439@example.com", "\u0438\u0306@example.com"),
        ("\u03ac@example.com", "\u03b1\u0301@example.com"),
        ("\ud55c@example.com", "\u1112\u1161\u11ab@example.com"),
        ("j\u00f6rg@m\u00fcller.example", "j\u00f6rg@xn--mller-kva.example"),
        ("jo\u0308rg@MU\u0308LLER.example", "J\u00d6RG@XN--MLLER-KVA.example."),
        ("max@xn--mller-kva.example", "max@m\u00fcl\u200bler.example"),
        ("stra\u00dfe@example.com", "STRASSE@example.com"),
        ("max@stra\u00dfe.example", "max@xn--strae-oqa.example"),
        ("max@\u03b2\u03cc\u03bb\u03bf\u03c2.example", "max@xn--nxasmm1c.example"),
        # The joiner is seen in some scripts, and mail goes to neither domain with one.
        ("max@\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example", "max@xn--mgba3gch31f060k.example"),
        ("sample string 3", " Sample\u200b STRING 3"),
        ("", "\ufeff\u200b "),
    ],
)
def test_two_spellings_are_one(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("max.m@example.com", "maxm@example.com"),
        ("max+shop@example.com", "max@example.com"),
        ("max@example.com", "max@sub.example.com"),
        ("max@example.com", "max@example.co"),
        ("m\u00fcller@example.com", "mueller@example.com"),
        ("muller@example.com", "m\u00fcller@example.com"),
        # Only NFC: a number in a circle, a full-width letter and a Cyrillic one are other characters.
        ("max\u2460@example.com", "max1@example.com"),
        ("\uff4dax@example.com", "max@example.com"),
        ("m\u0430x@example.com", "max@example.com"),
        # Two addresses are not the last of them.
        ("ann@example.com, Max <max@example.com>", "max@example.com"),
        ("ann@example.com; <max@example.com>", "max@example.com"),
        ("Ann <ann@example.com>, Max <max@example.com>", "max@example.com"),
        ("mailto:ann@example.com,max@example.com", "max@example.com"),
        ("Max <max>", "max"),
        ("max @example.com", "max@example.com"),
        ("sample string 3", "sample string 4"),
        ("sample string", "samplestring"),
    ],
)
def test_two_addresses_are_not(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@pytest.mark.parametrize("address", ["Max@Straße.example", "max@βόλος.example", "Max@BÜCHER.example", "a@Example.COM"])
def test_an_address_is_the_same_as_the_one_that_mail_goes_to(address: str) -> None:
    assert normalised(address) == normalised(parse_address(address))


def test_a_sharp_s_makes_another_domain() -> None:
    assert normalised("max@straße.example") != normalised("max@strasse.example")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('@.<>()",:;? aA\u00fc\u00df\u200b'))


@pytest.mark.parametrize(
    "text",
    [
        # Characters that UTS 46 maps to dots, brackets and an @, a letter that only its lower case allows in a domain.
        "max@example.com\u2026",
        "max@example.com\u2474",
        "max@exam\uff20ple.com",
        "max@\u2132.com",
        "max@ex_ample.com",
        "max@m\u00fc_ller.example",
        "max@localhost",
        "max@[127.0.0.1]",
        "max@xn--",
        "max@xn--m\u00fcller.example",
        "max@..",
        "max@",
        "@example.com",
        "mailto:mailto:max@example.com",
        "<<max@example.com>>",
        "mailto:%3Cmailto:max@example.com%3E",
        "max@example.com (a) (b)",
        '""@example.com',
        '"max mustermann"@example.com',
        "I\u0307@\u0130.com",
        "\u1e9e@\u1e9e.com",
    ],
)
def test_whatever_a_text_is_its_normal_form_is_its_own(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once


@given(TEXTS)
def test_a_normal_form_is_its_own(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once


@given(TEXTS, TEXTS)
def test_the_normal_form_of_an_address_is_its_own(local: str, domain: str) -> None:
    once = normalised(f"{local}@{domain}")
    assert normalised(once) == once


LETTERS = st.characters(codec="utf-8", categories=["Ll", "Lu", "Lo", "Nd", "Mn"])
LABELS = st.text(LETTERS, min_size=1, max_size=8) | st.sampled_from(["m\u00fcller", "Stra\u00dfe", "xn--mller-kva"])


@given(st.lists(LABELS, min_size=1, max_size=3))
def test_mail_goes_to_what_is_compared(labels: list[str]) -> None:
    address = f"max@{'.'.join(labels)}.example"
    with suppress(InvalidAddress):
        parsed = parse_address(address)
        assert normalised(address) == normalised(parsed) == parsed
        assert domain_of(address) == domain_of(parsed) == parsed.partition("@")[2]


LOCALS = st.from_regex(r"[a-z0-9\u00e0-\u00f6\u0430-\u044f]([a-z0-9+._'-]{0,10}[a-z0-9])?", fullmatch=True)
DOMAINS = st.lists(st.sampled_from(["example", "m\u00fcller", "\u65e5\u672c", "shop"]), min_size=1).map(
    lambda labels: ".".join([*labels, "example"])
)


def _put_in(text: str, places: list[int], what: str) -> str:
    for place in places:
        where = place % (len(text) + 1)
        text = text[:where] + what + text[where:]
    return text


def _punycode(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain_of(f'x@{domain}')}"


DECORATIONS: list[st.SearchStrategy[Callable[[str], str]]] = [
    st.just(str.upper),
    st.just(str.title),
    st.just(_punycode),
    st.just(lambda address: f" \t{address}\n"),
    st.just(lambda address: f"\ufeff{address}"),
    st.just(lambda address: f"{address}."),
    st.just(lambda address: unicodedata.normalize("NFD", address)),
    st.builds(
        lambda places, unseen: lambda address: _put_in(address, places, unseen),
        st.lists(st.integers(0, 1000), max_size=3),
        st.sampled_from(["\u200b", "\u00ad", "\u200e", "\u2066", "\u2060", "\ufeff"]),
    ),
]

WRAPPINGS = [
    "{}",
    "mailto:{}",
    "<{}>",
    "<mailto:{}>",
    "Max M\u00fcller <{}>",
    '"M\u00fcller, Max (shop)" <{}>',
    "{} (Max)",
]


@given(LOCALS, DOMAINS, st.lists(st.one_of(DECORATIONS), max_size=4), st.sampled_from(WRAPPINGS))
def test_however_an_address_is_decorated_its_form_is_the_same(
    local: str, domain: str, decorations: list[Callable[[str], str]], wrapping: str
) -> None:
    plain = f"{local}@{domain}"
    spelled = plain
    for decorate in decorations:
        spelled = decorate(spelled)
    assert normalised(wrapping.format(spelled)) == normalised(plain)


@pytest.mark.parametrize(
    "text",
    [
        "mailto:" * 100_000,
        "<" * 1_000_000,
        '"' * 1_000_001,
        '"\\' * 500_000,
        "a@" * 500_000,
        "." * 1_000_000,
        "x@" + ".x" * 500_000,
        "(" * 1_000_000,
        "a<b>" * 250_000,
        "x@" + "xn--" * 250_000,
        "x@" + "\u0660" * 1_000_000,
        "mailto:" + "%41" * 300_000,
        "x" + " " * 1_000_000 + "x",
    ],
    ids=lambda text: text[:10],
)
def test_a_long_text_takes_no_longer_than_its_length(text: str) -> None:
    begin = time.process_time()
    normalised(text)
    assert time.process_time() - begin < 5
