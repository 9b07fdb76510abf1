"""Values as .NET spells, bounds and counts them, for members of wire models."""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from polypost.wire.models import MISSING, NOT_VALID, Repeated

# --- Numbers and booleans ---------------------------------------------------------------------------------------------


def _not_valid() -> PydanticCustomError:
    return PydanticCustomError(NOT_VALID, "is not valid")


def _int32(value: Any) -> Any:
    # `1.0` is none, as in Json.NET; nor is a boolean.
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,20}\s*", value):
        return int(value)
    if type(value) is not int:
        raise _not_valid()
    return value


def _boolean(value: Any) -> Any:
    # ASP.NET's CheckBoxFor sends a ticked box and a hidden `false` of the same name, and the model binder reads the
    # first of several values (ASP.NET Web API, `ValueProviderResult.ConvertTo`).
    if isinstance(value, Repeated):
        value = value.first
    # XML Schema's spellings are 1 and 0 besides.
    spellings = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, str):
        value = spellings.get(value.strip().lower())
    if not isinstance(value, bool):
        raise _not_valid()
    return value


#: A signed integer of 32 bits, given as a number or as a text of its digits.
Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1), BeforeValidator(_int32)]

#: A boolean, given as one or as the text `true` or `false` in any case; the first of several in a form.
Boolean = Annotated[bool, BeforeValidator(_boolean)]

# --- Text -------------------------------------------------------------------------------------------------------------


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError(MISSING, "is required")
    return value


#: A text that is there and not blank, as .NET's `[Required]` asks.
RequiredText = Annotated[str, AfterValidator(_not_blank)]


def utf16_length(text: str) -> int:
    """The length that .NET and SQL Server's `nvarchar` count: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True)
class MaxLength:
    """Bounds a text, in UTF-16 units: `Annotated[str, MaxLength(50)]`."""

    units: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"maxLength": self.units}

    def _validate(self, text: str | None) -> str | None:
        if text is not None and utf16_length(text) > self.units:
            message = "must be a string with a maximum length of {units}"
            raise PydanticCustomError("max_length", message, {"units": self.units})
        return text


# --- Byte arrays and GUIDs --------------------------------------------------------------------------------------------


def _byte_array(value: Any) -> Any:
    if isinstance(value, bytes):
        return value
    try:
        return b64decode(value, validate=True)
    except (TypeError, ValueError) as error:
        raise PydanticCustomError("base64", "must be base64") from error


#: A byte array, base64 on the wire.
ByteArray = Annotated[
    bytes,
    BeforeValidator(_byte_array),
    PlainSerializer(lambda value: b64encode(value).decode(), return_type=str, when_used="json"),
    Field(json_schema_extra={"contentEncoding": "base64", "format": "byte"}),
]

_HEX_DIGITS = (8, 4, 4, 4, 12)
_D = "-".join(f"[0-9a-f]{{{digits}}}" for digits in _HEX_DIGITS)
_BYTE = "0x([0-9a-f]{1,2})"
_N_D_B_P = re.compile(rf"[0-9a-f]{{32}}|{_D}|\{{{_D}\}}|\({_D}\)")
_X = re.compile(
    r"\{0x([0-9a-f]{1,8}),0x([0-9a-f]{1,4}),0x([0-9a-f]{1,4}),\{" + ",".join([_BYTE] * 8) + r"\}\}", re.ASCII
)


def parse_guid(text: str) -> UUID:
    """A GUID in any of .NET's formats N, D, B, P and X, in any case.

    Raises: ValueError. Source: .NET's `Guid.ToString(String)`.
    """
    spelled = text.strip().lower()
    if _N_D_B_P.fullmatch(spelled):
        return UUID(spelled.strip("(){}"))
    parts = _X.fullmatch(re.sub(r"\s", "", spelled))
    if parts is None:
        raise ValueError("not a GUID")
    widths = (8, 4, 4, *[2] * 8)
    return UUID("".join(part.zfill(width) for part, width in zip(parts.groups(), widths, strict=True)))


def _guid(value: Any) -> Any:
    if isinstance(value, UUID):
        return value
    try:
        return parse_guid(value if isinstance(value, str) else "")
    except ValueError as error:
        raise _not_valid() from error


#: A GUID, in any of .NET's spellings; written as D in lower case.
Guid = Annotated[UUID, BeforeValidator(_guid)]
