"""README's "Why did this person not get the mail?", typed as it is printed, on a local stack of its own."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import httpx
import pytest

from support.local_command import LocalCommand, free_port, start_local
from support.template_engine import ROOT

HEADING = "## Why did this person not get the mail?\n"
MESSAGE_ID = re.compile(r"\b[0-9a-f]{24}\b")

#: A command has done its work by then, on a busy machine too, in seconds.
PATIENCE = 30


@dataclass
class Step:
    """A command of the walk, and what it prints; "" where README does not show it."""

    command: str
    output: str = ""


def steps() -> list[Step]:
    """The commands of the section, each with the blocks that follow it up to the next one."""
    section = (ROOT / "README.md").read_text().partition(HEADING)[2].partition("\n## ")[0]
    found: list[Step] = []
    for block in re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", section, re.MULTILINE):
        for part in block.split("\n\n"):
            text = "\n".join(line.removeprefix("    ") for line in part.splitlines())
            if text.startswith(("curl ", "polypost ")):
                found.append(Step(text))
            else:
                found[-1].output += text + "\n"
    return found


def shape(text: str) -> list[str]:
    """The words of an output, without what differs each time: ids and times."""
    text = MESSAGE_ID.sub("ID", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME", text).split()


@dataclass
class Reader:
    """Somebody who types what README prints, with the port of this stack and the ids that this stack gave."""

    stack: LocalCommand
    ids: dict[str, str] = field(default_factory=dict)

    def type(self, command: str) -> str:
        """What a command prints."""
        words = shlex.split(MESSAGE_ID.sub(lambda match: self.own_id(match[0]), command))
        return self._curl(words) if words[0] == "curl" else self._polypost(words)

    def learn(self, step: Step, output: str) -> None:
        """Remember which of the ids that README prints stand for which of this stack's."""
        self.ids |= zip(MESSAGE_ID.findall(step.output), MESSAGE_ID.findall(output), strict=True)

    def own_id(self, printed: str) -> str:
        """The id for one that README prints; a mistyped one is mistyped in the same place."""
        if printed in self.ids:
            return self.ids[printed]
        ((meant, own),) = ((meant, own) for meant, own in self.ids.items() if meant[:-1] == printed[:-1])
        return own[:-1] + f"{(int(own[-1], 16) + int(printed[-1], 16) - int(meant[-1], 16)) % 16:x}"

    def _polypost(self, words: list[str]) -> str:
        command = [sys.executable, "-m", "polypost_cli", *words[1:], "--port", str(self.stack.port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == (1 if "Error" in done.stderr else 0)
        return done.stdout + done.stderr

    def _curl(self, words: list[str]) -> str:
        options = dict(word.split(": ") for before, word in pairwise(words) if before == "-H")
        user, _, secret = words[words.index("-u") + 1].partition(":")
        url = next(word for word in words if word.startswith("http://127.0.0.1:3000/"))
        answer = httpx.post(
            url.replace(":3000/", f":{self.stack.port}/"),
            content=words[words.index("-d") + 1],
            headers=options,
            auth=(user, secret),
            trust_env=False,
        )
        assert answer.is_success, answer.text
        return answer.text


@pytest.fixture
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    stack = start_local(tmp_path_factory.mktemp("elsewhere"), free_port())
    try:
        stack.await_ready()
        yield Reader(stack)
    finally:
        stack.end(signal.SIGTERM)


def as_printed(step: Step, output: str) -> bool:
    """Whether an output is what README shows; JSON may be laid out otherwise there."""
    if step.output.startswith("{"):
        return bool(json.loads(step.output) == json.loads(output))
    return shape(step.output) == shape(output)


def test_the_walk_works_as_it_is_printed(reader: Reader) -> None:
    walk = steps()
    assert [step.command.split(" --")[0].split(" '")[0] for step in walk] == [
        "curl -u",
        "polypost send",
        "polypost messages list",
        "polypost messages show 6b01e348c54d1998f7ccb798",
        "polypost messages show 6b01e348c54d1998f7ccb799",
        "curl -u",
        "polypost send",
        "polypost queues",
        "polypost queues redrive mail",
    ]
    for step in walk:
        deadline = time.monotonic() + PATIENCE
        output = reader.type(step.command)
        # Only what asks may be asked again; the worker takes a moment.
        while step.output and not as_printed(step, output) and " send" not in step.command:
            assert time.monotonic() < deadline, output
            output = reader.type(step.command)
        assert not step.output or as_printed(step, output), output
        if " send" in step.command:
            reader.learn(step, output)
