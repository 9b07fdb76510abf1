"""The process that the functions' workers are forked from, with the modules that they share already loaded.

This module imports nothing else of the local stack, so that the fork server can load while the stack itself does.
"""

import multiprocessing
import signal
from multiprocessing import forkserver, resource_tracker, util
from typing import Final

# The command's own module is one of them: every child imports its parent's main module again. Pydantic's are named one
# by one, since it loads its parts when they are used. None of the project's layer is here: what it reads as it is
# imported is to be read in each function's own environment.
_PRELOADED: Final = [
    "polypost_cli.main",
    "polypost_local.worker",
    "boto3.dynamodb.types",
    "aws_lambda_powertools",
    "aws_lambda_powertools.utilities.batch",
    "cachetools",
    "email.policy",
    "email_validator",
    "jinja2.sandbox",
    "pydantic.dataclasses",
    "pydantic.main",
    "pydantic.networks",
    "pydantic.type_adapter",
    "zoneinfo",
]

CONTEXT: Final = multiprocessing.get_context("forkserver")


def start() -> None:
    """Starts the fork server, which loads its modules while the caller goes on. Called from the main thread."""
    CONTEXT.set_forkserver_preload(_PRELOADED)
    # Ctrl-C goes to every process of the terminal's foreground group, as the other two may. Only the local stack itself
    # is to act on them, and it ends the others: they inherit a mask that keeps the signals away.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        # Keeps away the other two by itself, and lets its caller have them again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def stop() -> None:
    """Ends what multiprocessing keeps beside the workers, processes and files. No worker may be left."""
    # They would end by themselves soon after this process, and the files go with a normal exit. There is no public way
    # to have both at once.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]
    util._run_finalizers()  # type: ignore[attr-defined]
