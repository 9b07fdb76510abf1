"""`polypost queues`: what waits, and what was put aside."""

from collections.abc import Mapping
from typing import Any

import click

from polypost.errors import PolypostError, Retryable
from polypost_cli.aws import Redriven
from polypost_cli.output import as_json, counted, progress, show_json, show_table, tell
from polypost_cli.target import QUEUES, Target, on_a_stack

# So many messages are moved without a question.
_UNASKED = 100


class _ShowsByDefault(click.Group):
    """Shows the queues where no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ShowsByDefault)
def queues() -> None:
    """Queues: how many messages wait in each, and for how long. Without a command they are shown."""


@queues.command()
@as_json
@on_a_stack
def show(target: Target, as_json: bool) -> None:
    """Show each queue and its dead-letter queue.

    `waiting` counts the messages that nobody has received, `in flight` those that are being worked on or tried again
    later, `delayed` those that are held back. All numbers are SQS's estimates, and `oldest` is the age of the oldest
    message as SQS last told CloudWatch.
    """
    named = [(name, is_dead, pair[is_dead]) for name, pair in QUEUES.items() for is_dead in (False, True)]
    urls = [target.output(output) for _, _, output in named]
    with progress("Asking SQS"):
        depths = [target.queues.depth(url) for url in urls]
        try:
            ages = target.queues.ages(urls)
        except PolypostError as error:
            ages = [None] * len(urls)
            click.echo(f"The ages are not known: {error}", err=True)
    rows = [
        {
            "queue": name,
            "deadLetters": is_dead,
            "waiting": depth.waiting,
            "inFlight": depth.in_flight,
            "delayed": depth.delayed,
            # CloudWatch may tell of messages that have left since.
            "oldestSeconds": None if age is None or depth.is_empty else round(age.total_seconds()),
        }
        for (name, is_dead, _), depth, age in zip(named, depths, ages, strict=True)
    ]
    if as_json:
        show_json(rows)
    else:
        columns = ("queue", "waiting", "in flight", "delayed", "oldest")
        show_table(columns, map(_cells, rows), nothing="")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"{row['queue']}, dead letters" if row["deadLetters"] else row["queue"]
    numbers = (str(row[column]) for column in ("waiting", "inFlight", "delayed"))
    return (name, *numbers, "-" if row["oldestSeconds"] is None else _in_words(row["oldestSeconds"]))


def _in_words(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if number]
    return " ".join(parts[:2]) or f"{seconds} s"


@queues.command()
@click.argument("queue", type=click.Choice([*QUEUES]))
@click.option("--limit", type=click.IntRange(min=1), help="How many messages to move at most; all, if not given.")
@click.option("--yes", is_flag=True, help=f"Do not ask, however many there are; up to {_UNASKED} are moved unasked.")
@as_json
@on_a_stack
def redrive(target: Target, queue: str, limit: int | None, yes: bool, as_json: bool) -> None:
    """Move the dead letters of QUEUE back into it.

    That includes what SNS itself put aside. Moving a message twice changes nothing: a mail is claimed by its id, an
    event is stored once, an erasure may be repeated.
    """
    to, source = (target.output(output) for output in QUEUES[queue])
    depth = target.queues.depth(source).waiting
    number = depth if limit is None else min(depth, limit)
    if number > _UNASKED and not yes:
        click.confirm(f"Move {_counted(number)} back into the queue {queue}?", abort=True, err=as_json)
    done = Redriven(0, 0)
    try:
        with counted("Moving dead letters") as on_progress:
            for done in target.queues.redrive(source, to, limit):
                on_progress(done.moved, max(number, done.moved))
    except Retryable as error:
        moved = f"stopped after {_counted(done.moved)}; the same command goes on with the others"
        raise Retryable(f"{moved}: {error}") from error.__cause__
    sentences = [f"Moved {_counted(done.moved)} back into the queue {queue}."]
    if done.came_back:
        sentences.append(f"Of them {done.came_back} came back at once; the log of its function says why.")
    tell(
        " ".join(sentences) if done.moved else f"The queue {queue} has no dead letters.",
        {"queue": queue, "moved": done.moved, "cameBack": done.came_back},
        as_json=as_json,
    )


def _counted(number: int) -> str:
    return f"{number} dead letter{'' if number == 1 else 's'}"
