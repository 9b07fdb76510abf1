"""How a CSV file of contacts is read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypost.dialects.contacts.files import IMPORTED
from polypost_cli.contact_rows import ContactFile, Row, wanted_rows
from polypost_cli.csv_files import UnreadableFile
from polypost_cli.file_progress import file_progress


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "contacts.csv"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(path: Path, *, space: str = "acme", source: str = "", first: int = 0) -> list[Row]:
    return list(wanted_rows(ContactFile(path), first, space, b"key", source))


def seeds_of(path: Path, *, space: str = "acme", source: str = "") -> list[bytes]:
    return [row.attempt.seed for row in rows_of(path, space=space, source=source)]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("sep_line", ["", "sep={}", "SEP={}", '"sep={}"'])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_files_as_spreadsheets_save_them(path: Path, mark: bytes, delimiter: str, sep_line: str, end: str) -> None:
    lines = [
        'registrationsource/EMAIL/ FirstName /"Notes, all; of them"',
        'web/a@example.com/Zoë/"x""|,;\t"',
        "web",
        "///",
    ]
    told = [sep_line.format(delimiter)] if sep_line else []
    lines = told + [line.replace("/", delimiter) for line in lines]
    write(path, mark + "".join(line + end for line in lines).encode())
    first, second = rows_of(path)
    assert first.wanted is not None
    registration, profile = first.wanted
    assert (registration.source, profile.email, profile.first_name) == ("web", "a@example.com", "Zoë")
    assert second.wanted is not None
    assert second.wanted[1].email is None
    assert ContactFile(path).columns.unknown == ("Notes, all; of them",)


def test_the_line_that_tells_the_separator_outweighs_what_the_names_look_like(path: Path) -> None:
    write(path, 'sep=,\nRegistrationSource,"E;m;a;i;l",Email\nweb,;,a@example.com\n')
    (row,) = rows_of(path)
    assert row.cells == ["web", ";", "a@example.com"]


def test_lines_are_counted_with_the_one_that_tells_the_separator(path: Path) -> None:
    write(path, 'sep=;\nRegistrationSource;Email\nweb;"a\n')
    with pytest.raises(UnreadableFile, match="line 3: "):
        rows_of(path)


def test_a_row_is_the_same_however_its_cells_are_separated(path: Path) -> None:
    seeds = []
    for delimiter in ",;\t|":
        for before in ("", f"sep={delimiter}\n"):
            write(path, f"{before}RegistrationSource{delimiter}Email\nweb{delimiter}a@example.com\n")
            seeds += seeds_of(path)
    assert len(set(seeds)) == 1


MAILABLE = [
    "max@example.com",
    "MAX@müller.example",
    "\ufeffmax@example.com",
    "Max <max@example.com>",
    "mailto:max@example.com",
    " ",
]
UNMAILABLE = [
    "nobody",
    "sample string 3",
    "müller@example.com",
    "a@example.com, b@example.com",
    "=?utf-8?q?a?=@b.example",
]
ROUNDED = ["4.91511E+11", "4,91511E+11", "4.9E11", "5E+10", "+4.9e+11", " 4.91511E+11 "]
WHOLE = ["491511234567", "+49 151 123", "E", "1E", "0x1E5", "12 E 3", ""]


def test_cells_that_are_hardly_meant_are_told(path: Path) -> None:
    emails, phones = MAILABLE + UNMAILABLE, WHOLE + ROUNDED
    rows = [f'"web\nform"\t{email}\t1' for email in emails] + [f"web\t\t{phone}" for phone in phones]
    write(path, "\n".join(["RegistrationSource\tEmail\tPhone", *rows]))
    file = ContactFile(path)
    first_email = 2 + 2 * len(MAILABLE)
    first_phone = 2 + 2 * len(emails) + len(WHOLE)
    assert file.checked() == (
        len(rows),
        (
            f"5 rows have an Email that cannot be mailed, the first in line {first_email}: 'nobody'.",
            f"6 rows have a Phone that a spreadsheet has rounded, the first in line {first_phone}: '4.91511E+11'.",
        ),
    )
    # They are no reason to refuse a row.
    assert [row.reason for row in rows_of(path)] == [""] * len(rows)


def test_one_doubtful_cell_is_told_alone_and_not_whole(path: Path) -> None:
    write(path, f"sep=;\nRegistrationSource;Email\nweb;max@example.com\n\nweb;{'x' * 1000}\n")
    (warning,) = ContactFile(path).checked()[1]
    assert warning == f"1 row has an Email that cannot be mailed, in line 5: '{'x' * 100}'."


def test_nothing_doubtful(path: Path) -> None:
    write(path, "RegistrationSource,Email,Phone\nweb,max@example.com,491511\n")
    assert ContactFile(path).checked() == (1, ())
    write(path, "RegistrationSource,Notes\nweb,4.9E+11\n")
    assert ContactFile(path).checked() == (1, ())


@given(
    st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2), max_size=5),
    st.sampled_from(",;\t|"),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str
) -> None:
    target = tmp_path_factory.mktemp("written") / "contacts.csv"
    with file_progress(target, {}, delimiter) as progress:
        progress.step("", enumerate(rows))
        progress.write(target, ["Email", "Phone"], "utf-8-sig")
    assert list(ContactFile(target).rows()) == [row for row in rows if any(cell.strip() for cell in row)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "contacts.csv is empty"),
        ("\n\n", "contacts.csv is empty"),
        ("Name\tMail\n", "contacts.csv has no column of a contact"),
        ("sep=;\n", "contacts.csv is empty"),
        ("sep=^\nEmail^Phone\n", "contacts.csv, line 1: cells cannot be separated by '^'"),
        ("\nsep=;\nEmail;Phone\n", "contacts.csv has no column of a contact"),
        ("Id,Secret\n", "contacts.csv has no column of a contact"),
        ("E\0m\0a\0i\0l\0", "contacts.csv has no column of a contact"),
        ("Email,Phone,EMAIL\n", "contacts.csv has 2 columns Email"),
        ("Email\na@example.com\nM\u00fcller\n".encode("latin-1"), "contacts.csv, line 3: this is not UTF-8"),
        ("M\u00fcller\n".encode("latin-1"), "contacts.csv, line 1: this is not UTF-8"),
        ("Email\n".encode("utf-16"), "contacts.csv, line 1: this is not UTF-8"),
        ('Email\na\n"b\nc\n', "contacts.csv, line 3: unexpected end of data; is a quotation mark missing?"),
        ('Email\n"b" c\n', "contacts.csv, line 2: ',' expected after '\"'; is a quotation mark missing?"),
        ('Email\n"' + "x" * 200_000, "contacts.csv, line 2: field larger than field limit (131072)"),
    ],
)
def test_what_is_no_such_file_is_told_with_its_place(path: Path, content: str | bytes, problem: str) -> None:
    write(path, content)
    with pytest.raises(UnreadableFile) as refused:
        list(ContactFile(path).rows())
    assert problem in str(refused.value)


def test_a_row_that_is_none_says_why(path: Path) -> None:
    write(path, "RegistrationSource,RegistrationIp,Email\nweb,1.2.3,a@example.com\n,1.2.3,\nweb,,,b\nweb,,,\n")
    rows = rows_of(path)
    ip = "The field RegistrationIp must be an IPv4 address such as 127.0.0.1."
    assert [row.reason for row in rows] == [
        ip,
        f"The RegistrationSource field is required. {ip}",
        "The row has more cells than there are columns.",
        "",
    ]
    assert [row.wanted is None for row in rows] == [True, True, True, False]


def test_a_registration_source_for_rows_without_one(path: Path) -> None:
    write(path, "RegistrationSource,Email\nweb,a@example.com\n ,b@example.com\n")
    wanted = [row.wanted for row in rows_of(path, source="import")]
    assert [each[0].source for each in wanted if each] == ["web", "import"]


def test_a_row_is_known_by_what_it_says(path: Path) -> None:
    write(path, "RegistrationSource,Email,Phone\nweb,a@example.com,1\nweb,,\n")
    seeds = seeds_of(path)
    assert len(set(seeds)) == 2
    assert seeds_of(path, space="other") != seeds
    assert seeds_of(path, source="elsewhere") == seeds
    other = path.with_name("other.csv")
    write(other, "Notes;PHONE;email;RegistrationSource\r\nx;1;a@example.com;web\r\ny;;;web\r\n")
    assert seeds_of(other) == seeds
    write(other, "RegistrationSource,Email,LastName\nweb,a@example.com,1\n")
    assert seeds_of(other)[0] not in seeds


def test_equal_rows_are_not_the_same(path: Path) -> None:
    write(path, "RegistrationSource\nweb\nweb\nweb\n")
    assert len(set(seeds_of(path))) == 3
    assert [row.attempt.seed for row in rows_of(path, first=2)] == seeds_of(path)[2:]


def test_the_reason_of_an_earlier_refusal_is_left_out(path: Path) -> None:
    write(path, "Reason,RegistrationSource,Email\nwhy,web,a@example.com\n")
    file = ContactFile(path)
    (cells,) = file.rows()
    assert file.columns.without_reason(cells) == ["web", "a@example.com"]
    assert file.columns.without_reason(file.columns.names) == ["RegistrationSource", "Email"]
    assert file.columns.unknown == ()
    write(path.with_name("before.csv"), "RegistrationSource,Email\nweb,a@example.com\n")
    assert seeds_of(path) == seeds_of(path.with_name("before.csv"))


def test_every_member_of_the_document_is_a_column(path: Path) -> None:
    write(path, ",".join(IMPORTED) + "\n")
    assert ContactFile(path).columns.unknown == ()
