"""E-mail addresses: what is one, and when two are the same."""

from email_validator import EmailNotValidError, validate_email


class InvalidAddress(ValueError):
    """Not an address that mail can be sent to; the text says why."""


def parse_address(text: str) -> str:
    """The address as mail headers and envelopes carry it: the domain in lower case and in punycode.

    Non-ASCII local parts are refused, since SES has no SMTPUTF8. No DNS is asked, and reserved domains such as
    `example.invalid` (inxmail-commerce-sap's own) pass.

    Parameters: text, one bare address, without a display name.

    Raises: InvalidAddress.
    """
    try:
        # `globally_deliverable` off lets the reserved top-level domains pass, and with them names without a dot.
        valid = validate_email(text, check_deliverability=False, globally_deliverable=False, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise InvalidAddress(str(error)) from error
    if "." not in valid.ascii_domain:
        raise InvalidAddress("The domain has no dot.")
    return f"{valid.ascii_local_part}@{valid.ascii_domain}"


def domain_of(address: str) -> str:
    """The part after the last `@`, in lower case."""
    return address.rpartition("@")[2].lower()


def normalised(address: str) -> str:
    """The form under which two spellings of one address are the same: case folded, nothing else."""
    return address.strip().casefold()
