"""The progress of the work on a file: each step whole, one process at a time."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from polypost.errors import Permanent
from polypost_cli import file_progress as module
from polypost_cli.file_progress import FileInUse, file_progress

TASK = {"task": "test"}


class Ended(Exception):
    """The work was cut off here."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


def work(path: Path, steps: int, size: int = 1) -> None:
    """Make some steps, and end in the midst of the one after."""

    def a_line_then_the_end() -> Iterator[tuple[int, list[str]]]:
        yield steps, ["half a step"]
        raise Ended

    with file_progress(path, TASK) as progress:
        for number in range(steps):
            progress.step(f"{number}", [(number, ["x" * size])])
        progress.step("never", a_line_then_the_end())


def write(path: Path) -> None:
    with file_progress(path, TASK) as progress:
        progress.step("end", [(1, ["a"])])
        progress.write(path, ["Name"])


def test_work_goes_on_where_it_was_cut_off(path: Path) -> None:
    with pytest.raises(Ended):
        work(path, 2)
    with file_progress(path, TASK) as progress:
        assert (progress.position, progress.lines) == ("1", 2)
        progress.step("end", [(0, ["changed"]), (7, ["a,b", 'c"d'])], without=[1, 2])
        progress.write(path, ["Name", "Other"])
    assert path.read_text() == 'Name,Other\nchanged\n"a,b","c""d"\n'
    assert list(path.parent.iterdir()) == [path]


def test_the_progress_of_another_task_is_dropped(path: Path) -> None:
    with pytest.raises(Ended):
        work(path, 2)
    with file_progress(path, {"task": "another"}) as progress:
        assert (progress.position, progress.lines) == ("", 0)


KILLED = """
import sys
from collections.abc import Iterator
from pathlib import Path
from polypost_cli.file_progress import file_progress
with file_progress(Path(sys.argv[1]), {"task": "test"}) as progress:
    number = 0
    while True:
        progress.step(str(number), [(number, ["x" * 1000])])
        number += 1
        if number == 50:
            print("far enough", flush=True)
"""


def test_a_process_that_is_killed_holds_nobody_up_and_leaves_whole_steps(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"far enough\n"
        with pytest.raises(FileInUse, match=r"another polypost works on .*file\.csv"), file_progress(path, TASK):
            pass
        os.kill(process.pid, signal.SIGKILL)
    with file_progress(path, TASK) as progress:
        assert progress.lines == int(progress.position) + 1 >= 50


def test_a_file_is_written_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path.write_text("before")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_room)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            write(path)
    assert path.read_text() == "before"
    assert not path.with_name("file.csv.new").exists()
    write(path)
    assert path.read_text() == "Name\na\n"


def test_a_disk_that_is_full_keeps_the_steps_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, "_SCHEMA", f"{module._SCHEMA}; PRAGMA max_page_count = 8")
        with pytest.raises(Permanent, match="database or disk is full"):
            work(path, 1000, size=1000)
    with file_progress(path, TASK) as progress:
        assert progress.lines == int(progress.position) + 1 > 1


@pytest.mark.parametrize("obstacle", ["a folder", "no database", "no folder"])
def test_where_no_progress_can_be_kept(path: Path, obstacle: str) -> None:
    place = path.with_name("file.csv.progress")
    match obstacle:
        case "a folder":
            place.mkdir()
        case "no database":
            place.write_text("something else of somebody's, and longer than what SQLite looks at " * 10)
        case "no folder":
            path = path.parent / "nowhere" / "file.csv"
    with pytest.raises(Permanent, match=r"cannot be stored in .*file\.csv\.progress"), file_progress(path, TASK):
        pass
    if obstacle == "no database":
        assert place.read_text().startswith("something else")
