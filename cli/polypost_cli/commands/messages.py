"""`polypost messages`: what became of a mail."""

from dataclasses import asdict
from datetime import datetime

import click

from polypost.models.delivery import DeliveryEvent, status_of
from polypost.models.message_ids import MESSAGE_ID, accepted_at
from polypost_cli.output import as_json, show_facts, show_json, show_table
from polypost_cli.target import Target, on_a_stack


@click.group()
def messages() -> None:
    """Messages: what is known of a mail."""


@messages.command()
@click.argument("message_id")
@as_json
@on_a_stack
def show(target: Target, message_id: str, as_json: bool) -> None:
    """Show all that is known of the message MESSAGE_ID, the id that its sender was given."""
    message_id = message_id.lower()
    if not MESSAGE_ID.fullmatch(message_id):
        raise click.UsageError(f"{message_id:.40} is no message id: 24 hexadecimal digits")
    record, events = target.logs.history(message_id)
    status = status_of(record, events)
    if as_json:
        show_json(
            {
                "messageId": message_id,
                "status": status,
                "acceptedAt": record.accepted_at if record else accepted_at(message_id),
                "message": asdict(record) if record else None,
                "events": [asdict(event.fact) for event in events],
            }
        )
        return
    facts: list[tuple[str, object]] = [
        ("message", message_id),
        ("status", status),
        ("accepted", _time(record.accepted_at if record else accepted_at(message_id))),
    ]
    if record is not None:
        facts += [
            ("space", record.ref.space),
            ("sourceSystem", record.ref.source_system),
            ("campaignId", record.ref.campaign_id),
            ("from", record.sender),
            ("to", record.recipient),
            ("bcc", record.bcc),
            ("subject", record.subject),
            ("sent", record.sent_at and _time(record.sent_at)),
            ("SES's id", record.ses_message_id),
            ("refused", record.failure),
            ("claimed until", record.lease_until and _time(record.lease_until)),
        ]
    show_facts(facts)
    if record is None:
        click.echo("No function has taken it from the queue yet, or no such mail was ever accepted.")
    columns = ("time", "event", "recipient", "type", "rule", "code", "text")
    show_table(columns, map(_row, events), nothing="No events yet.")


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _row(event: DeliveryEvent) -> tuple[str, ...]:
    fact = event.fact
    return (
        _time(fact.occurred_at),
        fact.kind,
        fact.recipient,
        fact.type or "",
        fact.rule or "",
        fact.error_code or "",
        fact.error_text or "",
    )
