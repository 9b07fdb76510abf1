"""What text is, and how it fits into one line."""

import re

# Control characters, line and paragraph separators, lone surrogates: the categories Cc, Zl, Zp and Cs, to which Unicode
# adds nothing. Joiners and spaces of other scripts are text.
_NO_TEXT = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def is_text(value: str, *, besides: str) -> bool:
    """Whether a value holds nothing but text.

    Parameters: besides, the control characters that may stand in it.
    """
    return all(found[0] in besides for found in _NO_TEXT.finditer(value))


def in_one_line(value: str) -> str:
    """A value on one line: what is no text becomes a blank, and several blanks become one."""
    return re.sub(" +", " ", _NO_TEXT.sub(" ", value)).strip()
