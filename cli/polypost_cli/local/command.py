"""`polypost local` as a process: its port, its signals, what it prints and how it ends."""

import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final, NoReturn

from polypost_cli.local import fork_server
from polypost_cli.local.environment import isolate
from polypost_cli.local.errors import LocalStackError
from polypost_cli.local.http_server import HOST, PortInUse, listen

# The command is installed in place: the template is at the root of the clone that this file lies in.
TEMPLATE: Final = Path(__file__).resolve().parents[3] / "template.yaml"

_log = logging.getLogger(__name__)


def run(port: int, verbose: bool) -> NoReturn:
    """Runs the local stack until SIGINT or SIGTERM, then ends the process.

    The exit status is 0 after a signal, 1 when the stack could not be started and 2 when the port is in use.

    Parameters:
        port: TCP port of the API on 127.0.0.1
        verbose: whether to log each request and all that the functions log, on standard error
    """
    # A handler may run while any lock is held, so it only writes to a pipe, which the main thread reads.
    ending, end = os.pipe()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os.write(end, b"."))
    try:
        public = listen(port)
    except PortInUse as error:
        _fail(str(error))
        _exit(2)
    engine = listen(0)
    isolate(os.environ, f"http://{HOST}:{engine.getsockname()[1]}")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("polypost_cli").setLevel(logging.INFO if verbose else logging.WARNING)
    fork_server.start()

    # What is loaded from here on takes most of the start, and nearly nothing of it is ever freed.
    gc.disable()
    from polypost_cli.local import demo
    from polypost_cli.local.server import LocalStack

    stack = LocalStack(TEMPLATE, public, engine, demo.SENDER_DOMAINS, demo.seed, verbose)
    failed = threading.Event()

    def start() -> None:
        try:
            stack.start()
            gc.freeze()
            gc.enable()
            base_url = f"http://{HOST}:{port}"
            print(f"Polypost is ready on {base_url}", *demo.curls(base_url), sep="\n", flush=True)
            return
        except LocalStackError as error:
            _fail(str(error))
        except Exception:
            _log.exception("the local stack could not be started")
        failed.set()
        os.write(end, b".")

    # In a thread, so that the main thread can end it at any moment.
    threading.Thread(target=start, daemon=True).start()
    os.read(ending, 1)
    # What the ending interrupts is no news.
    logging.disable()
    stack.stop()
    fork_server.stop()
    _exit(1 if failed.is_set() else 0)


def _fail(message: str) -> None:
    print(f"polypost local: {message}", file=sys.stderr, flush=True)


def _exit(status: int) -> NoReturn:
    # Threads in long polls and open connections are left as they are; a normal exit would wait for some of them.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
