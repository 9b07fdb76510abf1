"""The charsets that bodies may be in: those of Python's codecs that turn bytes into text and do nothing else."""

import encodings
from encodings.aliases import aliases
from functools import cache
from pkgutil import iter_modules
from typing import Final

from polypost.errors import UnsupportedCharset

# Text codecs that are no charset of a document: domain names' (in time that grows with the square of the length),
# Python's own notations, those of the machine that this happens to run on, and UTF-7, which hides markup from whoever
# does not expect it.
_NO_CHARSETS: Final = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "charmap", "mbcs", "oem", "utf_7"}
)


def codec_of(charset: str) -> str:
    """The name of the codec of a charset; of ASCII that of UTF-8, which contains it.

    Parameters: charset, as a header or a document names it, in any case.

    Raises: UnsupportedCharset.
    """
    name = encodings.normalize_encoding(charset).lower()
    name = aliases.get(name, name)
    # Asked for among those that there are, since Python remembers every name that it looks for and does not find.
    if name not in _codecs() or not _gives_text(name):
        raise UnsupportedCharset(f"Charset '{charset:.40}' not supported")
    return "utf_8" if name == "ascii" else name


@cache
def _codecs() -> frozenset[str]:
    return frozenset(module.name for module in iter_modules(encodings.__path__)) - _NO_CHARSETS


def _gives_text(codec: str) -> bool:
    try:
        b"<".decode(codec)
    except LookupError:
        return False
    except UnicodeError:
        # One byte is none of its characters.
        return True
    return True
