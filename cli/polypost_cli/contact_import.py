"""Contacts from a CSV file, in runs that may be cut off at any moment and begun again."""

import filecmp
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from polypost.adapters.access_table import AccessTable
from polypost.adapters.contacts_table import ContactsTable
from polypost.errors import RequestError
from polypost.models.access import SpaceSettings
from polypost.models.attempts import Attempt
from polypost.models.contacts import Claim, claims_of
from polypost.usecases.create_contact import create_contact, created_earlier
from polypost.usecases.find_contact import known_secrets
from polypost_cli.contact_rows import REASON, ContactFile, Row, wanted_rows
from polypost_cli.csv_files import UnreadableFile
from polypost_cli.file_progress import file_progress
from polypost_cli.retries import retried

# Rows that are worked on at once; after them the progress is stored.
_BATCH: Final = 64
_THREADS: Final = 8

# Who is named in the history of a contact's permissions.
_CHANGED_BY: Final = "polypost"


@dataclass(frozen=True)
class ImportOutcome:
    """What became of the rows.

    `imported` of them are contacts of the space; `refused` ones are in `refused_file`, which is None where there are
    none; `unknown_columns` are those that no contact has; `warnings` are sentences about cells that are probably
    mistakes.
    """

    imported: int
    refused: int
    refused_file: Path | None
    unknown_columns: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def import_contacts(
    source: Path,
    space: str,
    stack: str,
    on_progress: Callable[[int, int], None],
    *,
    registration_source: str = "",
    access: AccessTable,
    contacts: ContactsTable,
) -> ImportOutcome:
    """Make each row of a CSV file a contact, once, however often this is cut off and begun again.

    A row's contact derives from what the row says, so a row whose answer was lost finds its own contact. A row that an
    export wrote, with the Secret of a contact that is still there, is that contact. Rows that ask for what only one
    contact may have are never worked on at the same time: the first one in the file gets it.

    Parameters: source, its columns named as the members of CreateContactDto, in any order; stack, what tells the
    stack from every other; on_progress, called with the number of rows that are done, and of all; registration_source,
    of the rows that have none, or "".

    Raises: UnreadableFile, before anything is created; FileInUse; Permanent, where the progress cannot be stored;
    Retryable, when the stack does not answer for a while. Calling again goes on from there.
    """
    file = ContactFile(source)
    if not registration_source and "RegistrationSource" not in file.columns.known.values():
        raise UnreadableFile(f"{source} has no column RegistrationSource, which every contact needs")
    total, warnings = file.checked()
    task = {"sha256": file.digest(), "space": space, "stack": stack, "registrationSource": registration_source}
    with file_progress(source, {"task": "import"} | task, file.delimiter) as progress:
        done = int(progress.position or 0)
        on_progress(done, total)
        rows = wanted_rows(file, done, space, access.address_key(), registration_source)
        for batch in _created(rows, space, access, contacts):
            refused = [
                (number, [why, *file.columns.without_reason(row.cells)])
                for number, (row, why) in enumerate(batch, done)
                if why
            ]
            done += len(batch)
            progress.step(str(done), refused)
            on_progress(done, total)
        refused_file = None
        if progress.lines:
            new = source.with_name(f"{source.name}.refused")
            progress.write(new, [REASON, *file.columns.without_reason(file.columns.names)], file.encoding)
            refused_file = _named(new, _refused_files(source))
        return ImportOutcome(total - progress.lines, progress.lines, refused_file, file.columns.unknown, warnings)


# --- Creating ---------------------------------------------------------------------------------------------------------


def batches(rows: Iterable[Row], settings: SpaceSettings) -> Iterator[list[Row]]:
    """Rows that can be worked on at once, since no two of them claim the same."""
    batch: list[Row] = []
    claimed: set[Claim] = set()
    for row in rows:
        claims = set(claims_of(row.wanted[1], settings)) if row.wanted else set()
        if len(batch) == _BATCH or claimed & claims:
            yield batch
            batch, claimed = [], set()
        batch.append(row)
        claimed |= claims
    if batch:
        yield batch


def _created(
    rows: Iterable[Row], space: str, access: AccessTable, contacts: ContactsTable
) -> Iterator[Sequence[tuple[Row, str]]]:
    """The rows in batches, when they are contacts, each with the reason why it is none, or ""."""
    stopping = threading.Event()

    def create(row: Row) -> str:
        return retried(partial(_create, row, space, access, contacts), stopping.wait)

    with ThreadPoolExecutor(_THREADS) as threads:
        try:
            for batch in batches(rows, access.settings(space)):
                there = retried(partial(_there, batch, space, access, contacts), stopping.wait)
                missing = [row for row in batch if row.attempt not in there]
                reasons = dict(zip((row.attempt for row in missing), threads.map(create, missing), strict=True))
                yield [(row, reasons.get(row.attempt, "")) for row in batch]
        finally:
            stopping.set()


def _there(batch: Iterable[Row], space: str, access: AccessTable, contacts: ContactsTable) -> set[Attempt]:
    """The rows that are contacts already."""
    rows = [row for row in batch if row.wanted]
    known = known_secrets((row.secret for row in rows if row.secret), space, access=access, contacts=contacts)
    exported = {row.attempt for row in rows if row.secret in known}
    return exported | created_earlier((row.attempt for row in rows), space, contacts=contacts)


def _create(row: Row, space: str, access: AccessTable, contacts: ContactsTable) -> str:
    """Create the contact of a row; the reason why not, or ""."""
    if row.wanted is None:
        return row.reason
    try:
        create_contact(*row.wanted, space, _CHANGED_BY, row.attempt, access=access, contacts=contacts)
    except RequestError as error:
        return error.message
    return ""


# --- Refused rows -----------------------------------------------------------------------------------------------------


def _refused_files(source: Path) -> Iterator[Path]:
    """Where the refused rows of a file may go: `FILE.refused.csv`, `FILE.refused-2.csv` and so on."""
    name = re.sub(r"\.refused(-[0-9]+)?$", "", source.stem)
    yield source.with_name(f"{name}.refused.csv")
    yield from (source.with_name(f"{name}.refused-{number}.csv") for number in count(2))


def _named(new: Path, names: Iterator[Path]) -> Path:
    """Give a file the first name that is free, so that nobody's corrections are lost, or drop it for an equal one."""
    for name in names:
        if not name.exists():
            return new.rename(name)
        if filecmp.cmp(new, name, shallow=False):
            new.unlink()
            return name
    raise AssertionError("there are names without end")
