"""The operator's command `polypost`, in this process or, as a shell runs it, in one of its own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import boto3
import botocore.session
import pytest
from botocore.loaders import Loader

from polypost_cli.main import main

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


# What botocore knows of the services: reading it takes twice as long as the rest of a command.
_SERVICES = Loader()


def inherited_environment() -> dict[str, str]:
    """This process's environment without what steers the command or an AWS client."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "POLYPOST_"))}


def run_here(*words: str, typed: str = "") -> Done:
    """Run the command in this process, and leave no trace in it."""
    stdin, stdout, stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(3))
    stdin.write(typed)
    stdin.seek(0)
    with (
        mock.patch.dict(os.environ, inherited_environment(), clear=True),
        mock.patch.object(boto3, "DEFAULT_SESSION", _new_session()),
        mock.patch.multiple(sys, argv=["polypost", *words], stdin=stdin, stdout=stdout, stderr=stderr),
        pytest.raises(SystemExit) as end,
    ):
        main()
    assert isinstance(end.value.code, int)
    printed, errors = (stream.buffer.getvalue().decode() for stream in (stdout, stderr))
    return Done(words, end.value.code, printed, errors)


def _new_session() -> boto3.Session:
    """A session as boto3 makes it for a new process; it remembers credentials and regions."""
    session = botocore.session.Session()
    session.register_component("data_loader", _SERVICES)
    return boto3.Session(botocore_session=session)


def run_as_process(*words: str, typed: str = "") -> Done:
    """Run the command in a process, with pipes for what it reads and prints."""
    done = subprocess.run(
        [sys.executable, "-m", "polypost_cli", *words],
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        env=inherited_environment(),
    )
    assert "Traceback" not in done.stderr
    return done


def polypost(*words: str, port: int | None = None, expect: int = 0, typed: str = "", command: Run = run_here) -> Done:
    """Run the command and check its exit status.

    Parameters: port, of the local stack that it is to work on; expect, the exit status; typed, what is typed into it;
    command, which of the two ways to run it.
    """
    stack = () if port is None else ("--local", "--port", str(port))
    done = command(*words, *stack, typed=typed)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def as_json(run: Run, *words: str) -> Any:
    """What the command prints with `--json`."""
    return json.loads(run(*words, "--json").stdout)
