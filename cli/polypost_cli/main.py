"""The command `polypost`."""

import click

from polypost_cli.commands.domains import domains
from polypost_cli.commands.keys import keys
from polypost_cli.commands.messages import messages
from polypost_cli.commands.spaces import spaces


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="polypost", prog_name="polypost")
def app() -> None:
    """Polypost, a self-hosted, serverless mail and contact service."""


for group in (spaces, keys, domains, messages):
    app.add_command(group)


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
    # Here, so that the other commands and the help need not wait for it.
    from polypost_cli.local.command import run

    run(port, verbose)
