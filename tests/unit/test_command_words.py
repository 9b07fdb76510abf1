"""What the command says of a wrong word: plain words, not Python's."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from polypost_cli.main import app


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands below a group, each with the words that lead to it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


CHOICES = [
    pytest.param((*path, option.opts[0]), option.type, id=" ".join((*path, option.opts[0])))
    for path, command in commands(app)
    for option in command.params
    if isinstance(option.type, click.Choice)
]


@pytest.mark.parametrize(("words", "choice"), CHOICES)
def test_a_word_that_is_no_choice_is_told_the_choices(words: tuple[str, ...], choice: click.Choice) -> None:
    result = CliRunner().invoke(app, [*words, "nonsense"])
    assert result.exit_code == 2
    assert ", ".join(f"'{each}'" for each in choice.choices) in result.output
    assert "<" not in result.output
