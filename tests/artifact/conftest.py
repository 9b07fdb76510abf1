"""The built functions as Lambda runs them: its runtime client and emulator, its environment, code and layer at their
places and read-only."""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import samcli

from polypost_local import demo
from polypost_local.functions import sandboxes
from polypost_local.template import CodePaths
from support.local_command import free_port
from support.template_engine import ROOT, Engine, template_engine
from support.waiting import PATIENCE

BUILD = ROOT / ".aws-sam" / "build"
LAYER = "CommonLayer"

# The dates in a zip that SAM uploads: no source's own.
ZIP_DATE = 315_532_800

# Folders of this machine take the places of Lambda's, in a mount namespace that ends with the command.
PLACE = """
set -e
mount -t tmpfs tmpfs /var
mkdir /var/task /var/runtime
mount --bind "$1" /var/task
mount --bind "$2" /opt
mount --bind "$3" /var/runtime
for folder in /var/task /opt /var/runtime; do mount -o remount,bind,ro "$folder"; done
cd /var/task
shift 3
exec "$@"
"""


@dataclass(frozen=True)
class Python:
    """The interpreter that runs the functions: Lambda's version where `make` found one, else the tests' own."""

    path: str
    # Such as `3.13`.
    version: str


@pytest.fixture(scope="session")
def python() -> Python:
    path = os.environ.get("RUNTIME_PYTHON") or sys.executable
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = subprocess.run([path, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    return Python(path, version)


@pytest.fixture(scope="session")
def build() -> Path:
    """What `make build` made."""
    assert BUILD.is_dir(), "there is no build: run `make build`, or `make check`, which does"
    return BUILD


@dataclass(frozen=True)
class Lambda:
    """Where the functions run."""

    python: Python
    engine: Engine
    emulator: Path
    # Copies of the built functions, by logical id.
    code: Mapping[str, Path]
    layer: Path
    # boto3 and the runtime client, as Lambda's own image has them.
    runtime: Path
    # Whether the kernel lets folders be mounted at Lambda's places. Where it does not, they are named by their own
    # paths, and to root their permissions mean nothing.
    placed: bool

    def command(self, function: str, *command: str, placed: bool) -> list[str]:
        """A command with a function's folders in their places."""
        if not placed:
            return list(command)
        folders = (self.code[function], self.layer, self.runtime)
        namespace = ["unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]
        return [*namespace, "sh", "-c", PLACE, "sh", *map(str, folders), *command]

    def invoke(self, function: str, event: Any, log: Path) -> Any:
        """A function's answer to one event, in a new sandbox.

        Parameters: function, by logical id; log, the file for what it prints.
        """
        with self._emulated(function, log) as url:
            answer = httpx.post(url, content=json.dumps(event), timeout=30, trust_env=False)
        return answer.json()

    @contextmanager
    def _emulated(self, function: str, log: Path) -> Iterator[str]:
        port, runtime_port = free_port(), free_port()
        task, layer, runtime = (
            (Path("/var/task"), Path("/opt"), Path("/var/runtime"))
            if self.placed
            else (self.code[function], self.layer, self.runtime)
        )
        ((sandbox, _),) = sandboxes(
            {function: self.engine.stack.functions[function]},
            {function: CodePaths(task, (layer,))},
            self.engine.endpoint,
            verbose=False,
        ).values()
        command = self.command(
            function,
            str(self.emulator),
            f"--runtime-interface-emulator-address=127.0.0.1:{port}",
            f"--runtime-api-address=127.0.0.1:{runtime_port}",
            # No site-packages: what the function imports is in its folder, the layer, or Lambda's own runtime.
            *(self.python.path, "-S", "-m", "awslambdaric", sandbox.handler),
            placed=self.placed,
        )
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.code[function],
                env={**sandbox.environment, "PYTHONPATH": f"{layer}/python:{runtime}"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            _await_listening(process, port, log)
            yield f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        finally:
            # A namespace ends whole with its `unshare`, which heeds no other signal; else the emulator ends what it
            # started.
            if self.placed:
                process.kill()
            else:
                process.terminate()
            process.wait(PATIENCE)


def _await_listening(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the emulator does not start: {log.read_text()}") from None
            time.sleep(0.02)


@pytest.fixture(scope="session")
def host_layer(build: Path, python: Python, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer for this machine: the built one, or the same made by its Makefile with this machine's wheels."""
    if (sys.platform, platform.machine(), f"python{python.version}") == ("linux", "aarch64", runtime_name()):
        return build / LAYER
    layers = tmp_path_factory.mktemp("layers")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    wheels = ("PLATFORM=", f"PYTHON_VERSION={python.version}")
    for folder, *options in (
        (ROOT / "layers" / "common", f"build-{LAYER}", f"ARTIFACTS_DIR={layers / LAYER}", *wheels),
        (ROOT, "bytecode", f"BUILD={layers}"),
    ):
        subprocess.run(["make", "--no-print-directory", "-C", folder, *options], check=True, env=environment)
    return layers / LAYER


def runtime_name() -> str:
    """The functions' Runtime, as the layer's Makefile and the template name it."""
    (name,) = {line.split()[1] for line in (ROOT / "template.yaml").read_text().splitlines() if " Runtime: " in line}
    return name


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine with the demo space that the sample events call."""
    with template_engine() as running:
        demo.seed(running.stack.outputs)
        yield running


@pytest.fixture(scope="session")
def aws_lambda(
    build: Path, host_layer: Path, python: Python, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Lambda:
    if sys.platform != "linux":
        pytest.skip("Lambda's emulator runs on Linux")
    folder = tmp_path_factory.mktemp("lambda")
    runtime = folder / "runtime"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    wheels = ["--only-binary=:all:", f"--python-version={python.version}", f"--target={runtime}"]
    pinned = f"--constraint={ROOT / 'constraints.txt'}"
    subprocess.run([*pip, *wheels, pinned, "awslambdaric", "boto3"], check=True)
    subprocess.run([python.path, "-m", "compileall", "-q", str(runtime)], check=True)
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    emulator = folder / "aws-lambda-rie"
    shutil.copy(Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}", emulator)
    emulator.chmod(0o755)
    unplaced = Lambda(
        python=python,
        engine=engine,
        emulator=emulator,
        code={name: _unzipped(build / name, folder / name) for name in engine.stack.functions},
        layer=_unzipped(host_layer, folder / LAYER),
        runtime=runtime,
        placed=False,
    )
    # The interpreter itself may lie under a folder whose place is taken.
    probe = unplaced.command("DefaultRoute", python.path, "-S", "-c", "", placed=True)
    placed = bool(shutil.which("unshare")) and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    return Lambda(**(vars(unplaced) | {"placed": placed}))


def _unzipped(artifact: Path, target: Path) -> Path:
    """A copy of an artifact as Lambda unzips it: dates that are not the sources', nothing to be written."""
    shutil.copytree(artifact, target)
    for path in (target, *target.rglob("*")):
        os.utime(path, (ZIP_DATE, ZIP_DATE))
        path.chmod(0o555)
    return target
