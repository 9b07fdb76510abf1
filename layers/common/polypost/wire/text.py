"""Members that are text which ends up in a mail: what it may hold, and when there is none."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from polypost.errors import excerpt
from polypost.models.addresses import InvalidAddress, parse_address
from polypost.models.texts import is_text


def _line(value: str) -> str:
    if not is_text(value, besides="\t"):
        raise PydanticCustomError("line", "must not contain line breaks or control characters")
    return value


def _lines(value: str) -> str:
    if not is_text(value, besides="\t\r\n"):
        raise PydanticCustomError("lines", "must not contain control characters")
    return value


def _address(value: str) -> str:
    try:
        return parse_address(value.strip())
    except InvalidAddress as error:
        why = excerpt(str(error)).removesuffix(".")
        raise PydanticCustomError("address", "is not a valid e-mail address: {why}", {"why": why}) from error


def _trimmed(value: Any) -> Any:
    return value.strip() or None if isinstance(value, str) else value


#: A text that may stand in a header: a line break in one would begin another header.
Line = Annotated[str, AfterValidator(_line)]

#: A text of any number of lines.
Lines = Annotated[str, AfterValidator(_lines)]

#: Takes a text only if it is one e-mail address: `Annotated[Line, MailAddress]`.
MailAddress = AfterValidator(_address)

#: Reads a text without the blanks around it, and a blank one as none at all: `Annotated[Line | None, Trimmed]`.
Trimmed = BeforeValidator(_trimmed)
