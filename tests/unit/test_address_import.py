"""How a file of addresses is read."""

from pathlib import Path

import pytest

from polypost_cli.address_import import addresses_of
from polypost_cli.csv_files import CsvFile, UnreadableFile


def read(path: Path, content: str | bytes) -> list[tuple[int, str]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(addresses_of(CsvFile(path)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "addresses.csv"


@pytest.mark.parametrize(
    ("content", "addresses"),
    [
        ("max@example.net\n\n ann@example.net \r\n", [(1, "max@example.net"), (3, "ann@example.net")]),
        ("max@example.net", [(1, "max@example.net")]),
        ("\ufeffEmail\nmax@example.net\n", [(2, "max@example.net")]),
        ("ADDRESS\nmax@example.net\n", [(2, "max@example.net")]),
        ("Name,E-Mail\nMax,max@example.net\n", [(2, "max@example.net")]),
        ('Name;Email\n"Max\nM.";max@example.net\nAnn\nBob;\n', [(2, "max@example.net"), (4, ""), (5, "")]),
        ("max@example.net\nmax@example.net,Max\n", [(1, "max@example.net"), (2, "max@example.net,Max")]),
    ],
)
def test_addresses_stand_alone_or_in_a_column(path: Path, content: str, addresses: list[tuple[int, str]]) -> None:
    assert read(path, content) == addresses


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "addresses.csv is empty"),
        ("\n \n", "addresses.csv is empty"),
        ("Name,Phone\n", "addresses.csv needs one column that is named Address or Email; it has 0"),
        ("Email,Address\n", "addresses.csv needs one column that is named Address or Email; it has 2"),
        ("Email\nM\u00fcller@example.net\n".encode("latin-1"), "addresses.csv, line 2: this is not UTF-8"),
        ('Email\n"max@example.net\n', "addresses.csv, line 2: unexpected end of data"),
    ],
)
def test_what_is_no_such_file(path: Path, content: str | bytes, problem: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        read(path, content)
    assert problem in str(refused.value)
