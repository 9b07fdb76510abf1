"""JSON bodies."""

import json
import re
from functools import partial
from itertools import islice
from typing import Any, Final, NoReturn

from pydantic import BaseModel

from polypost.errors import InvalidRequest
from polypost.web.http import Request
from polypost.wire.codec import WritableFormat
from polypost.wire.models import TWICE, WireModel

_MEDIA_TYPES = ("application/json", "text/json")

# Surrogates among the escapes, and in the group those that are no half of a pair: no character, and not to be written
# again.
_SURROGATES = re.compile(
    r"(?<!\\)(?:\\\\)*+\\"
    r"(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)


#: Names and values in a text: many more than any body has, and few enough that reading them costs little.
MAX_VALUES: Final = 20_000

# One match for each value but a number, true, false and null, which have a comma or a name before them. A string that
# has no end is one too, so that no two of them are searched for their end.
_VALUES = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{,]', re.DOTALL)


def read_json(text: str, what: str, *, control_characters: bool = False) -> Any:
    """The data of a JSON text, for a model to validate.

    Parameters: what, that which is JSON, as an error's sentence begins; control_characters, whether strings may hold
    line breaks, tabs and other control characters without an escape.

    Raises: ValueError, with that sentence.
    """
    if next(islice(_VALUES.finditer(text), MAX_VALUES, None), None):
        raise ValueError(f"{what} has more than {MAX_VALUES} names and values.")
    if "\\u" in text and any(surrogate[1] for surrogate in _SURROGATES.finditer(text)):
        raise ValueError(f"{what} is not JSON: half a surrogate pair.")
    try:
        # Numbers as they are spelled: a member of text may be given as one, and no digit is to be lost.
        return json.loads(
            text,
            strict=not control_characters,
            object_pairs_hook=_object,
            parse_float=str,
            parse_int=str,
            parse_constant=_no_number,
        )
    except ValueError as error:
        raise ValueError(f"{what} is not JSON: {error}.") from error
    except RecursionError as error:
        raise ValueError(f"{what} is nested too deeply.") from error


def _read(request: Request, _model: type[WireModel], *, control_characters: bool = False) -> Any:
    try:
        return read_json(request.text_of(*_MEDIA_TYPES), "The request body", control_characters=control_characters)
    except ValueError as error:
        raise InvalidRequest("", str(error)) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        members[name] = TWICE if name in members else value
    return members


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _write(body: BaseModel) -> str:
    return body.model_dump_json()


#: JSON as RFC 8259 has it, and as Jackson reads it.
JSON: Final = WritableFormat(_MEDIA_TYPES, _read, _write)

#: JSON as Json.NET's `JsonTextReader` reads it for ASP.NET: strings may hold raw control characters. What else it takes
#: is refused: comments, single quotes, unquoted names, trailing commas, hexadecimal numbers.
JSON_NET: Final = WritableFormat(_MEDIA_TYPES, partial(_read, control_characters=True), _write)
