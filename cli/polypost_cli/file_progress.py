"""How far the work on a file is, kept beside the file until it is done."""

import csv
import io
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from polypost.errors import Permanent

_SCHEMA = """
CREATE TABLE IF NOT EXISTS work (task TEXT NOT NULL, position TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS line (number INTEGER PRIMARY KEY, text TEXT NOT NULL);
"""


class FileInUse(Permanent):
    """Another process works on the file."""


class FileProgress:
    """How far a task is, and the lines of the CSV file that it is to give, as numbered records.

    Each step is stored whole or not at all, whenever the process ends.
    """

    def __init__(self, database: sqlite3.Connection, delimiter: str) -> None:
        self._database = database
        self._delimiter = delimiter

    @property
    def position(self) -> str:
        """Where the last step ended, or "" before the first."""
        (position,) = self._database.execute("SELECT position FROM work").fetchone()
        return str(position)

    @property
    def lines(self) -> int:
        """How many lines there are so far."""
        (number,) = self._database.execute("SELECT count(*) FROM line").fetchone()
        return int(number)

    def step(self, position: str, lines: Iterable[tuple[int, Sequence[str]]], without: Iterable[int] = ()) -> None:
        """Store where the task is now.

        Parameters: lines, numbers and cells of new lines, or of such as replace one; without, the numbers of lines
        that are to go, if they are there.
        """
        with self._database:
            self._database.execute("BEGIN")
            records = ((number, self._text(cells)) for number, cells in lines)
            self._database.executemany("INSERT OR REPLACE INTO line VALUES (?, ?)", records)
            self._database.executemany("DELETE FROM line WHERE number = ?", ((number,) for number in without))
            self._database.execute("UPDATE work SET position = ?", (position,))

    def write(self, target: Path, header: Sequence[str], encoding: str = "utf-8") -> None:
        """Write the lines in the order of their numbers to a file, which is there whole or not at all."""
        new = target.with_name(f"{target.name}.new")
        try:
            with new.open("w", encoding=encoding, newline="") as file:
                file.write(self._text(header))
                file.writelines(text for (text,) in self._database.execute("SELECT text FROM line ORDER BY number"))
                file.flush()
                os.fsync(file.fileno())
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)

    def _text(self, cells: Sequence[str]) -> str:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._delimiter).writerow(cells)
        return text.getvalue()


@contextmanager
def file_progress(path: Path, task: Mapping[str, str], delimiter: str = ",") -> Iterator[FileProgress]:
    """The progress of a task on a file, in an SQLite database beside it that goes when the block ends well.

    Parameters: path, the file; task, what tells the task from every other: the progress of another is dropped;
    delimiter, of the lines.

    Raises: FileInUse; Permanent, where the progress cannot be stored.
    """
    place = path.with_name(f"{path.name}.progress")
    try:
        with closing(sqlite3.connect(place, timeout=0, isolation_level=None)) as database:
            # From the first write on, and until the process ends: no other one works on the file.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            with database:
                database.execute("BEGIN EXCLUSIVE")
                _begin(database, json.dumps(task, sort_keys=True))
            yield FileProgress(database, delimiter)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_BUSY":
            raise FileInUse(f"another polypost works on {path}") from None
        raise Permanent(f"the progress of the work cannot be stored in {place}: {error}") from None
    place.unlink(missing_ok=True)


def _begin(database: sqlite3.Connection, task: str) -> None:
    for statement in filter(str.strip, _SCHEMA.split(";")):
        database.execute(statement)
    if database.execute("SELECT 1 FROM work WHERE task = ?", (task,)).fetchone() is None:
        database.execute("DELETE FROM work")
        database.execute("DELETE FROM line")
        database.execute("INSERT INTO work VALUES (?, '')", (task,))
