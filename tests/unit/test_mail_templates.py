"""The templates of the mails that a space itself writes."""

import subprocess
import sys
from html.parser import HTMLParser

import pytest

from polypost.errors import PayloadTooLarge
from polypost.mail.templates import (
    MAX_PART_CHARACTERS,
    MAX_SOURCE_BYTES,
    MAX_SUBJECT_CHARACTERS,
    SAMPLE,
    VARIABLES,
    BadTemplate,
    check,
    default_template,
    promotion_variables,
    render,
)
from polypost.models.promotions import MailTemplate, PromotionCode, TemplateName

DEFAULT = default_template(TemplateName.PROMOTION_CODE)
PROMOTION = PromotionCode(
    code="CC2M8Y5VY4MW",
    title="10 EUR & more",
    description="First line.\nSecond <line>.",
    relation="about",
    promotion_id="P",
    channel_id="C",
)
LINK = "https://shop.example.com/p?a=1&b=2"
UNSUBSCRIBE_LINK = "https://mail.example.com/u/token"
FULL = promotion_variables(PROMOTION, link=LINK, first_name="Ann", last_name="Lee", unsubscribe_link=UNSUBSCRIBE_LINK)
BARE = dict.fromkeys(VARIABLES, "") | {"code": "CC2M8Y5VY4MW"}


def template(subject: str = "Subject", text: str = "Text", html: str = "<p>HTML</p>") -> MailTemplate:
    return MailTemplate(subject=subject, text=text, html=html)


