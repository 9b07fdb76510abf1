"""Values as .NET spells, bounds and counts them, for members of wire models."""

import re
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from polypost.wire.models import MISSING, NOT_VALID

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
    # XML Schema's spellings are 1 and 0 besides.
    spellings = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, str):
        value = spellings.get(value.strip().lower())
    if not isinstance(value, bool):
        raise _not_valid()
    return value


#: A signed integer of 32 bits, given as a number or as a text of its digits.
Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1), BeforeValidator(_int32)]

#: A boolean, given as one or as the text `true` or `false` in any case.
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

# --- Dates ------------------------------------------------------------------------------------------------------------

_TICKS_PER_MICROSECOND = 10
_TICKS_PER_SECOND = 10_000_000
_TICKS_PER_MINUTE = 60 * _TICKS_PER_SECOND
_NANOSECONDS_PER_TICK = 100

_YEAR_1 = datetime(1, 1, 1, tzinfo=UTC)
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))?)?"
)


def _ticks(moment: datetime) -> int:
    return (moment - _YEAR_1) // timedelta(microseconds=1) * _TICKS_PER_MICROSECOND


_MAX_TICKS = _ticks(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)) + _TICKS_PER_SECOND - 1


@dataclass(frozen=True, order=True, slots=True)
class DateTimeOffset:
    """An instant of .NET's precision, 100 nanoseconds, and the offset from UTC that it was given with.

    Two of them are equal, and ordered, as their instants are. `str` gives the text on the wire, of which `parse` makes
    the same value again: it serves for storage too.

    Parameters: ticks, of 100 nanoseconds since the beginning of the year 1 in UTC; offset_minutes, -840 to 840.
    """

    ticks: int
    offset_minutes: int = field(default=0, compare=False)

    @classmethod
    def parse(cls, text: str) -> "DateTimeOffset":
        """Read `2024-11-21T06:24:04.0980817+00:00`, with no to seven fractional digits; without an offset it is UTC.

        Also a date alone, or with a blank for the T.

        Raises: ValueError, with words that continue the field's name.
        """
        found = _DATE_TIME.fullmatch(text.strip())
        if found is None:
            raise ValueError("must be a date and time such as 2024-11-21T06:24:04.0980817+00:00")
        *parts, fraction, _zulu, sign, offset_hours, offset_minutes = found.groups()
        fraction = fraction or ""
        if len(fraction) > 7:
            raise ValueError("must not have more than 7 digits of a second")
        offset = int(offset_hours or 0) * 60 + int(offset_minutes or 0)
        if offset > 14 * 60 or int(offset_minutes or 0) > 59:
            raise ValueError("must have an offset of at most 14:00")
        offset = -offset if sign == "-" else offset
        try:
            year, month, day, hour, minute, second = (int(part or 0) for part in parts)
            local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError as error:
            raise ValueError(f"is not a date and time: {error}") from error
        ticks = _ticks(local) + int(fraction.ljust(7, "0")) - offset * _TICKS_PER_MINUTE
        if not 0 <= ticks <= _MAX_TICKS:
            raise ValueError("must be from year 1 to year 9999 in UTC")
        return cls(ticks, offset)

    @classmethod
    def from_datetime(cls, moment: datetime) -> "DateTimeOffset":
        """Of a datetime that has a time zone, in UTC."""
        return cls(_ticks(moment))

    @classmethod
    def now(cls) -> "DateTimeOffset":
        """The present instant, in UTC."""
        return cls(_ticks(_UNIX_EPOCH) + time.time_ns() // _NANOSECONDS_PER_TICK)

    def to_utc(self) -> datetime:
        """As a datetime in UTC, cut to microseconds."""
        return _YEAR_1 + timedelta(microseconds=self.ticks // _TICKS_PER_MICROSECOND)

    def __str__(self) -> str:
        seconds, fraction = divmod(self.ticks + self.offset_minutes * _TICKS_PER_MINUTE, _TICKS_PER_SECOND)
        local = (_YEAR_1 + timedelta(seconds=seconds)).replace(tzinfo=None)
        hours, minutes = divmod(abs(self.offset_minutes), 60)
        sign = "-" if self.offset_minutes < 0 else "+"
        return f"{local.isoformat()}.{fraction:07}{sign}{hours:02}:{minutes:02}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time"}

    @classmethod
    def _validate(cls, value: Any) -> "DateTimeOffset":
        if isinstance(value, cls):
            return value
        try:
            return cls.parse(value if isinstance(value, str) else "")
        except ValueError as error:
            raise PydanticCustomError("date_time_offset", "{why}", {"why": str(error)}) from error
