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
_TICKS_PER_MILLISECOND = 10_000
_TICKS_PER_SECOND = 10_000_000
_TICKS_PER_MINUTE = 60 * _TICKS_PER_SECOND
_TICKS_PER_DAY = 24 * 60 * _TICKS_PER_MINUTE
_NANOSECONDS_PER_TICK = 100

_YEAR_1 = datetime(1, 1, 1, tzinfo=UTC)
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_OFFSET = r"(?:[Zz]|GMT|([+-][0-9]{2})(?::?([0-9]{2}))?)"
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    rf"(?:[Tt ]([0-9]{{2}}):([0-9]{{2}})(?::([0-9]{{2}})(?:\.([0-9]+))?)?(?: ?{_OFFSET})?)?"
)
# RFC 1123's format, as `DateTime.ToString("r")` writes it, and RFC 5322's, which is the same with an offset.
_RFC_1123 = re.compile(
    r"(?:(mon|tue|wed|thu|fri|sat|sun), )?([0-9]{1,2}) (jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec) ([0-9]{4})"
    rf" ([0-9]{{2}}):([0-9]{{2}})(?::([0-9]{{2}}))? {_OFFSET}",
    re.IGNORECASE | re.ASCII,
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

# As ASP.NET's JavaScriptSerializer and WCF write it: milliseconds since 1970 in UTC, and the offset of the local time.
_MICROSOFT = re.compile(r"/Date\((-?[0-9]{1,15})(?:([+-][0-9]{2})([0-9]{2})?)?\)/")


def _ticks(moment: datetime) -> int:
    return (moment - _YEAR_1) // timedelta(microseconds=1) * _TICKS_PER_MICROSECOND


def _offset_minutes(hours: str | None, minutes: str | None) -> int:
    """Parameters: hours, with their sign; either is None where it is not given.

    Raises: ValueError.
    """
    magnitude = int((hours or "+0")[1:]) * 60 + int(minutes or 0)
    if magnitude > 14 * 60 or int(minutes or 0) > 59:
        raise ValueError("must have an offset of at most 14:00")
    return -magnitude if hours and hours[0] == "-" else magnitude


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
        """Read a moment as Json.NET reads one from a JSON string; without an offset it is UTC.

        `2024-11-21T06:24:04.0980817+00:00` with any number of fractional digits, rounded to seven; the offset also as
        `+0000`, `+00` or `Z`, and after a blank; a date alone, or with a blank for the T; `/Date(1732170244098)/` and
        `/Date(1732170244098+0100)/`; `Thu, 21 Nov 2024 06:24:04 GMT`. Dates that depend on a culture (`11/21/2024`) and
        the hour 24 are not read.

        Raises: ValueError, with words that continue the field's name. Source: Json.NET's `DateTimeParser` and
        `DateTimeUtils.TryParseDateTimeOffset`, and .NET's `DateTimeOffset.Parse`, which it falls back to.
        """
        spelled = text.strip()
        if found := _ISO.fullmatch(spelled):
            year, month, day, hour, minute, second, fraction, *offset = found.groups()
            return cls._of_local((year, month, day, hour, minute, second), fraction or "", *offset)
        if found := _RFC_1123.fullmatch(spelled):
            weekday, day, name, year, hour, minute, second, *offset = found.groups()
            month = str(_MONTHS.index(name.lower()) + 1)
            moment = cls._of_local((year, month, day, hour, minute, second), "", *offset)
            if weekday and _DAYS.index(weekday.lower()) != moment._local_days() % len(_DAYS):
                raise ValueError("must name the weekday that the date falls on")
            return moment
        if found := _MICROSOFT.fullmatch(spelled):
            milliseconds, *offset = found.groups()
            ticks = _ticks(_UNIX_EPOCH) + int(milliseconds) * _TICKS_PER_MILLISECOND
            return cls._checked(ticks, _offset_minutes(*offset))
        raise ValueError("must be a date and time such as 2024-11-21T06:24:04.0980817+00:00")

    @classmethod
    def _of_local(
        cls, parts: tuple[str | None, ...], fraction: str, offset_hours: str | None, offset_minutes: str | None
    ) -> "DateTimeOffset":
        """From year, month, day, hour, minute and second at an offset, and the digits of a fraction."""
        offset = _offset_minutes(offset_hours, offset_minutes)
        try:
            year, month, day, hour, minute, second = (int(part or 0) for part in parts)
            local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError as error:
            raise ValueError("must name a day and a time that exist") from error
        fraction_ticks = int(fraction[:7].ljust(7, "0")) + (fraction[7:8] >= "5")
        return cls._checked(_ticks(local) + fraction_ticks - offset * _TICKS_PER_MINUTE, offset)

    @classmethod
    def _checked(cls, ticks: int, offset_minutes: int) -> "DateTimeOffset":
        if not 0 <= ticks <= _MAX_TICKS or not 0 <= ticks + offset_minutes * _TICKS_PER_MINUTE <= _MAX_TICKS:
            raise ValueError("must be from year 1 to year 9999, in UTC too")
        return cls(ticks, offset_minutes)

    def _local_days(self) -> int:
        """Days since a Monday, the first day of the year 1."""
        return (self.ticks + self.offset_minutes * _TICKS_PER_MINUTE) // _TICKS_PER_DAY

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
