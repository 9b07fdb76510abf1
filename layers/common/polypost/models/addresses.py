"""E-mail addresses: what is one, and when two are the same."""

import re
from collections.abc import Collection

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

# Whether a reserved domain can be reached is for the mail system to find out, and inxmail-commerce-sap's own samples
# use `example.invalid`. The library's documentation names this list as the way to allow such domains.
SPECIAL_USE_DOMAIN_NAMES.clear()


class InvalidAddress(ValueError):
    """Not an address that mail can be sent to; the text says why."""


def parse_address(text: str) -> str:
    """The address as mail headers and envelopes carry it: the domain in lower case and in punycode.

    Non-ASCII local parts are refused, since SES has no SMTPUTF8. No DNS is asked.

    Parameters: text, one bare address, without a display name.

    Raises: InvalidAddress.
    """
    try:
        valid = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError as error:
        raise InvalidAddress(str(error)) from error
    return f"{valid.ascii_local_part}@{valid.ascii_domain}"


def domain_of(address: str) -> str:
    """The part after the last `@`, in lower case."""
    return address.rpartition("@")[2].lower()


def normalised(address: str) -> str:
    """The form under which two spellings of one address are the same: case folded, the domain in punycode.

    A text that is no address is case folded too, since contacts may hold one.
    """
    stripped = address.strip()
    try:
        # Read first: case folding makes another domain of one with a sharp s.
        return parse_address(stripped).casefold()
    except InvalidAddress:
        return stripped.casefold()


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
