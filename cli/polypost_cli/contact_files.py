"""Contacts from and to CSV files, in runs that may be cut off at any moment and begun again."""

import csv
import hashlib
import hmac
import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from polypost.adapters.access_table import AccessTable
from polypost.adapters.contacts_table import ContactsTable
from polypost.attempts import Attempt
from polypost.date_time_offset import DateTimeOffset
from polypost.dialects import contacts as dialect
from polypost.errors import InvalidRequest, Permanent, RequestError, Retryable
from polypost.models.contacts import Claim, Contact, Profile, Registration, claims_of
from polypost.usecases.create_contact import create_contact

# Rows that are created at once; after them the progress is written down.
_BATCH: Final = 64
_THREADS: Final = 8

# Pauses before a row is tried again, in seconds.
_PAUSES: Final = (0.5, 1.0, 2.0, 4.0)

# Contacts that one read of an export asks for.
_PAGE: Final = 500

#: The column of a refused row that says why.
REASON: Final = "Reason"

#: Called with the number of rows that are done, and of all.
OnProgress = Callable[[int, int], None]


class UnreadableFile(Permanent):
    """A file that is no CSV of contacts."""


# --- Import -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ImportOutcome:
    """What became of the rows: how many are contacts of the space, and how many were refused."""

    created: int
    refused: int


@dataclass(frozen=True)
class _Row:
    """A row of the file, and what its contact derives from."""

    cells: tuple[str, ...]
    seed: bytes


@dataclass(frozen=True)
class _Candidate:
    """A row with what it asks for, or with the reason why it cannot be had."""

    row: _Row
    wanted: tuple[Registration, Profile] | None
    reason: str
    claims: frozenset[Claim]


def refused_file(source: Path) -> Path:
    """Where the refused rows of a file go, each with its reason."""
    return source.with_name(f"{source.stem}.refused.csv")


def import_contacts(
    source: Path, space: str, on_progress: OnProgress, *, access: AccessTable, contacts: ContactsTable
) -> ImportOutcome:
    """Create a contact for each row of a CSV file, once, however often this is cut off and begun again.

    A row's contact derives from the row's own text, so that a row whose answer was lost finds its own contact. Rows
    that share what only one contact may have are never created at the same time: the first one in the file gets it.

    Parameters: source, in UTF-8, its columns named as the members of CreateContactDto, in any order; others are left
    alone.

    Raises: UnreadableFile; Retryable, when the stack does not answer: the next call goes on from there.
    """
    columns, records = _read(source)
    total = sum(1 for _ in records())
    progress = _Progress(source, {"sha256": _digest(source), "space": space, "addressKey": _key_name(access)})
    done, created = progress.get("done"), progress.get("created")
    rows = islice(_rows(records(), space, access.address_key()), done, None)
    create = partial(_create, space=space, access=access, contacts=contacts)
    on_progress(done, total)
    with _appended(refused_file(source), progress.get("bytes")) as refused, ThreadPoolExecutor(_THREADS) as threads:
        if refused.tell() == 0:
            _write(refused, [[*columns, REASON]])
        for batch in _batches(_candidates(rows, columns, space, access)):
            reasons = list(threads.map(create, batch))
            _write(refused, ([*item.row.cells, why] for item, why in zip(batch, reasons, strict=True) if why))
            done += len(batch)
            created += sum(not why for why in reasons)
            progress.save({"done": done, "created": created, "bytes": _on_disk(refused)})
            on_progress(done, total)
    progress.end()
    if created == total:
        refused_file(source).unlink()
    return ImportOutcome(created, total - created)


def _read(source: Path) -> tuple[list[str], Callable[[], Iterator[list[str]]]]:
    """The columns' names, and what gives the records from the first one on."""

    def lines() -> Iterator[list[str]]:
        with source.open(encoding="utf-8-sig", newline="") as file:
            # Spreadsheets of some countries part the cells by semicolons.
            header = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=";" if header.count(";") > header.count(",") else ",", strict=True)
            try:
                yield from (record for record in reader if record)
            except UnicodeDecodeError as error:
                raise UnreadableFile(f"{source} is not UTF-8") from error
            except csv.Error as error:
                raise UnreadableFile(f"{source}, line {reader.line_num}: {error}") from error

    columns = next(lines(), [])
    known = {name.lower() for name in dialect.IMPORTED}
    found = [column.lower() for column in columns if column.lower() in known]
    if not found:
        raise UnreadableFile(f"{source} has no column of a contact; its first line names them: {dialect.IMPORTED}")
    if len(found) != len(set(found)):
        raise UnreadableFile(f"{source} has a column twice")
    return columns, lambda: islice(lines(), 1, None)


