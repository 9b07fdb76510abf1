"""No regular expression takes more than its share of time, whatever text it is given."""

import re
from pathlib import Path

import pytest

from support.regexes import Regex, regexes_in, slow_text

ROOT = Path(__file__).parents[2]

REGEXES = [regex for root in ("layers/common", "cli") for regex in regexes_in(ROOT / root)]


@pytest.mark.parametrize("regex", REGEXES, ids=lambda regex: regex.where)
def test_a_longer_text_takes_only_as_much_longer(regex: Regex) -> None:
    assert slow_text(regex) is None, f"{regex.where}: {regex.pattern.pattern}"


@pytest.mark.parametrize(
    ("pattern", "anchored"),
    [
        (r"\s+(?=[+-])", False),
        (r"\s+$", False),
        (r"[^@]+@", False),
        (r"<!--.*?-->", False),
        (r"([a-z]+)+!", True),
        (r"(a|a)*b", True),
        (r"(\w+\s?)*$", True),
        (r"(?:[0-9]+,?)+;", True),
        (r"x[0-9]*[0-9]*[0-9]*y", True),
        (r".*,.*,.*,z", True),
    ],
)
def test_a_slow_one_is_found(pattern: str, anchored: bool) -> None:
    assert slow_text(Regex("here", re.compile(pattern), anchored)) is not None


@pytest.mark.parametrize(
    ("pattern", "anchored"),
    [
        (r"\s+(?=[+-])", True),
        (r"\s{1,8}(?=[+-])", False),
        (r"[a-z0-9]{1,64}@", False),
        (r"(?:[0-9]+,)*;", True),
        (r"[^\s]+", False),
        ("a", False),
    ],
)
def test_a_quick_one_is_none(pattern: str, anchored: bool) -> None:
    assert slow_text(Regex("here", re.compile(pattern), anchored)) is None


def test_patterns_are_found_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "found.py").write_text(
        "import re\n"
        "_PART = '[0-9]'\n"
        "GLOBAL = re.compile(f'{_PART}+!', re.ASCII)\n"
        "def f(text):\n"
        "    GLOBAL.fullmatch(text)\n"
        "    return re.sub(r'\\s+(?=[+-])', '', text), re.fullmatch('B+', text, re.IGNORECASE)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = [(regex.pattern.pattern, regex.anchored, regex.where) for regex in regexes_in(tmp_path)]
    assert sorted(found) == [
        ("B+", True, "found.py:6"),
        ("[0-9]+!", True, "found.py:3"),
        (r"\s+(?=[+-])", False, "found.py:6"),
    ]
    (tmp_path / "hidden.py").write_text("import re\ndef f(pattern, text):\n    return re.search(pattern, text)\n")
    with pytest.raises(AssertionError, match=r"hidden\.py:3: a pattern has to be a literal"):
        list(regexes_in(tmp_path))


def test_those_of_the_sources_are_found() -> None:
    assert len(REGEXES) > 30
