"""The rows of a CSV file of contacts: how it is read, and the contact that each row asks for."""

import csv
import hashlib
import hmac
import json
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from polypost.dialects.contacts.files import EXPORTED, IMPORTED, decode_cells
from polypost.errors import InvalidRequest, Permanent
from polypost.models.attempts import Attempt
from polypost.models.contacts import Profile, Registration

#: The column that says why an import refused a row.
REASON: Final = "Reason"

_KNOWN: Final = {name.lower(): name for name in (*IMPORTED, *EXPORTED, REASON)}


class UnreadableFile(Permanent):
    """A file that is no CSV file of contacts."""


@dataclass(frozen=True)
class Columns:
    """What the first line of a file says.

    `known` are the names that an import or an export knows, by the numbers of their columns, `unknown` are all others.
    """

    names: tuple[str, ...]
    known: Mapping[int, str]
    unknown: tuple[str, ...]

    def members(self, cells: list[str]) -> dict[str, str]:
        """The cells of a row that are members of a new contact and not blank, by their names."""
        # Spreadsheets may leave out blank cells at the end of a row.
        row = {name: cells[number] for number, name in self.known.items() if number < len(cells)}
        return {name: cell for name, cell in row.items() if name in IMPORTED and cell.strip()}

    def secret(self, cells: list[str]) -> str:
        """The cell of a row that holds a contact's Secret, which an export writes, or ""."""
        return next(
            (cells[number] for number, name in self.known.items() if name == "Secret" and number < len(cells)), ""
        )

    def without_reason(self, cells: Iterable[str]) -> list[str]:
        """Cells without the one that told why an earlier import refused the row."""
        return [cell for number, cell in enumerate(cells) if self.known.get(number) != REASON]


class ContactFile:
    """A CSV file of contacts, in UTF-8, its first line with the names of the columns.

    Raises: UnreadableFile.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            # Excel begins what it saves as UTF-8 with a mark, and takes nothing else for UTF-8.
            self.encoding = "utf-8-sig" if file.read(len(BOM_UTF8)) == BOM_UTF8 else "utf-8"
        # Spreadsheets of some countries part cells with semicolons.
        first = next(filter(str.strip, self._lines()), "")
        self.delimiter = ";" if first.count(";") > first.count(",") else ","
        self.columns = self._columns()

    def digest(self) -> str:
        """What tells this file from every other content: its SHA-256."""
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def rows(self) -> Iterator[list[str]]:
        """The cells of each row; a row without any text is none.

        Raises: UnreadableFile.
        """
        return islice(self._records(), 1, None)

    def _records(self) -> Iterator[list[str]]:
        reader = csv.reader(self._lines(), delimiter=self.delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise UnreadableFile(f"{self._path}, line {line}: {error}; is a quotation mark missing?") from None
            if any(cell.strip() for cell in record):
                yield record

    def _lines(self) -> Iterator[str]:
        try:
            with self._path.open(encoding=self.encoding, newline="") as file:
                yield from file
        except UnicodeDecodeError:
            with self._path.open("rb") as binary:
                line = next(number for number, text in enumerate(binary, 1) if not _is_utf8(text))
            raise UnreadableFile(f"{self._path}, line {line}: this is not UTF-8") from None

    def _columns(self) -> Columns:
        names = next(self._records(), None)
        if names is None:
            raise UnreadableFile(f"{self._path} is empty")
        known = {number: _KNOWN[low] for number, name in enumerate(names) if (low := name.strip().lower()) in _KNOWN}
        if not set(known.values()) & set(IMPORTED):
            raise UnreadableFile(
                f"{self._path} has no column of a contact; its first line has to name them, such as Email,FirstName"
            )
        for name, times in Counter(known.values()).items():
            if times > 1:
                raise UnreadableFile(f"{self._path} has {times} columns {name}")
        unknown = (name.strip() for number, name in enumerate(names) if number not in known)
        return Columns(tuple(names), known, tuple(filter(None, unknown)))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True)
class Row:
    """A row with what it asks for.

    `attempt` is what its contact derives from; `wanted` is the contact, or None with the `reason` why there cannot be
    one; `secret` is that of the contact which an export wrote to the row, or "".
    """

    cells: list[str]
    attempt: Attempt
    secret: str
    wanted: tuple[Registration, Profile] | None
    reason: str


def wanted_rows(
    file: ContactFile, first: int, space: str, address_key: bytes, registration_source: str
) -> Iterator[Row]:
    """The rows from one on, each with an attempt that derives from what it says.

    Equal rows are told apart by their order: two people may have equal ones, where nothing in them has to be unique.

    Parameters: first, the number of rows to leave out; registration_source, of the rows that have none, or "".

    Raises: UnreadableFile.
    """
    now = datetime.now(UTC)
    for cells, seed in islice(_with_seeds(file, space, address_key), first, None):
        attempt, secret = Attempt(seed, now), file.columns.secret(cells)
        try:
            yield Row(cells, attempt, secret, _wanted(cells, file.columns, registration_source), "")
        except InvalidRequest as error:
            reasons = (message for messages in error.problems.values() for message in messages)
            yield Row(cells, attempt, secret, None, " ".join(reasons))


def _with_seeds(file: ContactFile, space: str, address_key: bytes) -> Iterator[tuple[list[str], bytes]]:
    seen: Counter[bytes] = Counter()
    for cells in file.rows():
        text = json.dumps([space, file.columns.members(cells)], sort_keys=True)
        digest = hashlib.sha256(text.encode()).digest()
        seen[digest] += 1
        yield cells, hmac.digest(address_key, b"import %d " % seen[digest] + digest, "sha256")


def _wanted(cells: list[str], columns: Columns, registration_source: str) -> tuple[Registration, Profile]:
    if any(cell.strip() for cell in cells[len(columns.names) :]):
        raise InvalidRequest("", "The row has more cells than there are columns.")
    given = {"RegistrationSource": registration_source} if registration_source else {}
    return decode_cells(given | columns.members(cells))
