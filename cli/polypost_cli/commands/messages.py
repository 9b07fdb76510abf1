"""`polypost messages`: what became of a mail, and of all mails to an address."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from polypost.errors import NotFound
from polypost.models.delivery import DeliveryEvent, Fact
from polypost.models.explanations import Explanation, Trace, obstacles
from polypost.models.message_ids import MESSAGE_ID
from polypost.models.suppression import AddressStanding, SuppressionReason
from polypost.models.texts import in_utc
from polypost.usecases.trace_mail import trace_mails_to, trace_message
from polypost_cli.commands.spaces import existing
from polypost_cli.options import Address, Since
from polypost_cli.output import as_json, show_facts, show_json, show_table
from polypost_cli.target import Target, on_a_stack


@click.group()
def messages() -> None:
    """Messages: what became of a mail, and why somebody did not get one."""


@messages.command("list")
@click.option("--space", required=True, help="The space that sent the mails.")
@click.option("--to", "address", required=True, type=Address(), help="Whom they were for, a contact or not.")
@click.option("--since", type=Since(), help="Mails that were accepted from then on: 2026-01-31, or 7d, 12h, 30m ago.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
@as_json
@on_a_stack
def list_messages(target: Target, space: str, address: str, since: datetime | None, limit: int, as_json: bool) -> None:
    """List the mails to an address, newest first, each with what became of it, below what is known of the address.

    A mail that waits in the queue is not among them yet.
    """
    existing(target, space)
    now = datetime.now(UTC)
    standing, found = trace_mails_to(
        address,
        since,
        limit,
        space,
        now,
        logs=target.logs,
        history=target.history,
        suppressions=target.suppressions,
    )
    reasons = obstacles(standing, now)
    if as_json:
        show_json(
            {
                "address": address,
                "standing": {
                    "getsMail": standing.suppression(now, unsubscribable=False) is None,
                    "reasons": [{"rule": reason, "why": words} for reason, words in reasons.items()],
                    "erasedAt": standing.erased_at,
                },
                "messages": [
                    {"messageId": trace.message_id, "acceptedAt": trace.accepted_at, "subject": _subject(trace)}
                    | _members(explanation)
                    for trace, explanation in found
                ],
            }
        )
        return
    show_facts([("address", address), *_standing(standing, reasons)])
    click.echo()
    show_table(
        ("accepted", "message", "subject", "status", "why"),
        (
            (in_utc(trace.accepted_at), trace.message_id, _subject(trace), explanation.status, explanation.sentence)
            for trace, explanation in found
        ),
        nothing="No mail to this address is recorded; one that waits in the queue is not yet.",
    )
    if len(found) == limit:
        click.echo("There may be more: see --limit and --since.", err=True)


def _standing(standing: AddressStanding, reasons: Mapping[SuppressionReason, str]) -> Iterator[tuple[str, str]]:
    for reason, words in reasons.items():
        which = "mail without List-Unsubscribe alone" if reason is SuppressionReason.UNSUBSCRIBED else "no mail"
        yield "standing", f"gets {which}: {words} (rule: {reason})"
    if not reasons:
        yield "standing", "gets mail"
    if standing.erased_at is not None:
        yield "erased", f"{in_utc(standing.erased_at)}; what was accepted before is recorded without the address"


def _subject(trace: Trace) -> str:
    return trace.record.subject if trace.record else ""


@messages.command()
@click.argument("message_id")
@as_json
@on_a_stack
def show(target: Target, message_id: str, as_json: bool) -> None:
    """Show all that is known of the message MESSAGE_ID, the id that its sender was given, and what became of it.

    An id that the stack never gave is unknown, with exit status 1.
    """
    message_id = message_id.lower()
    if not MESSAGE_ID.fullmatch(message_id):
        raise click.UsageError(f"{message_id:.40} is no message id: 24 hexadecimal digits")
    try:
        trace, explanations = trace_message(
            message_id,
            datetime.now(UTC),
            access=target.access,
            logs=target.logs,
            suppressions=target.suppressions,
        )
    except NotFound:
        if as_json:
            show_json({"messageId": message_id, "status": "unknown"})
        raise
    (first, *copies), record = explanations, trace.record
    if as_json:
        show_json(
            {
                "messageId": message_id,
                "status": first.status,
                "acceptedAt": trace.accepted_at,
                "recipients": [_members(each) for each in explanations],
                "message": asdict(record) if record else None,
                "events": [asdict(event.fact) for event in trace.events],
            }
        )
        return
    facts: list[tuple[str, object]] = [("message", message_id), *explained(first)]
    for copy in copies:
        facts += [("copy to", copy.recipient or "somebody who was erased"), *explained(copy)]
    facts.append(("accepted", in_utc(trace.accepted_at)))
    if record is not None:
        facts += [
            ("space", record.ref.space),
            ("sourceSystem", record.ref.source_system),
            ("campaignId", record.ref.campaign_id),
            ("from", record.sender),
            ("to", record.recipient),
            ("bcc", record.bcc),
            ("subject", record.subject),
            ("sent", record.sent_at and in_utc(record.sent_at)),
            ("SES's id", record.ses_message_id),
            ("refused", record.failure),
            ("claimed until", record.lease_until and in_utc(record.lease_until)),
        ]
        if record.copy is not None:
            facts += [
                ("bcc sent", record.copy.sent_at and in_utc(record.copy.sent_at)),
                ("bcc, SES's id", record.copy.ses_message_id),
                ("bcc refused", record.copy.failure),
                ("bcc claimed until", record.copy.lease_until and in_utc(record.copy.lease_until)),
            ]
    show_facts(facts)
    columns = ("time", "event", "recipient", "type", "rule", "code", "text")
    show_table(columns, map(_row, trace.events), nothing="No events yet.")


def explained(explanation: Explanation) -> list[tuple[str, object]]:
    """An explanation as facts to show."""
    return [
        ("status", explanation.status),
        ("why", explanation.sentence),
        ("rule", explanation.rule),
        ("evidence", explanation.evidence and _evidence(explanation.evidence)),
    ]


def _evidence(fact: Fact) -> str:
    ses_type = fact.evidence.ses_type if fact.evidence else None
    said = ", ".join(filter(None, (ses_type, fact.error_code, fact.error_text)))
    return f"{fact.kind} at {in_utc(fact.occurred_at)}{f': {said}' if said else ''}"


def _members(explanation: Explanation) -> dict[str, Any]:
    return {
        "recipient": explanation.recipient,
        "status": explanation.status,
        "why": explanation.sentence,
        "rule": explanation.rule,
        "evidence": explanation.evidence and asdict(explanation.evidence),
    }


def _row(event: DeliveryEvent) -> tuple[str, ...]:
    fact = event.fact
    return (
        in_utc(fact.occurred_at),
        fact.kind,
        fact.recipient,
        fact.type or "",
        fact.rule or "",
        fact.error_code or "",
        fact.error_text or "",
    )
