"""How a CSV file is read: its encoding, its delimiter, its records."""

import csv
import hashlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

from polypost.errors import Permanent


class UnreadableFile(Permanent):
    """A file that is no CSV file of what it should hold."""


class CsvFile:
    """A CSV file in UTF-8.

    Raises: UnreadableFile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            # Excel begins what it saves as UTF-8 with a mark, and takes nothing else for UTF-8.
            self.encoding = "utf-8-sig" if file.read(len(BOM_UTF8)) == BOM_UTF8 else "utf-8"
        # Spreadsheets of some countries part cells with semicolons.
        first = next(filter(str.strip, self._lines()), "")
        self.delimiter = ";" if first.count(";") > first.count(",") else ","

    def digest(self) -> str:
        """What tells this file from every other content: its SHA-256."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """The number of the first line of each record, and its cells; one without any text is none.

        Raises: UnreadableFile.
        """
        reader = csv.reader(self._lines(), delimiter=self.delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise UnreadableFile(f"{self.path}, line {line}: {error}; is a quotation mark missing?") from None
            if any(cell.strip() for cell in record):
                yield line, record

    def _lines(self) -> Iterator[str]:
        try:
            with self.path.open(encoding=self.encoding, newline="") as file:
                yield from file
        except UnicodeDecodeError:
            with self.path.open("rb") as binary:
                line = next(number for number, text in enumerate(binary, 1) if not _is_utf8(text))
            raise UnreadableFile(f"{self.path}, line {line}: this is not UTF-8") from None


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
