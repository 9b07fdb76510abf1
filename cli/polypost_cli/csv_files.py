"""How a CSV file is read: its encoding, its delimiter, its records."""

import csv
import hashlib
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from polypost.errors import Permanent

# What may separate cells. Spreadsheets of some countries write semicolons, and all of them copy cells with tabs.
_DELIMITERS: Final = ",;\t|"

# The line before the names of the columns that tells Excel the separator.
_SEP_LINE: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE | re.DOTALL)


class UnreadableFile(Permanent):
    """A file that is no CSV file of what it should hold."""


class CsvFile:
    """A CSV file in UTF-8.

    Cells are separated by commas, semicolons, tabs or `|`: by the one that occurs most often in the first line, or the
    one in a line `sep=;` before it.

    Raises: UnreadableFile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            # Excel begins what it saves as UTF-8 with a mark, and takes nothing else for UTF-8.
            self.encoding = "utf-8-sig" if file.read(len(BOM_UTF8)) == BOM_UTF8 else "utf-8"
        sep_line = _SEP_LINE.fullmatch(next(self._lines(), ""))
        self._lines_before = 1 if sep_line else 0
        first = next(filter(str.strip, islice(self._lines(), self._lines_before, None)), "")
        self.delimiter = sep_line[1] if sep_line else max(_DELIMITERS, key=first.count)
        if self.delimiter not in _DELIMITERS:
            raise UnreadableFile(f"{path}, line 1: cells cannot be separated by {self.delimiter!r}")

    def digest(self) -> str:
        """What tells this file from every other content: its SHA-256."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """The number of the first line of each record, and its cells; one without any text is none.

        Raises: UnreadableFile.
        """
        reader = csv.reader(islice(self._lines(), self._lines_before, None), delimiter=self.delimiter, strict=True)
        while True:
            line = reader.line_num + self._lines_before + 1
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
