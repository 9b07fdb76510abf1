"""Each function runs once in its container, by SAM CLI, on the local engine. Needs a build and a container engine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from samcli.yamlhelper import yaml_dump, yaml_parse

from polypost_local import demo
from polypost_local.http_server import HOST
from support.sample_events import EVENTS, check_answer
from support.template_engine import ROOT, Engine, template_engine

# Where a container engine in a virtual machine of its own lets containers find this machine's loopback.
DESKTOP_HOST = "host.docker.internal"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """An engine that containers reach: on Linux it listens on their bridge, elsewhere on loopback."""
    host = HOST
    if sys.platform == "linux":
        gateway = "{{(index .IPAM.Config 0).Gateway}}"
        inspect = ["docker", "network", "inspect", "bridge", "--format", gateway]
        host = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()
    with template_engine(host) as running:
        demo.seed(running.stack.outputs)
        yield running


@pytest.fixture(scope="module")
def template(engine: Engine) -> Iterator[Path]:
    """The built template with the engine's endpoint and names: SAM CLI sets no variable that a template lacks."""
    built = yaml_parse((ROOT / ".aws-sam" / "build" / "template.yaml").read_text())
    endpoint = engine.endpoint.replace(HOST, DESKTOP_HOST)
    for name, function in engine.stack.functions.items():
        variables = built["Resources"][name]["Properties"]["Environment"]["Variables"]
        variables.update(function.environment, AWS_ENDPOINT_URL=endpoint)
    # Beside the artifacts, which it names by relative paths.
    path = ROOT / ".aws-sam" / "build" / "template-local.yaml"
    path.write_text(yaml_dump(built))
    yield path
    path.unlink()


@pytest.mark.parametrize("function", sorted(path.stem for path in EVENTS.glob("*.json")))
def test_every_function_answers_its_sample_event(engine: Engine, template: Path, function: str) -> None:
    (name,) = (name for name, code in engine.template.code.items() if code.function.name == function)
    event = EVENTS / f"{function}.json"
    invoke = [sys.executable, "-m", "samcli", "local", "invoke", name, "--template", str(template)]
    # SAM CLI looks for samconfig.toml beside the template, and finds none there.
    invoke.append("--language-extensions")
    done = subprocess.run([*invoke, "--event", str(event)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    check_answer(function, json.loads(done.stdout))
