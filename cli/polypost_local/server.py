"""The local stack as a whole: engine, resources, functions, event sources, SES and the HTTP API in front of them."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from polypost_cli.local_environment import STACK_PATH
from polypost_local.aws import allow_loopback_only, local_clients
from polypost_local.aws_server import aws_application
from polypost_local.errors import LocalStackError
from polypost_local.event_sources import start_polling
from polypost_local.functions import Functions, sandboxes
from polypost_local.gateway import gateway_application
from polypost_local.http_server import HOST, serve
from polypost_local.mailbox import PATH as MAILBOX_PATH
from polypost_local.mailbox import Mailbox
from polypost_local.permissions import PATH as PERMISSIONS_PATH
from polypost_local.permissions import PermissionLog
from polypost_local.ses_mail import mail_observer
from polypost_local.simulator import Simulator
from polypost_local.stack import STACK_NAME, create_stack
from polypost_local.template import read_template

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# How long the first request may take, in seconds.
_FIRST_REQUEST_SECONDS: Final = 30.0


class NotAnswering(LocalStackError):
    """The API does not answer a first request as it should."""


class LocalStack:
    """Everything that runs in this process and its workers; the process's environment is isolated before."""

    def __init__(
        self,
        template: Path,
        public: socket.socket,
        engine: socket.socket,
        sender_domains: Iterable[str],
        seed: Callable[[Mapping[str, str]], None],
        verbose: bool,
    ) -> None:
        """Parameters:
        template: the SAM template
        public: listening socket of the API
        engine: listening socket of the AWS engine
        sender_domains: what SES is to accept as verified
        seed: called with the stack's outputs when its resources exist
        verbose: whether to show all that the functions log
        """
        self._template: Final = template
        self._public: Final = public
        self._engine: Final = engine
        self._sender_domains: Final = tuple(sender_domains)
        self._seed: Final = seed
        self._verbose: Final = verbose
        self._stopping: Final = threading.Event()
        self._functions: Functions | None = None

    def start(self) -> None:
        """Starts everything, and returns when the API answers.

        Errors: TemplateError, StackError, FunctionDoesNotStart, NotAnswering; Stopping when `stop` was called.
        """
        allow_loopback_only()
        mailbox, simulator, needed = Mailbox(), Simulator(), PermissionLog()
        observers = [needed.observe, mail_observer(mailbox.receive, simulator.receive)]
        serve(aws_application(observers), self._engine)
        template = read_template(self._template)
        clients = local_clients()
        stack = create_stack(template.cloudformation, clients, self._sender_domains)
        simulator.start(stack.event_destinations, clients.sns)

        endpoint = f"http://{HOST}:{self._engine.getsockname()[1]}"
        functions = Functions(sandboxes(stack.functions, template.code, endpoint, self._verbose))
        self._functions = functions
        starting = functions.start()
        self._seed(stack.outputs)
        functions.wait(starting)
        start_polling(stack.event_sources, clients.sqs, functions.invoke, self._stopping)

        port = self._public.getsockname()[1]
        gateway = gateway_application(template.api, functions.invoke, port)
        beside: dict[str, WSGIApplication] = {
            MAILBOX_PATH: mailbox,
            STACK_PATH: _json_application(lambda: {"endpoint": endpoint, "stack": STACK_NAME}),
            PERMISSIONS_PATH: _json_application(needed.entries),
        }
        serve(_beside_gateway(beside, gateway), self._public)
        _await_answer(port)

    def stop(self) -> None:
        """Ends the workers, also those at work. What else runs are daemon threads of this process."""
        self._stopping.set()
        if self._functions is not None:
            self._functions.stop()


def _beside_gateway(applications: Mapping[str, "WSGIApplication"], gateway: "WSGIApplication") -> "WSGIApplication":
    """Returns an application that serves the given paths itself and hands everything else to the gateway."""

    def dispatch(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        application = applications.get(environ["PATH_INFO"], gateway)
        if application is not gateway and not _is_local(environ.get("HTTP_HOST", "")):
            application = gateway
        return application(environ, start_response)

    return dispatch


def _is_local(host: str) -> bool:
    """Returns whether a Host header names this machine: a page from elsewhere may have its own name point here."""
    name = host.partition(":")[0].lower()
    return name in ("127.0.0.1", "localhost") or name.endswith(".localhost")


def _json_application(value: Callable[[], object]) -> "WSGIApplication":
    """Returns an application that answers everything with what a function returns, as JSON."""

    def answer(_environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body = json.dumps(value()).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def _await_answer(port: int) -> None:
    """Makes a first request through the API. Errors: NotAnswering."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_FIRST_REQUEST_SECONDS)
    try:
        connection.request("GET", "/")
        status = connection.getresponse().status
    finally:
        connection.close()
    # Which path there is belongs to the template; that the API or a function answers is what counts.
    if status >= 500:
        raise NotAnswering(f"the API answers a first request with {status}")
