"""E-mail addresses: what is one, and when two are the same."""

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

    Non-ASCII local parts are refused, since SES has no SMTPUTF8. No DNS is asked.

    Parameters: text, one bare address, without a display name.

    Raises: InvalidAddress.
    """
    if len(text) > _LONGEST:
        raise InvalidAddress(f"It has more than {_LONGEST} characters.")
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
