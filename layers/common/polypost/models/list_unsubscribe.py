"""The header List-Unsubscribe: where a recipient says that they want no more mail.

Source: RFC 2369, sections 2 and 3.2; RFC 8058, section 3.1.
"""

import re
from typing import Final
from urllib.parse import quote, urlsplit

from polypost.models.addresses import InvalidAddress, parse_address

#: A line may have 998 characters, and a URI cannot be folded (RFC 5322).
MAX_URI_CHARACTERS: Final = 900
_LONGEST: Final = 10_000

_COMMENTS: Final = r"(?:\s|\([^()<>]*\))*"
_URI: Final = r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>]+"
_ELEMENT: Final = rf"{_COMMENTS}<\s*{_URI}\s*>{_COMMENTS}"
_HEADER: Final = re.compile(rf"{_ELEMENT}(?:,{_ELEMENT})*")
_BRACKETED: Final = re.compile(rf"<\s*({_URI})\s*>")


def parse_list_unsubscribe(text: str) -> str:
    """The header's value for what a client gave: `<https://example.com/u>, <mailto:u@example.com>`.

    Comments are left out, which no reader looks at. A lone address of the web, or of a mailbox, is put between angle
    brackets: without them mail programs ignore the header.

    Raises: ValueError, with words that continue the field's name.
    """
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must hold URIs, in ASCII")
    if len(text) > _LONGEST:
        raise ValueError(f"must not be longer than {_LONGEST} characters")
    uris = _BRACKETED.findall(text) if _HEADER.fullmatch(text) else [_lone_uri(text.strip())]
    if max(map(len, uris)) > MAX_URI_CHARACTERS:
        raise ValueError(f"must hold URIs of at most {MAX_URI_CHARACTERS} characters")
    if not all(map(_leads_somewhere, uris)):
        raise ValueError("must hold URIs that name a host, or a mailbox")
    return ", ".join(f"<{uri}>" for uri in uris)


def _lone_uri(text: str) -> str:
    if re.fullmatch(r"(?i:https?|mailto):[^\s<>]+", text):
        return text
    try:
        return f"mailto:{quote(parse_address(text), safe='@!$*+-._~')}"
    except InvalidAddress as error:
        raise ValueError("must be one or more <URI>, separated by commas") from error


def _leads_somewhere(uri: str) -> bool:
    scheme, _, rest = uri.partition(":")
    match scheme.lower():
        case "http" | "https":
            try:
                return bool(urlsplit(uri).hostname)
            except ValueError:
                return False
        case "mailto":
            return re.match(r"[^@?]+(@|%40)[^@?]+", rest) is not None
    return True


def takes_one_click(value: str) -> bool:
    """Whether a header's value has an https URI, which alone a mail program may post to."""
    return re.search("<https:", value, re.IGNORECASE) is not None
