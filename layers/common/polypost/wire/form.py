"""Form bodies, as ASP.NET spells objects and lists in them: `ExternalIds[0].System=shop&ExternalIds[0].Id=5`.

Names are read in lower case, since ASP.NET ignores case: `A=1&a=2` is one name with two values.
"""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from polypost.errors import InvalidRequest
from polypost.web.http import Request
from polypost.wire.codec import Format
from polypost.wire.models import TWICE, Repeated, Unusable, WireModel

_MEDIA_TYPES = ("application/x-www-form-urlencoded",)

#: ASP.NET's own limit, MaxHttpCollectionKeys.
MAX_FIELDS: Final = 1000

# Deeper than any body is; what is below is taken for part of the name.
_MAX_DEPTH = 8


def _read(request: Request, _model: type[WireModel]) -> Any:
    text = request.text_of(*_MEDIA_TYPES)
    try:
        fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError as error:
        raise InvalidRequest("", "The form is not UTF-8.") from error
    except ValueError as error:
        raise InvalidRequest("", f"The form has more than {MAX_FIELDS} fields.") from error
    body: dict[str, Any] = {}
    for name, value in fields:
        _put(body, re.split(r"\]?[.\[]", name.lower().removesuffix("]"), maxsplit=_MAX_DEPTH), value)
    return {name: _with_lists(value) for name, value in body.items()}


def _put(target: dict[str, Any], path: list[str], value: str) -> None:
    *containers, last = path
    for container in containers:
        inner = target.setdefault(container, {})
        if not isinstance(inner, dict):
            target[container] = TWICE
            return
        target = inner
    match target.get(last):
        case None:
            target[last] = value
        case str() as first:
            target[last] = Repeated(TWICE.reason, first)
        case dict():
            target[last] = TWICE


def _with_lists(value: Any) -> Any:
    """The value with lists in place of objects whose names are indexes."""
    if not isinstance(value, dict):
        return value
    members = {name: _with_lists(member) for name, member in value.items()}
    if not any(re.fullmatch("[0-9]+", name) for name in members):
        return members
    indexes = [str(index) for index in range(len(members))]
    if set(indexes) != set(members):
        return Unusable("must be indexed from 0 on, without a gap")
    return [members[index] for index in indexes]


FORM: Final = Format(_MEDIA_TYPES, _read)
