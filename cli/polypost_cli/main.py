"""The command `polypost`."""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import NoReturn

import click

# What the extra `local` brings. `polypost_local` itself is always installed.
_LOCAL_PACKAGES = ("samcli", "moto")


class _Groups(click.Group):
    """Loads a group of commands when it is asked for, so that the others need not wait for it."""

    _MODULES = (
        "campaigns",
        "contacts",
        "domains",
        "events",
        "keys",
        "logs",
        "messages",
        "queues",
        "send",
        "spaces",
        "suppressions",
        "templates",
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self._MODULES])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._MODULES:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(f"polypost_cli.commands.{cmd_name}"), cmd_name)
        return command


@click.group(cls=_Groups, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="polypost", prog_name="polypost")
def app() -> None:
    """Polypost, a self-hosted, serverless mail and contact service."""


@app.command()
@click.option(
    "--port",
    default=3000,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="The port on 127.0.0.1 to serve the API on.",
)
@click.option("--verbose", is_flag=True, help="Show each request, and all that the functions log.")
def local(port: int, verbose: bool) -> None:
    """Run the whole service on this machine, without AWS and without Docker, until Ctrl-C."""
    # Checked before, since catching a failed import would hide a mistake in the local stack as well.
    if not all(map(find_spec, _LOCAL_PACKAGES)):
        click.echo(
            "polypost local: the local stack is not installed; "
            "in a clone of the repository run: pip install --editable '.[local]'",
            err=True,
        )
        sys.exit(1)
    # Loaded by its name, as the groups are: the local stack imports the command's modules, never the other way round.
    import_module("polypost_local.command").run(port, verbose)


def main() -> NoReturn:
    """Run the command; whatever goes wrong is one line on standard error and exit 1 or 2."""
    try:
        app(prog_name="polypost")
    except KeyboardInterrupt:
        click.echo("Aborted!", err=True)
    except UnicodeError:
        click.echo("Error: a word of the command is not UTF-8", err=True)
    except OSError as error:
        click.echo(f"Error: {error.strerror or error}", err=True)
    sys.exit(1)
