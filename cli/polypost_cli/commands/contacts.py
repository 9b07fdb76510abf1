"""`polypost contacts`: a space's contacts, from and to files."""

from pathlib import Path

import click

from polypost_cli.commands.spaces import existing
from polypost_cli.contact_files import export_contacts, import_contacts, refused_file
from polypost_cli.output import as_json, counted, tell
from polypost_cli.target import Target, on_a_stack

_of_a_space = click.option("--space", required=True, help="The space whose contacts they are.")


@click.group()
def contacts() -> None:
    """Contacts: import and export them, look at one."""


@contacts.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_of_a_space
@as_json
@on_a_stack
def import_(target: Target, file: Path, space: str, as_json: bool) -> None:
    """Create a contact for each row of FILE, a CSV file in UTF-8.

    Its first line names the columns, as the API names the members: RegistrationSource, Email, Phone, FirstName and so
    on. Stopped half-way, the same command goes on where it stopped; imported twice, a row is created once. Rows that
    are refused go to FILE.refused.csv, each with its reason.
    """
    existing(target, space)
    with counted("Importing contacts") as on_progress:
        outcome = import_contacts(file, space, on_progress, access=target.access, contacts=target.contacts)
    refused = str(refused_file(file)) if outcome.refused else None
    where = f", each with its reason in {refused}" if refused else ""
    tell(
        f"{outcome.created} rows of {file} are contacts of {space}; {outcome.refused} were refused{where}.",
        {"created": outcome.created, "refused": outcome.refused, "refused_file": refused},
        as_json=as_json,
    )


@contacts.command()
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@_of_a_space
@as_json
@on_a_stack
def export(target: Target, file: Path, space: str, as_json: bool) -> None:
    """Write every contact to FILE, a CSV file in UTF-8 that `import` reads.

    Stopped half-way, the same command goes on where it stopped.
    """
    existing(target, space)
    with counted("Exporting contacts") as on_progress:
        number = export_contacts(file, space, on_progress, contacts=target.contacts)
    tell(f"Wrote {number} contacts of {space} to {file}.", {"exported": number, "file": str(file)}, as_json=as_json)
