"""The operator's command where it is installed alone, as for somebody who runs no local stack."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from polypost.mail.templates import default_template
from polypost.models.promotions import TemplateName
from polypost_local import demo
from support.local_command import free_port, start_local
from support.template_engine import ROOT

from .test_contents import sources

PACKAGES = (
    ROOT / "layers" / "common" / "polypost",
    ROOT / "cli" / "polypost_cli",
    ROOT / "cli" / "polypost_local",
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with `.[cli]`.

    It is installed from a copy of the clone: setuptools leaves its folder `build` there, and packs whatever it finds in
    that folder the next time.
    """
    folder = tmp_path_factory.mktemp("installed")
    made = shutil.ignore_patterns(".*", "build", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, folder / "clone", ignore=made)
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    pinned = f"--constraint={ROOT / 'constraints.txt'}"
    subprocess.run([*pip, pinned, f"{folder / 'clone'}[cli]"], check=True)
    return environment


def run(installed: Path, folder: Path, *command: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a program of a virtual environment from a folder elsewhere, with nothing of this process's environment."""
    program, *words = command
    done = subprocess.run(
        [installed / "bin" / program, *words], cwd=folder, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def test_the_extra_brings_what_talks_to_aws_and_nothing_of_the_local_stack(installed: Path, tmp_path: Path) -> None:
    listed = run(installed, tmp_path, "pip", "list", "--format=json").stdout
    names = {package["name"].lower() for package in json.loads(listed)}
    assert {"polypost", "boto3", "click", "rich"} <= names
    assert not names & {"aws-sam-cli", "aws-sam-translator", "moto", "flask", "werkzeug"}
    run(installed, tmp_path, "pip", "check")


def test_every_file_of_the_packages_is_installed(installed: Path) -> None:
    (site_packages,) = installed.glob("lib/python*/site-packages")
    for package in PACKAGES:
        assert sources(site_packages / package.name) == sources(package)


def test_its_help_lists_every_command(installed: Path, tmp_path: Path) -> None:
    everything = run(Path(sys.prefix), tmp_path, "polypost", "--help").stdout
    assert "Usage: polypost" in everything
    assert run(installed, tmp_path, "polypost", "--help").stdout == everything


def test_it_works_on_a_running_stack(installed: Path, tmp_path: Path) -> None:
    stack = start_local(tmp_path, free_port())
    try:
        stack.await_ready()
        options = ("--space", demo.SPACE, "--part", "text", "--local", "--port", str(stack.port))
        shown = run(installed, tmp_path, "polypost", "templates", "show", TemplateName.PROMOTION_CODE, *options)
        assert shown.stdout == default_template(TemplateName.PROMOTION_CODE).text
    finally:
        stack.end(signal.SIGTERM)


def test_the_local_stack_says_in_one_line_what_to_install(installed: Path, tmp_path: Path) -> None:
    refused = run(installed, tmp_path, "polypost", "local", expect=1)
    assert refused.stdout == ""
    (line,) = refused.stderr.splitlines()
    assert line.endswith("pip install --editable '.[local]'")
