"""What text is, and how it fits into one line."""

import re
from datetime import UTC, datetime

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


def shortened(text: str, length: int) -> str:
    """A text of at most so many characters: the beginning and the end of a longer one."""
    if len(text) <= length:
        return text
    mark = " … "
    end = length // 4
    return text[: length - end - len(mark)] + mark + text[-end:]


def in_utc(moment: datetime) -> str:
    """A moment as people are told of it, to the second, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
