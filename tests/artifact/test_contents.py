"""What `make build` made holds just what it should."""

import os
from collections.abc import Iterator
from pathlib import Path

from support.template_engine import ROOT, Engine

from .conftest import LAYER, runtime_name

# The layer, unzipped. Lambda itself takes 250 MB, but reads a layer faster the smaller it is.
LAYER_LIMIT_BYTES = 22_000_000


def files(folder: Path) -> Iterator[Path]:
    """All files, relative to the folder."""
    return (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def sources(folder: Path) -> dict[Path, bytes]:
    """All files but bytecode, with what they hold."""
    return {path: (folder / path).read_bytes() for path in files(folder) if path.parent.name != "__pycache__"}


def test_a_build_is_the_template_its_functions_and_the_layer(build: Path, engine: Engine) -> None:
    assert {path.name for path in build.iterdir()} == {"template.yaml", LAYER, *engine.stack.functions}


def test_a_function_is_its_source(build: Path, engine: Engine) -> None:
    for name, code in engine.template.code.items():
        assert sources(build / name) == sources(code.function), name
        assert set(sources(build / name)) == {Path("app.py")}


def test_the_layer_is_the_package_and_its_dependencies(build: Path) -> None:
    python = build / LAYER / "python"
    assert {path.name for path in (build / LAYER).iterdir()} == {"python"}
    assert sources(python / "polypost") == sources(ROOT / "layers" / "common" / "polypost")
    names = {path.name for path in python.rglob("*")}
    assert not names & {"bin", "requirements.txt", "RECORD", "tests", "test", "boto3", "botocore"}
    assert not names & {"polypost_cli", "polypost_local"}
    assert sum((build / LAYER / path).stat().st_size for path in files(build / LAYER)) < LAYER_LIMIT_BYTES


def test_this_machines_layer_is_the_built_one_but_for_compiled_modules(build: Path, host_layer: Path) -> None:
    def comparable(layer: Path) -> dict[str, bytes]:
        return {
            str(path): content
            for path, content in sources(layer).items()
            if path.suffix != ".so" and not path.parts[1].endswith(".dist-info")
        }

    assert comparable(host_layer) == comparable(build / LAYER)


def test_bytecode_is_of_the_runtime_with_lambdas_paths_and_does_not_ask_for_dates(build: Path) -> None:
    tag = runtime_name().replace("python", "cpython-").replace(".", "")
    for artifact in (path for path in build.iterdir() if path.is_dir()):
        root = Path("/opt" if artifact.name == LAYER else "/var/task")
        expected = {
            path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc": root / path
            for path in files(artifact)
            if path.suffix == ".py" and os.environ.get("RUNTIME_PYTHON")
        }
        assert {path for path in files(artifact) if path.suffix == ".pyc"} == set(expected), artifact.name
        for bytecode, place in expected.items():
            content = (artifact / bytecode).read_bytes()
            # PEP 552: a hash of the source that nobody checks.
            assert int.from_bytes(content[4:8], "little") == 0b01
            assert str(place).encode() in content
            assert str(ROOT).encode() not in content
