"""Text that two people may spell differently and mean the same by."""

import unicodedata


def folded(text: str) -> str:
    """A text in the form in which neither case, nor blanks, nor composed characters make a difference.

    Source: The Unicode Standard, section 3.13, compatibility caseless matching.
    """
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", text).casefold())
    return " ".join(unicodedata.normalize("NFKC", once.casefold()).split())
