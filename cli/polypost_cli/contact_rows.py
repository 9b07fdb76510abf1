"""The rows of a CSV file of contacts: how it is read, and the contact that each row asks for."""

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from polypost.dialects.contacts.files import EXPORTED, IMPORTED, decode_cells
from polypost.errors import InvalidRequest
from polypost.models.addresses import InvalidAddress, mailable_address
from polypost.models.attempts import Attempt
from polypost.models.contacts import Profile, Registration
from polypost_cli.csv_files import CsvFile, UnreadableFile

#: The column that says why an import refused a row.
REASON: Final = "Reason"


# How a spreadsheet writes a long number: rounded to a few digits.
_ROUNDED: Final = re.compile(r"\s*[+-]?[0-9]+([.,][0-9]+)?E[+-]?[0-9]+\s*", re.IGNORECASE)

_KNOWN: Final = {name.lower(): name for name in (*IMPORTED, *EXPORTED, REASON)}


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


class ContactFile(CsvFile):
    """A CSV file of contacts, its first line with the names of the columns.

    Raises: UnreadableFile.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.columns = self._columns()

    def rows(self) -> Iterator[list[str]]:
        """The cells of each row; a row without any text is none.

        Raises: UnreadableFile.
        """
        return (cells for _, cells in islice(self.records(), 1, None))

    def checked(self) -> tuple[int, tuple[str, ...]]:
        """The number of rows, and warnings about cells that can be imported but are probably mistakes.

        Raises: UnreadableFile.
        """
        number = 0
        unmailable, rounded = _Doubts(), _Doubts()
        for line, cells in islice(self.records(), 1, None):
            number += 1
            members = self.columns.members(cells)
            if (email := members.get("Email")) and not _can_be_mailed(email):
                unmailable.add(line, email)
            if (phone := members.get("Phone")) and _ROUNDED.fullmatch(phone):
                rounded.add(line, phone)
        warnings = (
            unmailable.warning("an Email that cannot be mailed"),
            rounded.warning("a Phone that a spreadsheet has rounded"),
        )
        return number, tuple(filter(None, warnings))

    def _columns(self) -> Columns:
        _, names = next(self.records(), (0, None))
        if names is None:
            raise UnreadableFile(f"{self.path} is empty")
        known = {number: _KNOWN[low] for number, name in enumerate(names) if (low := name.strip().lower()) in _KNOWN}
        if not set(known.values()) & set(IMPORTED):
            raise UnreadableFile(
                f"{self.path} has no column of a contact; its first line has to name them, such as Email,FirstName"
            )
        for name, times in Counter(known.values()).items():
            if times > 1:
                raise UnreadableFile(f"{self.path} has {times} columns {name}")
        unknown = (name.strip() for number, name in enumerate(names) if number not in known)
        return Columns(tuple(names), known, tuple(filter(None, unknown)))


@dataclass
class _Doubts:
    """Rows with a doubtful cell: how many, and the first of them."""

    number: int = 0
    line: int = 0
    cell: str = ""

    def add(self, line: int, cell: str) -> None:
        self.number += 1
        if self.number == 1:
            self.line, self.cell = line, cell

    def warning(self, what: str) -> str:
        rows = "1 row has" if self.number == 1 else f"{self.number} rows have"
        where = "in" if self.number == 1 else "the first in"
        return f"{rows} {what}, {where} line {self.line}: {self.cell[:100]!r}." if self.number else ""


def _can_be_mailed(email: str) -> bool:
    try:
        mailable_address(email)
    except InvalidAddress:
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
            registration, profile = _wanted(cells, file.columns, registration_source)
            if secret:
                # An export wrote the row: it tells how the contact was, not what anybody wants today.
                profile = replace(profile, unlimited=frozenset())
            yield Row(cells, attempt, secret, (registration, profile), "")
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
