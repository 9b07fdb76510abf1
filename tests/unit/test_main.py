"""`polypost local` where a part of it is missing."""

import sys

import pytest

from polypost_cli.main import app


@pytest.mark.parametrize("package", ["samcli", "moto"])
def test_without_what_the_extra_brings_one_line_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as ended:
        app(["local"])
    assert ended.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("polypost local: the local stack is not installed; ")
    assert line.endswith("pip install --editable '.[local]'")


@pytest.mark.parametrize("module", ["polypost_local.command", "polypost_local.http_server"])
def test_a_mistake_in_the_local_stack_is_not_taken_for_a_missing_package(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "polypost_local.command", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=module):
        app(["local"])
