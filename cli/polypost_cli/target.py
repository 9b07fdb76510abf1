"""Which stack a command works on: one on AWS, by its name, or the local stack that runs on this machine."""

import functools
import hashlib
import http.client
import json
import os
import re
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import click

from polypost.adapters import clients
from polypost.adapters.access_table import AccessTable
from polypost.adapters.contacts_table import ContactsTable
from polypost.adapters.log_entries import LogEntries
from polypost.adapters.logs_table import LogsTable
from polypost.adapters.mail_queue import MailQueue
from polypost.adapters.person_history import PersonHistory
from polypost.adapters.suppressions import Suppressions
from polypost.errors import Permanent, PolypostError
from polypost_cli import aws
from polypost_cli.local_environment import STACK_PATH, isolate
from polypost_cli.output import progress

#: The queues of a stack by the names that operators type; an output tells the URL of each, and of its dead letters.
QUEUES: Final = {
    "mail": ("MailQueueUrl", "MailDeadLetterQueueUrl"),
    "events": ("SesEventsQueueUrl", "SesEventsDeadLetterQueueUrl"),
    "erasures": ("ErasureQueueUrl", "ErasureDeadLetterQueueUrl"),
}


@dataclass(frozen=True)
class Target:
    """The parts of a stack that commands use."""

    access: AccessTable
    contacts: ContactsTable
    logs: LogsTable
    log_entries: LogEntries
    history: PersonHistory
    suppressions: Suppressions
    identities: aws.Identities
    outputs: Mapping[str, str]

    # Few commands call these services, and to make a client takes its time.

    @cached_property
    def mail_queue(self) -> MailQueue:
        """The queue of accepted mails."""
        return MailQueue(clients.sqs(), self.output("MailQueueUrl"))

    @cached_property
    def queues(self) -> aws.Queues:
        """All queues, by the URLs that the stack's outputs tell."""
        return aws.Queues()

    def output(self, name: str) -> str:
        """One of the stack's outputs. Raises: Permanent, for a stack of an older release."""
        if name not in self.outputs:
            raise Permanent(f"the stack has no output {name}; deploy this release first")
        return self.outputs[name]

    @property
    def fingerprint(self) -> str:
        """What tells the stack from every other one: its name may be given again."""
        return hashlib.sha256(self.access.address_key()).hexdigest()


def on_a_stack(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose a stack, and the chosen one as its first argument.

    What AWS or the stack refuses becomes one line on standard error and exit 1.
    """

    @click.option("--stack", envvar="POLYPOST_STACK", help="The stack on AWS, by its CloudFormation name.")
    @click.option("--local", is_flag=True, help="The local stack that runs on this machine.")
    @click.option(
        "--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="The port of the local stack."
    )
    @functools.wraps(command)
    def with_target(stack: str | None, local: bool, port: int, **arguments: Any) -> None:
        source = click.get_current_context().get_parameter_source("stack")
        if local and source is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError("say which stack: --stack NAME or --local, not both")
        if stack is None and not local:
            raise click.UsageError("say which stack: --stack NAME, or --local")
        try:
            with progress("Finding the stack"):
                target = _target(_local_stack(port) if local or stack is None else stack)
            command(target, **arguments)
        except PolypostError as error:
            raise click.ClickException(_one_line(error)) from error

    return with_target


def _one_line(error: PolypostError) -> str:
    """The error with what AWS said of it, if AWS did."""
    said = str(error.__cause__ or "")
    return " ".join((f"{error} ({said})" if said and said not in str(error) else str(error)).split())


def _target(stack: str) -> Target:
    outputs: Mapping[str, str] = aws.stack_outputs(stack)
    missing = {"AccessTable", "ContactsTable", "LogsTable"} - outputs.keys()
    if missing:
        # Also a stack of an older release, which `make deploy` updates.
        raise click.ClickException(
            f"{stack} is no stack of this Polypost: it has no output {', '.join(sorted(missing))}"
        )
    dynamodb = clients.dynamodb()
    access = AccessTable(dynamodb, outputs["AccessTable"])
    contacts = ContactsTable(dynamodb, outputs["ContactsTable"], access.address_key)
    logs = LogsTable(dynamodb, outputs["LogsTable"], access.address_key)
    log_entries = LogEntries(dynamodb, outputs["LogsTable"], access.address_key)
    history = PersonHistory(dynamodb, outputs["LogsTable"], access.address_key)
    suppressions = Suppressions(dynamodb, outputs["ContactsTable"], access.address_key, access.settings)
    return Target(access, contacts, logs, log_entries, history, suppressions, aws.Identities(), outputs)


def _local_stack(port: int) -> str:
    """The name of the local stack; every AWS client of this process calls its engine from now on."""
    url = f"http://127.0.0.1:{port}{STACK_PATH}"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5) as answer:
            local = json.load(answer)
        endpoint, stack = str(local["endpoint"]), str(local["stack"])
        if not re.fullmatch(r"http://127\.0\.0\.1:[0-9]+", endpoint):
            raise ValueError(endpoint)
    except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException) as error:
        raise click.ClickException(f"no local stack answers on port {port}; `polypost local` starts one") from error
    isolate(os.environ, endpoint)
    return stack
