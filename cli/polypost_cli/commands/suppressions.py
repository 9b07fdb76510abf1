"""`polypost suppressions`: which addresses of a space get no mail, and why."""

import getpass
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from polypost.models.addresses import InvalidAddress, parse_address
from polypost.models.bounces import RULES
from polypost.models.suppression import Cause, KnownAddress, SuppressionReason
from polypost.usecases.suppressions import lift, list_suppressions, suppress, what_stays
from polypost_cli.address_import import import_addresses
from polypost_cli.commands.spaces import chosen, of_a_space
from polypost_cli.output import as_json, counted, goes_on, progress, short_text, show_json, show_table, tell
from polypost_cli.target import Target, on_a_stack

# Addresses that one read of the list asks for.
_PAGE = 1000


@click.group()
def suppressions() -> None:
    """Suppressions: which addresses get no mail, and why; add some, lift them."""


# --- Options ----------------------------------------------------------------------------------------------------------


def _why(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None and sys.stdin.isatty():
        value = click.prompt("Reason")
    if value is None or not value.strip():
        raise click.UsageError("say why: --reason TEXT")
    return short_text(ctx, param, value)


def _who(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    try:
        return short_text(ctx, param, value or getpass.getuser())
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        raise click.UsageError("say who you are: --by NAME") from None


_reason = click.option(
    "--reason", metavar="TEXT", callback=_why, help="Why; it is recorded, and asked for on a terminal."
)
_by = click.option("--by", metavar="NAME", callback=_who, help="Who decides this; your user name, if not given.")


# --- Seeing -----------------------------------------------------------------------------------------------------------


@suppressions.command("list")
@of_a_space
@as_json
@on_a_stack
def list_(target: Target, space: str | None, as_json: bool) -> None:
    """List the addresses that get no mail, or not every mail."""
    space = chosen(target, space)
    with progress("Reading suppressions"):
        found = list(_all(target, space))
    if as_json:
        show_json([known_as_json(known) for known in found])
        return
    show_table(("address", "reasons", "since"), map(_row, found), nothing=f"No address of {space} is suppressed.")


def _all(target: Target, space: str) -> Iterator[KnownAddress]:
    after: str | None = ""
    while after is not None:
        page = list_suppressions(space, after, _PAGE, suppressions=target.suppressions)
        yield from page.entries
        after = page.next


def _row(known: KnownAddress) -> tuple[str, str, str]:
    reasons = dict.fromkeys(cause.reason for cause in known.causes)
    since = min(cause.since for cause in known.causes)
    return known.address or f"(not recorded) {known.id}", ", ".join(reasons), _time(since)


@suppressions.command()
@click.argument("address")
@of_a_space
@as_json
@on_a_stack
def show(target: Target, address: str, space: str | None, as_json: bool) -> None:
    """Show what keeps mail from ADDRESS, since when, and how suppressions of it were lifted before."""
    known = target.suppressions.known(chosen(target, space), address, datetime.now(UTC))
    if as_json:
        show_json(known_as_json(known))
    else:
        show_known(known)


def show_known(known: KnownAddress) -> None:
    """Print what keeps mail from an address, and how suppressions of it were lifted before."""
    rows = ((cause.reason, _time(cause.since), _basis(cause)) for cause in known.causes)
    show_table(("suppressed for", "since", "by"), rows, nothing=f"{known.address} is not suppressed.")
    if [cause.reason for cause in known.causes] == [SuppressionReason.UNSUBSCRIBED]:
        click.echo("Mails without List-Unsubscribe, such as invoices, still go out.")
    if known.liftings:
        liftings = (
            (", ".join(sorted(each.reasons)), _time(each.at), f"{each.by}: {each.note}") for each in known.liftings
        )
        show_table(("lifted", "on", "by"), liftings, nothing="")
    if known.standing.erased_at is not None:
        click.echo(f"A contact with the address was deleted on {_time(known.standing.erased_at)}.")


def _basis(cause: Cause) -> str:
    """What a cause rests on, in words."""
    if cause.by is not None:
        said = f"{cause.by}: {cause.note}" if cause.note else cause.by
        return f"{said} (message {cause.message_id})" if cause.message_id else said
    if cause.message_id is not None:
        return f"message {cause.message_id}, by the rule {cause.rule}: {_sentence(cause)}"
    whose = "a contact that was deleted" if cause.contact_id is None else f"the contact {cause.contact_id}"
    return f"{whose}, until {_time(cause.until)}" if cause.until else whose


def _sentence(cause: Cause) -> str:
    rule = RULES.get(cause.rule or "")
    return rule.why if rule else "the table of bounces has this rule no more"


def known_as_json(known: KnownAddress) -> dict[str, Any]:
    """What is known of an address, as other programs read it."""
    return {
        "id": known.id,
        "address": known.address,
        "causes": [asdict(cause) | {"rule_says": cause.rule and _sentence(cause)} for cause in known.causes],
        "liftings": [asdict(each) | {"reasons": sorted(each.reasons)} for each in known.liftings],
        "erased_at": known.standing.erased_at,
    }


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


# --- Adding and lifting -----------------------------------------------------------------------------------------------


@suppressions.command()
@click.argument("address")
@of_a_space
@_reason
@_by
@as_json
@on_a_stack
def add(target: Target, address: str, space: str | None, reason: str, by: str, as_json: bool) -> None:
    """Keep all mail from ADDRESS."""
    space = chosen(target, space)
    try:
        known = suppress(parse_address(address), reason, by, space, suppressions=target.suppressions)
    except InvalidAddress as error:
        raise click.UsageError(f"{address:.200} is no e-mail address: {error}") from error
    tell(f"{known.address} gets no mail of {space} any more.", known_as_json(known), as_json=as_json)


@suppressions.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@of_a_space
@_reason
@_by
@as_json
@on_a_stack
def import_(target: Target, file: Path, space: str | None, reason: str, by: str, as_json: bool) -> None:
    """Keep all mail from the addresses in FILE.

    FILE is in UTF-8. It has one address a line, or it is CSV with a column named Address or Email. What is no address
    is told with the number of its line, and the others are added all the same. A file that is imported twice changes
    nothing.
    """
    space = chosen(target, space)
    with goes_on(), counted("Importing addresses") as on_progress:
        outcome = import_addresses(file, space, reason, by, on_progress, suppressions=target.suppressions)
    if not as_json and outcome.refused:
        rows = ((str(each.line), each.text, each.reason) for each in outcome.refused)
        show_table(("line", "refused", "why"), rows, nothing="")
    sentence = f"{outcome.suppressed} addresses of {file} get no mail of {space} any more."
    if outcome.refused:
        sentence += f" {len(outcome.refused)} lines were refused."
    tell(sentence, asdict(outcome), as_json=as_json)


@suppressions.command()
@click.argument("address")
@of_a_space
@_reason
@_by
@click.option("--complaint", is_flag=True, help="Lift a complaint too: the recipient wants mail again.")
@as_json
@on_a_stack
def remove(
    target: Target, address: str, space: str | None, reason: str, by: str, complaint: bool, as_json: bool
) -> None:
    """Lift what keeps mail from ADDRESS. Who did it, when and why is recorded.

    A complaint is lifted with --complaint alone. The limit of a contact is the contact's own: change the contact.
    """
    space = chosen(target, space)
    lifting, known = lift(address, reason, by, space, complaint=complaint, suppressions=target.suppressions)
    effect = what_stays(known.causes) if known.causes else f"{known.address} gets mail of {space} again."
    tell(f"Lifted: {', '.join(sorted(lifting.reasons))}. {effect}", known_as_json(known), as_json=as_json)
