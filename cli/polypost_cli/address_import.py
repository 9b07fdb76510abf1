"""Addresses from a file, which are to get no more mail."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from polypost.adapters.suppressions import Suppressions
from polypost.models.addresses import InvalidAddress, parse_address
from polypost.usecases.suppressions import suppress
from polypost_cli.csv_files import CsvFile, UnreadableFile
from polypost_cli.retries import retried

# Addresses that are worked on at once.
_BATCH: Final = 64
_THREADS: Final = 8

# No more is told back of what is no address.
_LONGEST_TEXT: Final = 100

# What a column of addresses may be called, in any case.
_COLUMNS: Final = ("address", "email", "e-mail")


@dataclass(frozen=True)
class Refusal:
    """A line of a file that was refused, and why."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True)
class AddressOutcome:
    """How many addresses of a file are suppressed by hand now, and what was refused."""

    suppressed: int
    refused: tuple[Refusal, ...]


def import_addresses(
    source: Path,
    space: str,
    note: str,
    by: str,
    on_progress: Callable[[int, int | None], None],
    *,
    suppressions: Suppressions,
) -> AddressOutcome:
    """Keep all mail from the addresses of a file. Doing it again changes nothing.

    Parameters: source, one address a line, or CSV with a column of addresses; note, why; by, who decides; on_progress,
    called with the number of addresses that are done, and of all.

    Raises: UnreadableFile, before any is suppressed; Retryable, when the stack does not answer for a while.
    """
    wanted: dict[str, None] = {}
    refused: list[Refusal] = []
    for line, text in addresses_of(CsvFile(source)):
        try:
            wanted[parse_address(text)] = None
        except InvalidAddress as error:
            refused.append(Refusal(line, text[:_LONGEST_TEXT], str(error)))
    addresses = list(wanted)
    stopping = threading.Event()

    def suppress_one(address: str) -> None:
        retried(partial(suppress, address, note, by, space, suppressions=suppressions), stopping.wait)

    with ThreadPoolExecutor(_THREADS) as threads:
        try:
            for done in range(0, len(addresses), _BATCH):
                on_progress(done, len(addresses))
                list(threads.map(suppress_one, addresses[done : done + _BATCH]))
        finally:
            stopping.set()
    return AddressOutcome(len(addresses), tuple(refused))


def addresses_of(file: CsvFile) -> Iterator[tuple[int, str]]:
    """What stands where a file should have addresses, each with the number of its line.

    Raises: UnreadableFile.
    """
    records = file.records()
    line, first = next(records, (0, []))
    if not first:
        raise UnreadableFile(f"{file.path} is empty")
    columns = [number for number, name in enumerate(first) if name.strip().lower() in _COLUMNS]
    if len(columns) > 1 or (not columns and len(first) > 1):
        raise UnreadableFile(f"{file.path} needs one column that is named Address or Email; it has {len(columns)}")
    if not columns:
        yield line, first[0].strip()
    (column,) = columns or [0]
    for line, cells in records:
        # In a file without columns a comma separates nothing, and what holds one is no address.
        text = file.delimiter.join(cells) if not columns else cells[column] if column < len(cells) else ""
        yield line, text.strip()
