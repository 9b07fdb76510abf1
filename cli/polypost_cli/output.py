"""What commands print: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import click
from pydantic.alias_generators import to_camel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from polypost.errors import Retryable

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")


def short_text(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Let a text of one line pass that fits into a table (a callback of an option)."""
    if value is not None and (len(value) > 200 or not value.isprintable()):
        raise click.BadParameter("at most 200 characters, on one line", ctx, param)
    return value


def progress(what: str) -> AbstractContextManager[object]:
    """Say what goes on while it takes its time, on a terminal alone, and take it away again."""
    return Console(stderr=True).status(what)


@contextmanager
def counted(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar for work that is counted, on a terminal alone.

    Gives what to call with the number that is done, and of all, or None where nobody knows.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def goes_on() -> Iterator[None]:
    """Say of work that is cut off that the same command goes on with it."""
    try:
        yield
    except Retryable as error:
        again = "stopped, since the stack does not answer; the same command goes on from here"
        raise Retryable(f"{again}: {error}") from error.__cause__
    except KeyboardInterrupt:
        raise click.ClickException("stopped; the same command goes on from here") from None


def show_json(value: Any) -> None:
    """Print a value as JSON, its members named as in the APIs: camelCase."""
    click.echo(json.dumps(_camel(value), indent=2, ensure_ascii=False, default=str))


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {to_camel(name): _camel(member) for name, member in value.items()}
    return [_camel(member) for member in value] if isinstance(value, list) else value


def tell(sentence: str, value: Any, *, as_json: bool) -> None:
    """Say what was done: a sentence for a person, or a value as JSON."""
    if as_json:
        show_json(value)
    else:
        click.echo(sentence)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], nothing: str) -> None:
    """Print rows under their columns' names, or what to say where there are none."""
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*map(_plain, row))
    if table.row_count:
        _print(table)
    else:
        click.echo(nothing)


def show_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one pair a line; a None is left out."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        if value is not None:
            table.add_row(Text(name, style="bold"), _plain(str(value)))
    _print(table)


def show_text(text: str) -> None:
    """Print a text of several lines, such as a mail's, without what a terminal would take for commands."""
    for line in text.splitlines():
        click.echo(_printable(line.expandtabs()))


def _plain(text: str) -> Text:
    # Subjects and servers' answers come from outside: neither rich's markup nor a terminal's escapes are for them.
    return Text(_printable(text))


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _print(table: Table) -> None:
    # What is piped into another program has no width to be wrapped to.
    Console(width=None if sys.stdout.isatty() else 400).print(table)
