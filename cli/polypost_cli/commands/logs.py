"""`polypost logs`: mails that other systems told of."""

import re
from dataclasses import asdict

import click

from polypost_cli.output import as_json, show_facts, show_json, show_text
from polypost_cli.target import Target, on_a_stack


@click.group()
def logs() -> None:
    """Log entries: mails that other systems told of."""


@logs.command()
@click.argument("entry_id")
@as_json
@on_a_stack
def show(target: Target, entry_id: str, as_json: bool) -> None:
    """Show the log entry ENTRY_ID, the id that its sender was given, with its whole body."""
    entry_id = entry_id.lower()
    if not re.fullmatch(r"[0-9a-f]{32}", entry_id):
        raise click.UsageError(f"{entry_id:.40} is no id of a log entry: 32 hexadecimal digits")
    found = target.log_entries.get(entry_id)
    if found is None:
        raise click.ClickException(f"there is no log entry {entry_id}")
    entry, body = found
    if as_json:
        show_json(asdict(entry) | {"body": body})
        return
    show_facts(
        [
            ("entry", entry.id),
            ("space", entry.space),
            ("to", entry.email),
            ("subject", entry.subject),
            ("sent", f"{entry.sent_at:%Y-%m-%d %H:%M:%S} UTC" if entry.sent_at else None),
            ("sent by", entry.sent_by),
            ("logged", f"{entry.logged_at:%Y-%m-%d %H:%M:%S} UTC"),
        ]
    )
    click.echo()
    show_text(body or "")
