"""Addresses from a file, which are to get no more mail."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
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
    for line, text in _addresses(CsvFile(source)):
        try:
            wanted[parse_address(text)] = None
        except InvalidAddress as error:
            refused.append(Refusal(line, text, str(error)))
    stopping = threading.Event()

    def suppress_one(address: str) -> None:
        retried(partial(suppress, address, note, by, space, suppressions=suppressions), stopping.wait)

    with ThreadPoolExecutor(_THREADS) as threads:
        try:
            for done in range(0, len(wanted), _BATCH):
                on_progress(done, len(wanted))
                list(threads.map(suppress_one, islice(wanted, done, done + _BATCH)))
        finally:
            stopping.set()
    return AddressOutcome(len(wanted), tuple(refused))


def _addresses(file: CsvFile) -> Iterator[tuple[int, str]]:
    """The number of each line that should have an address, and what it has in its place."""
    records = file.records()
    line, names = next(records, (0, [""]))
    known = [number for number, name in enumerate(names) if name.strip().lower() in _COLUMNS]
    if len(known) > 1:
        raise UnreadableFile(f"{file.path} has {len(known)} columns of addresses")
    if not known:
        if len(names) > 1:
            raise UnreadableFile(f"{file.path} has no column Address or Email")
        yield line, names[0].strip()
    for line, cells in records:
        cell = cells[known[0]] if known and known[0] < len(cells) else "" if known else file.delimiter.join(cells)
        yield line, cell.strip()
