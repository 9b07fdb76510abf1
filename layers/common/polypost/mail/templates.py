"""The mails that a space itself writes: their wording, which Jinja fills in.

Only what renders a mail imports this module, since Jinja is a good part of a cold start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from jinja2 import StrictUndefined, Template, TemplateSyntaxError
from jinja2.meta import find_referenced_templates, find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from polypost.errors import PayloadTooLarge, Permanent
from polypost.models.promotions import MailTemplate, PromotionCode, TemplateName
from polypost.models.texts import in_one_line

#: A part's source, in bytes: mail readers show about this much of a mail.
MAX_SOURCE_BYTES: Final = 100_000

#: A part that was filled in, in characters.
MAX_PART_CHARACTERS: Final = 500_000

#: No client shows more of a subject; what is longer is cut.
MAX_SUBJECT_CHARACTERS: Final = 250

#: What a template can show: each is a text, and empty where the request or the contact has nothing for it.
VARIABLES: Final = (
    "code",
    "title",
    "description",
    "promotion_id",
    "channel_id",
    "relation",
    "link",
    "first_name",
    "last_name",
    "unsubscribe_link",
)


class BadTemplate(Permanent):
    """A template that cannot be filled in; the text names the part and, where it is known, the line."""


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """A mail's subject, on one line, and its two parts."""

    subject: str
    text: str
    html: str


@cache
def default_template(name: TemplateName) -> MailTemplate:
    """The wording of a mail for spaces that have none of their own."""
    folder = Path(__file__).with_name("default_templates")
    return MailTemplate(
        subject=(folder / f"{name}.subject.txt").read_text("utf-8").strip(),
        text=(folder / f"{name}.text.txt").read_text("utf-8"),
        html=(folder / f"{name}.html").read_text("utf-8"),
    )


def promotion_variables(
    promotion: PromotionCode, *, link: str, first_name: str, last_name: str, unsubscribe_link: str
) -> dict[str, str]:
    """A promotion code as a template sees it; all VARIABLES have a value.

    Parameters: link, the promotion's page, or ""; first_name and last_name, the customer's, or ""; unsubscribe_link,
    by which the customer unsubscribes.
    """
    return {
        "code": promotion.code,
        "title": promotion.title,
        "description": promotion.description,
        "promotion_id": promotion.promotion_id,
        "channel_id": promotion.channel_id,
        "relation": promotion.relation,
        "link": link,
        "first_name": first_name,
        "last_name": last_name,
        "unsubscribe_link": unsubscribe_link,
    }


def render(template: MailTemplate, variables: Mapping[str, str]) -> RenderedMail:
    """Fill in a template.

    Values are escaped in the HTML part. The subject is put on one line, whatever the template and the values hold.

    Raises: BadTemplate; PayloadTooLarge.
    """
    return RenderedMail(
        subject=in_one_line(_part("subject", template.subject, variables))[:MAX_SUBJECT_CHARACTERS],
        text=_part("text", template.text, variables),
        html=_part("html", template.html, variables),
    )


def check(template: MailTemplate) -> None:
    """Find what is wrong with a template before a mail does.

    It is filled in twice: with a value for every variable, and with a code alone.

    Raises: BadTemplate, for what Jinja cannot read or fill in, a variable that there is not, a source that is too
    large, and a part that comes out empty; PayloadTooLarge.
    """
    for part, source in template:
        size = len(source.encode())
        if size > MAX_SOURCE_BYTES:
            raise BadTemplate(f"{part}: {size} bytes, {MAX_SOURCE_BYTES} are allowed")
        _check_names(part, source)
    for variables in (SAMPLE, dict.fromkeys(VARIABLES, "") | {"code": SAMPLE["code"]}):
        rendered = render(template, variables)
        for part in MailTemplate.model_fields:
            if not getattr(rendered, part).strip():
                given = "all variables" if variables is SAMPLE else "a code alone"
                raise BadTemplate(f"{part}: empty when it is filled in with {given}")


#: What templates are tried out with.
SAMPLE: Final[Mapping[str, str]] = {
    "code": "CC2M8Y5VY4MW",
    "title": "10 EUR order discount",
    "description": "10 EUR off your next order.\nValid until the end of the month, once for each customer.",
    "promotion_id": "CC_10EUR_OrderDiscount",
    "channel_id": "Specials",
    "relation": "about",
    "link": "https://shop.example.com/promotions/CC_10EUR_OrderDiscount",
    "first_name": "Ann",
    "last_name": "O'Neill & Daughters",
    "unsubscribe_link": "https://mail.example.com/u/AVU08vP8skgg1S80E1",
}


def _check_names(part: str, source: str) -> None:
    try:
        tree = _environment(part).parse(source)
        referenced, unknown = [*find_referenced_templates(tree)], find_undeclared_variables(tree) - {*VARIABLES}
    except TemplateSyntaxError as error:
        raise BadTemplate(f"{part}, line {error.lineno}: {error.message}") from error
    if referenced:
        raise BadTemplate(f"{part}: a template takes in no other one")
    if unknown:
        raise BadTemplate(f"{part}: there is no {', '.join(sorted(unknown))}, only {', '.join(VARIABLES)}")


def _part(part: str, source: str, variables: Mapping[str, str]) -> str:
    pieces: list[str] = []
    size = 0
    try:
        for piece in _compiled(part, source).generate(variables):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_PART_CHARACTERS:
                break
    except Exception as error:
        # An expression of a template may come to any error of Python's.
        raise BadTemplate(f"{part}: {error}") from error
    if size > MAX_PART_CHARACTERS:
        raise PayloadTooLarge(f"The mail is too large: its {part} has more than {MAX_PART_CHARACTERS} characters.")
    return "".join(pieces)


# A warm function compiles each source once.
@lru_cache(maxsize=100)
def _compiled(part: str, source: str) -> Template:
    return _environment(part).from_string(source)


@cache
def _environment(part: str) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=part == "html", undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # No range to count a loop with, and nothing else that is no text.
    environment.globals.clear()
    return environment