class Elements(HTMLParser):
    """What a document holds: links and other addresses, text, and tags that were opened and never closed."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "background", "action")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())


# --- The default ------------------------------------------------------------------------------------------------------


def test_the_default_passes_its_own_check() -> None:
    check(DEFAULT)


def test_the_default_with_everything() -> None:
    mail = render(DEFAULT, FULL)
    assert mail.subject == "10 EUR & more: your promotion code"
    assert mail.text == (
        "Hello Ann,\n\nhere is your promotion code for 10 EUR & more:\n\n    CC2M8Y5VY4MW\n\n"
        f"First line.\nSecond <line>.\n\nUse it here: {LINK}\n\nEnter the code at the checkout.\n\n"
        f"Unsubscribe: {UNSUBSCRIBE_LINK}"
    )
    page = Elements(mail.html)
    assert page.open == []
    # Nothing is loaded from elsewhere.
    assert page.addresses == [LINK, UNSUBSCRIBE_LINK]
    assert page.text == [
        "10 EUR & more",
        "10 EUR & more",
        "Hello Ann, here is your promotion code:",
        "CC2M8Y5VY4MW",
        "First line.",
        "Second <line>.",
        "Use the code",
        "Enter the code at the checkout.",
        "Unsubscribe",
        "from emails like this one.",
    ]


def test_the_default_with_a_code_alone() -> None:
    mail = render(DEFAULT, BARE)
    assert mail.subject == "Your promotion code"
    assert mail.text == (
        "Hello,\n\nhere is your promotion code:\n\n    CC2M8Y5VY4MW\n\nEnter the code at the checkout."
    )
    page = Elements(mail.html)
    assert (page.open, page.addresses) == ([], [])
    assert page.text == [
        "Your promotion code",
        "Your promotion code",
        "Hello, here is your promotion code:",
        "CC2M8Y5VY4MW",
        "Enter the code at the checkout.",
    ]


def test_the_default_stays_below_what_mail_readers_cut_off() -> None:
    assert len(DEFAULT.html.encode()) < 10_000


# --- Rendering --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_variable_reaches_each_part_and_is_escaped_in_html_alone(variable: str) -> None:
    source = f"[{{{{ {variable} }}}}]"
    mail = render(template(source, source, source), BARE | {variable: '<b>"it\'s" & co'})
    assert mail.subject == mail.text == '[<b>"it\'s" & co]'
    assert mail.html == "[&lt;b&gt;&#34;it&#39;s&#34; &amp; co]"


def test_a_promotion_fills_every_variable() -> None:
    assert set(FULL) == set(VARIABLES) == set(SAMPLE)
    assert all(FULL.values())
    assert all(SAMPLE.values())


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\x0b", "\x85", "\u2028", "\u2029", "\x00", "\x7f", "\t"])
def test_a_subject_is_one_line_whatever_it_is_made_of(line_break: str) -> None:
    mail = render(template(subject=f" A{line_break}{{{{ title }}}}\n"), FULL | {"title": f"B{line_break}Bcc: x"})
    assert mail.subject == "A B Bcc: x"


def test_a_long_subject_is_cut() -> None:
    mail = render(template(subject="{{ title }}"), FULL | {"title": "x" * 5000})
    assert mail.subject == "x" * MAX_SUBJECT_CHARACTERS


def test_statements_leave_no_lines_behind() -> None:
    mail = render(template(text="a\n  {% if code %}\nb\n  {% endif %}\nc"), FULL)
    assert mail.text == "a\nb\nc"


@pytest.mark.parametrize("part", ["subject", "text", "html"])
def test_a_part_that_grows_too_large_is_refused(part: str) -> None:
    source = "{% for a in title %}{% for b in title %}{{ title }}{% endfor %}{% endfor %}"
    with pytest.raises(PayloadTooLarge, match=f"its {part} has more than {MAX_PART_CHARACTERS} characters"):
        render(template(**{part: source}), FULL | {"title": "x" * 1000})


# --- What a template may hold -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["subject", "text", "html"])
@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("a\nb {{ code", "line 2: unexpected end of template"),
        ("{% if code %}", "line 1: Unexpected end of template"),
        ("{{ code|no_such_filter }}", "line 1: No filter named 'no_such_filter'"),
        ("{{ cod }}", "there is no cod, only code, title"),
        ("{% if code %}x{% else %}{{ nobody }}{% endif %}", "there is no nobody, only"),
        ("{{ range(3) }}", "there is no range, only"),
        ("{{ lipsum() }}", "there is no lipsum, only"),
        ("{{ code.no_such_thing }}", "no_such_thing"),
        ("{{ code[100:] }}", "empty when it is filled in with all variables"),
        ("{{ title }}", "empty when it is filled in with a code alone"),
        ("", "empty when it is filled in with all variables"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ title[1000] }}", "has no element 1000"),
        ("{% include 'other' %}", "takes in no other"),
        ("{% include title %}", "takes in no other"),
        ("{% import 'other' as other %}", "takes in no other"),
        ("{% extends 'other' %}", "takes in no other"),
        ("x" * (MAX_SOURCE_BYTES + 1), f"{MAX_SOURCE_BYTES} are allowed"),
        ("ü" * (MAX_SOURCE_BYTES // 2 + 1), f"{MAX_SOURCE_BYTES + 2} bytes"),
    ],
)
def test_what_is_wrong_with_a_template_is_told_before_a_mail_is(part: str, source: str, problem: str) -> None:
    with pytest.raises(BadTemplate) as refusal:
        check(template(**{part: source}))
    assert str(refusal.value).startswith(part)
    assert problem in str(refusal.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ code.__class__ }}",
        "{{ (code|attr('__class__')).__name__ }}",
        "{{ code.format.__globals__ }}",
        "{{ '{0.__class__}'.format(code) }}",
        "{{ self.__init__.__globals__ }}",
        "{% for x in code.__class__.__subclasses__() %}{{ x }}{% endfor %}",
    ],
)
def test_a_template_cannot_reach_into_python(source: str) -> None:
    with pytest.raises(BadTemplate):
        check(template(text=source))


def test_a_bad_template_that_was_stored_is_told_when_it_is_rendered() -> None:
    for source in ("{{ code", "{{ nobody }}", "{{ 1 / 0 }}", "{% include 'x' %}"):
        with pytest.raises(BadTemplate, match=r"^text"):
            render(template(text=source), FULL)


# --- The cold start of the other functions ----------------------------------------------------------------------------


def test_no_dialect_and_no_adapter_loads_jinja() -> None:
    program = (
        "import sys; from polypost import runtime; from polypost.dialects import all_dialects; all_dialects();"
        "sys.exit('jinja2' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
