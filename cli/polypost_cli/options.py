"""Options that several commands take."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import click

from polypost.models.addresses import InvalidAddress, parse_address

#: A file whose text is wanted.
TEXT_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def text_of_file(ctx: click.Context, param: click.Parameter, path: Path | None) -> str | None:
    """The text of a file in UTF-8 (a callback of an option of the type TEXT_FILE)."""
    try:
        return None if path is None else path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{path} is not UTF-8", ctx, param) from error


class Address(click.ParamType):
    """An e-mail address; an international domain is written in punycode from here on."""

    name = "ADDRESS"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read an address."""
        try:
            return parse_address(str(value))
        except InvalidAddress as error:
            self.fail(f"{value} is no e-mail address: {error}", param, ctx)


class Since(click.ParamType):
    """A moment in the past: a date, a date with a time (UTC unless it says otherwise), or how long ago it is."""

    name = "DATE|AGO"

    _UNITS: ClassVar = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read a moment."""
        text = str(value)
        try:
            if ago := re.fullmatch(r"([0-9]{1,6})([dhm])", text):
                return datetime.now(UTC) - int(ago[1]) * self._UNITS[ago[2]]
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{text} is neither a date such as 2026-01-31 nor a time ago such as 7d, 12h or 30m", param, ctx)
