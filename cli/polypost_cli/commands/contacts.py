"""`polypost contacts`: a space's contacts, from files and to files."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from polypost.dialects.contacts.files import EXPORTED, encode_cells, encode_members
from polypost.dialects.contacts.history import export_document
from polypost.errors import NotFound
from polypost.models.contacts import PermissionChange
from polypost.usecases.find_contact import contact_by_id
from polypost.usecases.read_history import export_contact
from polypost_cli.commands.spaces import chosen, of_a_space
from polypost_cli.commands.suppressions import known_as_json, show_known
from polypost_cli.contact_export import export_contacts
from polypost_cli.contact_import import import_contacts
from polypost_cli.output import as_json, counted, goes_on, show_facts, show_json, show_table, tell
from polypost_cli.target import Target, on_a_stack


@click.group()
def contacts() -> None:
    """Contacts: import and export them, look at one."""


@contacts.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@of_a_space
@click.option("--registration-source", default="", metavar="TEXT", help="The RegistrationSource of rows without one.")
@as_json
@on_a_stack
def import_(target: Target, file: Path, space: str | None, registration_source: str, as_json: bool) -> None:
    """Create a contact for each row of a CSV file.

    FILE is in UTF-8. Its first line names the columns as the API names the members of a contact, in any order and case:
    RegistrationSource, Email, Phone, FirstName and so on. Cells are separated by commas, semicolons, tabs or |, or by
    what a line sep=; before the names says; ExternalIds are JSON in one cell.

    Rows that are refused go to FILE.refused.csv, each with the reason in its first column. Correct them there, and
    import that file. Emails that cannot be mailed, and phone numbers that a spreadsheet has rounded, such as
    4.91511E+11, are imported, with a warning.

    Stopped at any moment, the same command goes on where it stopped. A row is known by what it says, so that a file
    which is imported twice creates nothing twice.
    """
    space = chosen(target, space)
    with goes_on(), counted("Importing contacts") as on_progress:
        outcome = import_contacts(
            file,
            space,
            target.fingerprint,
            on_progress,
            registration_source=registration_source.strip(),
            access=target.access,
            contacts=target.contacts,
        )
    sentences = [f"Imported {outcome.imported} of {outcome.imported + outcome.refused} rows of {file} into {space}."]
    if outcome.refused_file:
        sentences.append(f"{outcome.refused_file} has the rows that were refused, each with the reason.")
    if outcome.unknown_columns:
        sentences.append(f"Columns that no contact has, left alone: {', '.join(map(repr, outcome.unknown_columns))}.")
    sentences += (f"Warning: {warning}" for warning in outcome.warnings)
    tell(" ".join(sentences), asdict(outcome), as_json=as_json)


@contacts.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@of_a_space
@as_json
@on_a_stack
def export(target: Target, file: Path, space: str | None, as_json: bool) -> None:
    """Write every contact to a CSV file.

    FILE is in UTF-8, and `import` reads it. One that exists is replaced when the new one is whole. Stopped at any
    moment, the same command goes on where it stopped.
    """
    space = chosen(target, space)
    with goes_on(), counted("Exporting contacts") as on_progress:
        number = export_contacts(
            file, space, target.fingerprint, lambda done: on_progress(done, None), contacts=target.contacts
        )
    tell(f"Contacts of {space} in {file}: {number}.", {"exported": number, "file": file}, as_json=as_json)


@contacts.command()
@click.argument("contact_id", metavar="ID", type=click.IntRange(1, 2**31 - 1))
@of_a_space
@click.option(
    "--export",
    "document",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file to write all that is held of the person to, as the API's export gives it.",
)
@as_json
@on_a_stack
def show(target: Target, contact_id: int, space: str | None, document: Path | None, as_json: bool) -> None:
    """Show a contact by its Id, what keeps mail from its address, and the history of its permission to be mailed."""
    space = chosen(target, space)
    try:
        contact = contact_by_id(contact_id, space, contacts=target.contacts)
    except NotFound as error:
        raise click.ClickException(f"the space {space} has no contact {contact_id}") from error
    history = target.contacts.permission_history(space, contact_id)
    email = contact.profile.email
    known = target.suppressions.known(space, email, datetime.now(UTC)) if email else None
    if document is not None:
        held = export_contact(
            contact_id, space, contacts=target.contacts, history=target.history, log_entries=target.log_entries
        )
        document.write_text(export_document(*held).model_dump_json(indent=2), "utf-8")
    if as_json:
        members = {f"{name[0].lower()}{name[1:]}": value for name, value in encode_members(contact).items()}
        show_json(
            members
            | {
                "suppression": known_as_json(known) if known and known.causes else None,
                "permission_history": [_members(change) for change in history],
            }
        )
        return
    show_facts((name, cell or None) for name, cell in zip(EXPORTED, encode_cells(contact), strict=True))
    if known is not None:
        show_known(known)
    columns = ("changed", "limited permanently", "limited until", "unsubscribed", "source", "by")
    show_table(columns, map(_row, history), nothing="The contact itself never changed what it allows.")


def _members(change: PermissionChange) -> dict[str, object]:
    until = change.limit_mails_temporarily_until
    return {
        "changed_at": str(change.changed_at),
        "limit_mails_permanently": change.limit_mails_permanently,
        "limit_mails_temporarily_until": str(until) if until else None,
        "unsubscribed": change.unsubscribed,
        "source": change.source,
        "changed_by": change.changed_by,
    }


def _row(change: PermissionChange) -> tuple[str, ...]:
    until = change.limit_mails_temporarily_until
    return (
        str(change.changed_at),
        "yes" if change.limit_mails_permanently else "no",
        str(until or ""),
        {None: "", True: "yes", False: "no longer"}[change.unsubscribed],
        change.source or "",
        change.changed_by,
    )
