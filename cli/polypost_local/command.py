"""`polypost local` as a process: its port, its signals, what it prints and how it ends."""

import gc
import logging
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Final, NoReturn

from polypost_cli.local_environment import isolate
from polypost_local import fork_server
from polypost_local.errors import LocalStackError
from polypost_local.http_server import HOST, PortInUse, listen

# The command is installed in place: the template is at the root of the clone that this file lies in.
TEMPLATE: Final = Path(__file__).resolve().parents[2] / "template.yaml"


# A closed terminal ends the stack as Ctrl-C does.
_ENDING: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

# What the starting thread wakes the main thread with when it fails.
_FAILED: Final = signal.SIGUSR1


def run(port: int, verbose: bool) -> NoReturn:
    """Runs the local stack until SIGINT, SIGTERM or SIGHUP, then ends the process.

    The exit status is 0 after a signal, 1 when the stack could not be started and 2 when the port is in use.

    Parameters:
        port: TCP port of the API on 127.0.0.1
        verbose: whether to log each request and all that the functions log, on standard error
    """
    for number in _ENDING:
        signal.signal(number, lambda *_: _exit(0))
    try:
        public = listen(port)
    except PortInUse as error:
        _fail(str(error))
        _exit(2)
    engine = listen(0)
    isolate(os.environ, f"http://{HOST}:{engine.getsockname()[1]}")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("polypost_local").setLevel(logging.INFO if verbose else logging.WARNING)
    if sys.stderr.isatty():
        print("Starting; this takes a few seconds", file=sys.stderr, flush=True)
    fork_server.start()
    # Every thread from here on inherits the mask, so that no signal is lost to one that does not look for it: the main
    # thread takes them one by one.
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_ENDING, _FAILED})

    # What is loaded from here on takes most of the start, and nearly nothing of it is ever freed.
    gc.disable()
    from polypost_local import demo
    from polypost_local.server import LocalStack

    stack = LocalStack(TEMPLATE, public, engine, demo.SENDER_DOMAINS, demo.seed, verbose)
    failures: list[str] = []

    def start() -> None:
        try:
            stack.start()
            gc.freeze()
            gc.enable()
            base_url = f"http://{HOST}:{port}"
            print(f"Polypost is ready on {base_url}", *demo.curls(base_url), sep="\n", flush=True)
        except LocalStackError as error:
            failures.append(str(error))
        except Exception:
            failures.append(f"the local stack could not be started\n{traceback.format_exc()}")
        if failures:
            os.kill(os.getpid(), _FAILED)

    # In a thread, so that the main thread can end it at any moment.
    threading.Thread(target=start, daemon=True).start()
    received = signal.sigwait({*_ENDING, _FAILED})
    # What the ending interrupts is no news.
    logging.disable()
    stack.stop()
    fork_server.stop()
    if received == _FAILED:
        _fail(failures[0])
        _exit(1)
    _exit(0)


def _fail(message: str) -> None:
    print(f"polypost local: {message}", file=sys.stderr, flush=True)


def _exit(status: int) -> NoReturn:
    # Threads in long polls and open connections are left as they are; a normal exit would wait for some of them.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
