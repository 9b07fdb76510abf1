"""The command `polypost`."""

from typing import Annotated

import typer

app = typer.Typer(name="polypost", add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def main() -> None:
    """Polypost, a self-hosted, serverless mail and contact service."""


@app.command()
def local(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1 to serve the API on.")] = 3000,
    verbose: Annotated[bool, typer.Option(help="Show each request, and all that the functions log.")] = False,
) -> None:
    """Run the whole service on this machine, without AWS and without Docker, until Ctrl-C."""
    # Here, so that the other commands and the help need not wait for it.
    from polypost_cli.local.command import run

    run(port, verbose)