def _rows(records: Iterable[list[str]], space: str, address_key: bytes) -> Iterator[_Row]:
    seen: Counter[bytes] = Counter()
    for record in records:
        digest = hashlib.sha256(json.dumps([space, record]).encode()).digest()
        # Two people may have the same row, as long as nothing in it has to be unique.
        seen[digest] += 1
        yield _Row(tuple(record), hmac.digest(address_key, b"import %d " % seen[digest] + digest, "sha256"))


def _candidates(rows: Iterable[_Row], columns: Sequence[str], space: str, access: AccessTable) -> Iterator[_Candidate]:
    for row in rows:
        try:
            if len(row.cells) > len(columns):
                raise InvalidRequest("", "The row has more cells than there are columns.")
            wanted = dialect.decode_cells(dict(zip(columns, row.cells, strict=False)))
        except InvalidRequest as error:
            problems = (message for messages in error.problems.values() for message in messages)
            yield _Candidate(row, None, " ".join(problems), frozenset())
        else:
            yield _Candidate(row, wanted, "", frozenset(claims_of(wanted[1], access.settings(space))))


def _batches(candidates: Iterable[_Candidate]) -> Iterator[list[_Candidate]]:
    """Rows that can be created at once, since no two of them claim the same."""
    batch: list[_Candidate] = []
    claimed: set[Claim] = set()
    for candidate in candidates:
        if len(batch) == _BATCH or claimed & candidate.claims:
            yield batch
            batch, claimed = [], set()
        batch.append(candidate)
        claimed |= candidate.claims
    if batch:
        yield batch


def _create(candidate: _Candidate, *, space: str, access: AccessTable, contacts: ContactsTable) -> str:
    """Create a row's contact; the reason why not, or nothing."""
    if candidate.wanted is None:
        return candidate.reason
    attempt = Attempt(candidate.row.seed, datetime.now(UTC))
    for pause in (*_PAUSES, None):
        try:
            create_contact(*candidate.wanted, space, "polypost", attempt, access=access, contacts=contacts)
        except RequestError as error:
            return error.message
        except Retryable:
            if pause is None:
                raise
            time.sleep(pause)
        else:
            break
    return ""


# --- Export -----------------------------------------------------------------------------------------------------------


def export_contacts(target: Path, space: str, on_progress: OnProgress, *, contacts: ContactsTable) -> int:
    """Write every contact of a space to a CSV file; how many there were.

    A contact that changes while it runs is written as it was when it was read first.

    Raises: Retryable, when the stack does not answer: the next call goes on from there.
    """
    progress = _Progress(target, {"space": space})
    position = progress.get_text("position")
    with _appended(target, progress.get("bytes")) as file:
        written = _ids(target) if file.tell() else set()
        if not file.tell():
            _write(file, [dialect.EXPORTED])
        has_more = True
        while has_more:
            now = DateTimeOffset.now()
            page = contacts.changes(space, position, _PAGE, end=now, now=now, past_announcements=True)
            new = [each for each in page.changes if isinstance(each, Contact) and each.id not in written]
            _write(file, (dialect.encode_cells(contact) for contact in new))
            written |= {contact.id for contact in new}
            position, has_more = page.position, page.has_more
            progress.save({"position": position, "bytes": _on_disk(file)})
            on_progress(len(written), len(written))
    progress.end()
    return len(written)


def _ids(target: Path) -> set[int]:
    with target.open(encoding="utf-8", newline="") as file:
        return {int(row["Id"]) for row in csv.DictReader(file)}


# --- Files ------------------------------------------------------------------------------------------------------------


class _Progress:
    """How far a file is done, in another one beside it, for as long as it is not done.

    Parameters: identity, what makes it the same work: a progress of other work is no progress of this one.
    """

    def __init__(self, path: Path, identity: Mapping[str, str]) -> None:
        self._path = path.with_name(f"{path.name}.progress")
        self._identity = dict(identity)
        self._state: dict[str, Any] = {}
        try:
            state = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            return
        if state["of"] == self._identity:
            self._state = state

    def get(self, name: str) -> int:
        return int(self._state.get(name, 0))

    def get_text(self, name: str) -> str:
        return str(self._state.get(name, ""))

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace what was written down, at once and whole."""
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_text(json.dumps({"of": self._identity, **state}))
        os.replace(new, self._path)

    def end(self) -> None:
        self._path.unlink(missing_ok=True)


def _appended(path: Path, size: int) -> BinaryIO:
    """A file to append to, without what an earlier run wrote after it last wrote down its progress."""
    file = path.open("r+b" if size and path.exists() else "w+b")
    file.truncate(size)
    file.seek(0, os.SEEK_END)
    return file


def _write(file: BinaryIO, records: Iterable[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(records)
    file.write(text.getvalue().encode())


def _on_disk(file: BinaryIO) -> int:
    """How long a file is, once all of it is stored."""
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _key_name(access: AccessTable) -> str:
    """What tells one stack's import from another's."""
    return hashlib.sha256(access.address_key()).hexdigest()[:16]
