"""`polypost events`: what became of mails, as a whole."""

from datetime import UTC, datetime
from typing import Any

import click

from polypost.models.delivery import Fact
from polypost.usecases.reclassify_events import Change, Reclassification, apply, reclassify_events
from polypost_cli.commands.spaces import existing
from polypost_cli.output import as_json, counted, progress, show_json, show_table
from polypost_cli.target import Target, on_a_stack


@click.group()
def events() -> None:
    """Events: what became of the mails of a space."""


@events.command()
@click.option("--space", required=True, help="The space whose events to read again.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="When the first event to read happened, in UTC; the first of all, if not given.",
)
@click.option("--yes", is_flag=True, help="Apply what is shown.")
@as_json
@on_a_stack
def reclassify(target: Target, space: str, since: datetime | None, yes: bool, as_json: bool) -> None:
    """Read bounces and complaints again by the table of bounces of this release, and show what changes.

    With --yes it is applied: to the lists, and to the suppressions that rest on these events alone.
    """
    limit = existing(target, space).settings.soft_bounce_limit
    start = since and since.replace(tzinfo=UTC)
    with progress("Reading events"):
        found = reclassify_events(space, start, limit, logs=target.logs, suppressions=target.suppressions)
    if not as_json:
        _show(found)
    applied = _apply(target, found) if yes else 0
    if as_json:
        show_json(_shown(found) | {"applied": applied})
    elif yes:
        click.echo(f"Applied {applied} of {len(found.changes)} changes.")
        if applied < len(found.changes):
            click.echo("The others were changed meanwhile, or their recipients erased.")
    elif found.changes:
        click.echo("Nothing was changed yet; --yes applies it.")


def _apply(target: Target, found: Reclassification) -> int:
    applied = 0
    with counted("Applying") as tell:
        for number, change in enumerate(found.changes, 1):
            applied += apply(change, logs=target.logs, suppressions=target.suppressions)
            tell(number, len(found.changes))
    return applied


def _show(found: Reclassification) -> None:
    rows = [
        (
            f"{change.old.fact.occurred_at:%Y-%m-%d %H:%M:%S}",
            change.old.message.message_id,
            change.old.fact.recipient,
            _words(change.old.fact),
            _words(change.new.fact),
        )
        for change in found.changes
    ]
    show_table(
        ("time (UTC)", "message", "recipient", "was", "is"), rows, nothing="The table takes every event as before."
    )
    for addresses, what in ((found.lifted, "gets mail again"), (found.suppressed, "gets no more mail")):
        for address in addresses:
            click.echo(f"{address} {what}.")
    click.echo(f"{len(found.changes)} of {found.read} events change.")
    if found.without_evidence:
        click.echo(f"{found.without_evidence} were left alone: their recipients were erased.")


def _words(fact: Fact) -> str:
    return f"{fact.kind} {fact.type} ({fact.rule})" if fact.type else f"{fact.kind} ({fact.rule})"


def _shown(found: Reclassification) -> dict[str, Any]:
    return {
        "read": found.read,
        "without_evidence": found.without_evidence,
        "changes": [_change(change) for change in found.changes],
        "lifted": list(found.lifted),
        "suppressed": list(found.suppressed),
    }


def _change(change: Change) -> dict[str, Any]:
    def fact(fact: Fact) -> dict[str, Any]:
        return {"kind": fact.kind, "type": fact.type, "rule": fact.rule, "error_code": fact.error_code}

    return {
        "message_id": change.old.message.message_id,
        "recipient": change.old.fact.recipient,
        "occurred_at": change.old.fact.occurred_at,
        "was": fact(change.old.fact),
        "is": fact(change.new.fact),
    }
