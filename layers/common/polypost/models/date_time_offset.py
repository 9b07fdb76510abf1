"""Moments of .NET's precision."""

import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

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
            raise ValueError("must name a day and a time that exist") from error
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

    def plus_seconds(self, seconds: int) -> "DateTimeOffset":
        """The moment so many seconds later, or earlier."""
        return DateTimeOffset(self.ticks + seconds * _TICKS_PER_SECOND, self.offset_minutes)

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
