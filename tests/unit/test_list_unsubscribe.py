"""What clients give for List-Unsubscribe, and what mail programs are told."""

import re
import time
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polypost.models.list_unsubscribe import parse_list_unsubscribe, takes_one_click


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<https://example.com/u>", "<https://example.com/u>"),
        ("<https://example.com/u>, <mailto:u@example.com>", "<https://example.com/u>, <mailto:u@example.com>"),
        (
            "<mailto:u@example.com?subject=a%20b>,<http://example.com>",
            "<mailto:u@example.com?subject=a%20b>, <http://example.com>",
        ),
        ("  <https://example.com/u> ,  <mailto:u@example.com>  ", "<https://example.com/u>, <mailto:u@example.com>"),
        ("< https://example.com/u >", "<https://example.com/u>"),
        ("<https://example.com/a,b?c=(d)>", "<https://example.com/a,b?c=(d)>"),
        (
            "(first) <https://example.com/u> (web), (or) <mailto:u@example.com> (mail)",
            "<https://example.com/u>, <mailto:u@example.com>",
        ),
        ("<HTTPS://EXAMPLE.COM/u>", "<HTTPS://EXAMPLE.COM/u>"),
        ("<https://[2001:db8::1]:8443/u>", "<https://[2001:db8::1]:8443/u>"),
        ("<mailto:u%40example.com>", "<mailto:u%40example.com>"),
        ("<ftp://ftp.example.com/list.txt>", "<ftp://ftp.example.com/list.txt>"),
        # What was meant is plain.
        ("https://example.com/u", "<https://example.com/u>"),
        (" http://example.com/u?id=1,2&x={y} ", "<http://example.com/u?id=1,2&x={y}>"),
        ("mailto:u@example.com?subject=unsubscribe", "<mailto:u@example.com?subject=unsubscribe>"),
        ("Unsubscribe@Example.com", "<mailto:Unsubscribe@example.com>"),
        ("u+list=a?b&c%d/e@example.com", "<mailto:u+list%3Da%3Fb%26c%25d%2Fe@example.com>"),
    ],
)
def test_uris_and_what_stands_for_one(text: str, value: str) -> None:
    assert parse_list_unsubscribe(text) == value
    # What was read stays what it is.
    assert parse_list_unsubscribe(value) == value


@pytest.mark.parametrize(
    "text",
    [
        "unsubscribe",
        "<unsubscribe>",
        "<u@example.com>",
        "<>",
        "<<https://example.com>>",
        "<https://example.com/u",
        "https://example.com/u>",
        "<https://example.com/a b>",
        "https://example.com/a b",
        "<https://example.com/a> <https://example.com/b>",
        "<https://example.com/a>; <https://example.com/b>",
        "<https://example.com/u>,",
        ",<https://example.com/u>",
        "<https://example.com/a>, https://example.com/b",
        "https://example.com/a, mailto:u@example.com",
        "https://example.com/a,<mailto:u@example.com>",
        "u@example.com, v@example.com",
        "Max <u@example.com>",
        "List-Unsubscribe: <https://example.com/u>",
        "www.example.com/u",
        "//example.com/u",
        "javascript:alert(1)",
        "NO",
        "(nothing)",
        "u@localhost",
        "<https://example.com/u>(",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be one or more <URI>, separated by commas"):
        parse_list_unsubscribe(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<https://>", "name a host"),
        ("<https:///u>", "name a host"),
        ("<https://:443/u>", "name a host"),
        ("<https://[::1/u>", "name a host"),
        ("https:u", "name a host"),
        ("<mailto:u>", "or a mailbox"),
        ("<mailto:@example.com>", "or a mailbox"),
        ("mailto:?to=u@example.com", "or a mailbox"),
        ("<https://example.com/\u00fc>", "in ASCII"),
        ("<https://example.com>,\t<https://example.org>", "in ASCII"),
        ("<https://example.com/u>\r\nBcc: max@example.com", "in ASCII"),
        (f"<https://example.com/{'u' * 900}>", "at most 900 characters"),
        (f"https://example.com/{'u' * 900}", "at most 900 characters"),
        ("<a:b>," * 2000 + "<a:b>", "not be longer than 10000 characters"),
    ],
)
def test_a_uri_that_leads_nowhere_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_list_unsubscribe(text)


@given(st.text(st.sampled_from("<>(), :/@.ahtps"), max_size=200))
@example("<a:b>" + "()" * 4000)
@example("(" * 9999)
@example("<a:b>" + " " * 9000 + "x")
@example("<" * 9999)
def test_any_text_is_read_or_refused_in_no_time(text: str) -> None:
    begin = time.thread_time()
    with suppress(ValueError):
        assert re.fullmatch(r"<[a-zA-Z][^<> ]*:[^<> ]+>(, <[a-zA-Z][^<> ]*:[^<> ]+>)*", parse_list_unsubscribe(text))
    assert time.thread_time() - begin < 0.5


@pytest.mark.parametrize(
    ("value", "one_click"),
    [
        ("<https://example.com/u>", True),
        ("<mailto:u@example.com>, <HTTPS://example.com/u>", True),
        ("<http://example.com/u>", False),
        ("<mailto:u@example.com?body=https://example.com>", False),
    ],
)
def test_one_click_is_a_post_to_an_https_uri(value: str, one_click: bool) -> None:
    assert takes_one_click(value) is one_click
