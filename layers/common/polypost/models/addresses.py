"""E-mail addresses: what is one, and when two are the same."""

import re
import unicodedata
from collections.abc import Collection
from urllib.parse import unquote

import idna
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

# Whether a reserved domain can be reached is for the mail system to find out, and inxmail-commerce-sap's own samples
# use `example.invalid`. The library's documentation names this list as the way to allow such domains.
SPECIAL_USE_DOMAIN_NAMES.clear()


# A local part has 64 octets at most and a domain 255 (RFC 5321, section 4.5.3.1).
_LONGEST = 64 + 1 + 255


class InvalidAddress(ValueError):
    """Not an address that mail can be sent to; the text says why."""


def parse_address(text: str) -> str:
    """The address as mail headers and envelopes carry it: the domain in lower case and in punycode.

    Non-ASCII local parts are refused, since SES has no SMTPUTF8, and so is `=?` in one, which mail readers take for an
    encoded word (RFC 2047). No DNS is asked.

    Parameters: text, one bare address, without a display name.

    Raises: InvalidAddress.
    """
    if len(text) > _LONGEST:
        raise InvalidAddress(f"It has more than {_LONGEST} characters.")
    try:
        valid = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError as error:
        raise InvalidAddress(str(error)) from error
    if "=?" in (valid.ascii_local_part or ""):
        raise InvalidAddress('The part before the @-sign must not hold "=?".')
    return f"{valid.ascii_local_part}@{valid.ascii_domain}"


def mailable_address(text: str) -> str:
    """The address that a person reads in a text such as `Max <max@example.com>`, as `parse_address` gives it.

    Raises: InvalidAddress.
    """
    return parse_address(_bare(text) or text)


def domain_of(address: str) -> str:
    """The domain of an address in its normal form: lower case and punycode."""
    return normalised(address).rpartition("@")[2]


def normalised(address: str) -> str:
    """The normal form of an address, which is the same for all spellings that a person reads as the same address.

    Invisible characters, surrounding blanks, a trailing dot, `mailto:`, a display name or a comment, case, composed or
    decomposed letters, and punycode in the domain make no difference. Dots and plus tags do: only the mail provider
    knows what they mean. Before the @ a sharp s equals `ss`, as in Unicode's case folding; after it, it is a letter of
    its own, as in IDNA 2008.

    A text that is no address, which contacts may hold, has a normal form too: its visible characters, case folded. The
    normal form of a normal form is itself.
    """
    bare = _bare(address)
    if bare is None:
        return _folded(_visible(address))
    local, _, domain = bare.partition("@")
    return f"{_folded(local)}@{_domain(domain)}"


# The mailboxes that RFC 2142 gives to every domain for whoever has a question or a complaint.
_OFFICES = frozenset({"abuse", "hostmaster", "noc", "postmaster", "security", "support", "webmaster"})

_WORD = re.compile(r"[^\s<>()\[\],;:\"']+")


def without_strangers(text: str, known: Collection[str], stranger: str | None, mark: str) -> str:
    """A server's words with a mark for each address that is neither known nor an office, such as postmaster@.

    Parameters: known, addresses in any spelling; stranger, one that is left out though it be an office, and of which
    the part before the @ is left out too where it stands alone, unless it may be a word of a sentence.
    """
    shown = {normalised(address) for address in known}
    hidden = "" if stranger is None or normalised(stranger) in shown else normalised(stranger)
    alone = hidden.partition("@")[0]

    def shown_or_mark(word: re.Match[str]) -> str:
        address = word[0].rstrip(".")
        local_part, at, _ = address.partition("@")
        if at:
            found = normalised(address)
            is_shown = found in shown or (found != hidden and local_part.lower() in _OFFICES)
            return word[0] if is_shown else mark
        is_in_brackets = word.start() > 0 and text[word.start() - 1] in "<\"'"
        is_alone = local_part.casefold() == alone and (is_in_brackets or not alone.isalpha())
        return mark if is_alone else word[0]

    return _WORD.sub(shown_or_mark, text)


# --- Text -------------------------------------------------------------------------------------------------------------

# Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt, the format characters of interlinear annotations,
# and control characters other than white space.
_INVISIBLE = re.compile(
    "[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def _visible(text: str) -> str:
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).strip()


def _folded(text: str) -> str:
    # The Unicode Standard, section 3.13, canonical caseless matching.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


# --- Addresses in texts -----------------------------------------------------------------------------------------------

_NO_SPECIALS = r'[^\s@<>()\[\]:;,"\\]+'
# Quotation marks that are not needed are no part of the address (RFC 5321, section 4.1.2).
_BARE = re.compile(f'(?:({_NO_SPECIALS})|"({_NO_SPECIALS})")@({_NO_SPECIALS})')

_MAILTO = re.compile(r"mailto:([^?]*)(?:\?.*)?", re.IGNORECASE | re.DOTALL)

_QUOTED = r'"(?:[^"\\]|\\.)*+"'
# An end may be missing here, so that each text is read once.
_QUOTED_STRING = re.compile(f"{_QUOTED}?", re.DOTALL)
_NAMED = re.compile(rf"((?:{_QUOTED}|[^\"<>])*+)<([^<>]*)>", re.DOTALL)
_COMMENTED = re.compile(r"([^()]*)\([^()]*\)")

# Up to the blanks and dots at the end; these are the dots that separate the labels of a domain (UTS 46, section 2.3).
_TO_ITS_END = re.compile(".*[^\\s.\u3002\uff0e\uff61]", re.DOTALL)


def _bare(text: str) -> str | None:
    """The one address in a text, without what may stand around it; None if there is none."""
    address = _ended(_visible(text))
    for unwrapped in (_of_mailto, _of_name, _of_mailto):
        address = _ended(unwrapped(address))
    found = _BARE.fullmatch(address)
    return f"{found[1] or found[2]}@{found[3]}" if found else None


def _ended(text: str) -> str:
    found = _TO_ITS_END.match(text)
    return found[0] if found else ""


def _of_mailto(text: str) -> str:
    """The text without `mailto:` and what it escapes (RFC 6068)."""
    found = _MAILTO.fullmatch(text)
    return _visible(unquote(found[1])) if found else text


def _of_name(text: str) -> str:
    """The text without a display name, or a comment in its place (RFC 5322, section 3.4)."""
    if found := _NAMED.fullmatch(text):
        name = _QUOTED_STRING.sub("", found[1])
        # Another address before the brackets: the text has two, so neither is the one address.
        return text if "@" in name and re.search("[,;]", name) else found[2].strip()
    found = _COMMENTED.fullmatch(text)
    return found[1] if found else text


# --- Domains ----------------------------------------------------------------------------------------------------------

# RFC 1035, section 2.3.4. A domain in Unicode is never longer than in punycode.
_LONGEST_DOMAIN = 253


def _domain(text: str) -> str:
    """A domain in punycode and lower case; a text that is no domain, in lower case."""
    # Letter by letter, because the lower case of a Greek sigma depends on its neighbours.
    lower = "".join(map(str.lower, text))
    if len(text) <= _LONGEST_DOMAIN:
        for spelled in (text, lower):
            try:
                mapped = idna.uts46_remap(spelled, std3_rules=True, transitional=False)
                return ".".join(map(_label, mapped.split(".")))
            except idna.IDNAError:
                continue
    return lower


def _label(label: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        return label
    # Punycode may hide invisible characters.
    return idna.alabel(_visible(idna.ulabel(label))).decode()
