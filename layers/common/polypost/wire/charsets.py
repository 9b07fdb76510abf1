"""The charsets that bodies may have: Python's text codecs, without those that are no charsets."""

import encodings
from encodings.aliases import aliases
from functools import cache
from pkgutil import iter_modules
from typing import Final

from polypost.errors import UnsupportedCharset

# Text codecs that are no charsets: of domain names (which take quadratic time), of Python's own notations, of the local
# machine, and UTF-7, which hides markup.
_NO_CHARSETS: Final = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "charmap", "mbcs", "oem", "utf_7"}
)


def codec_of(charset: str) -> str:
    """The name of a charset's codec; for ASCII it is UTF-8's, which contains ASCII.

    Parameters: charset, as a header or a document names it, in any case.

    Raises: UnsupportedCharset.
    """
    name = encodings.normalize_encoding(charset).lower()
    name = aliases.get(name, name)
    # Only codecs that exist are looked up, because Python remembers every name that it does not find.
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
        # Its characters have more bytes.
        return True
    return True
