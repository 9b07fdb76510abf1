"""JSON as a sequence of tokens.

Some samples of the documents are not valid JSON: commas are missing or stand before a closing bracket. Everything
that says something (names, order, types, values, nesting) is in the other tokens.
"""

import json
import re

_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?)|(true|false|null)|([{}\[\]:])|(,))')


def json_tokens(text: str) -> list[object]:
    """Every token but the commas; strings, numbers and literals as their values, brackets and colons in angle quotes.

    Raises: ValueError, for anything that is no token of JSON.
    """
    tokens: list[object] = []
    text = text.strip()
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"no JSON token at {text[position : position + 20]!r}")
        position = token.end()
        string, number, literal, punctuation, _ = token.groups()
        if punctuation:
            tokens.append(f"‹{punctuation}›")
        elif string or number or literal:
            tokens.append(json.loads(string or number or literal))
    return tokens
