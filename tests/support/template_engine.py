"""The template's own tables, queues and topics on moto's server, and what is called there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from polypost.adapters import keys
from polypost_cli.local_environment import REGION, isolate
from polypost_local import demo
from polypost_local.aws import Clients, local_clients
from polypost_local.aws_server import AwsCall
from polypost_local.http_server import HOST
from polypost_local.stack import Stack, create_stack
from polypost_local.template import Template, read_template
from support.local_engine import running_moto

ROOT = Path(__file__).parents[2]


@cache
def the_template() -> Template:
    """The repository's own template, which takes a second to read. Nobody changes what they get."""
    return read_template(ROOT / "template.yaml")


@dataclass
class Engine:
    """The local AWS engine with the template's resources, and every call that was made to it."""

    endpoint: str
    template: Template
    stack: Stack
    clients: Clients
    calls: list[AwsCall] = field(default_factory=list)

    def actions(self, service: str) -> list[str]:
        """The operations of one service that were called, in order."""
        return [call.action for call in self.calls if call.service == service]

    def receive(self, queue: str) -> list[str]:
        """Take every message that waits in a queue, by the output that names it."""
        bodies: list[str] = []
        while True:
            answer = self.clients.sqs.receive_message(QueueUrl=self.stack.outputs[queue], MaxNumberOfMessages=10)
            if "Messages" not in answer:
                return bodies
            for message in answer["Messages"]:
                bodies.append(message["Body"])
                self.clients.sqs.delete_message(
                    QueueUrl=self.stack.outputs[queue], ReceiptHandle=message["ReceiptHandle"]
                )

    def empty(self) -> None:
        """Take out all that is stored and queued, and forget the calls.

        The key for addresses stays, since warm functions remember it.
        """
        # In the engine's memory, which is this process's: by calls it would take longer than most tests.
        for table in dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables.values():
            for partition in [each for each in table.items if each.value != keys.ADDRESS_KEY["PK"]]:
                del table.items[partition]
        queues = sqs_backends[DEFAULT_ACCOUNT_ID][REGION]
        for name, queue in queues.queues.items():
            # SQS allows one purge a minute, and so does the engine.
            queue.last_purged_at = None
            queues.purge_queue(name)
        self.calls.clear()


@contextmanager
def template_engine(host: str = HOST) -> Iterator[Engine]:
    """An engine with the template's resources; until it ends, this process's environment leads to it.

    Parameters: host, this machine's address where it listens, on a free port.
    """
    calls: list[AwsCall] = []
    saved = dict(os.environ)
    with running_moto(calls.append, host=host) as endpoint:
        isolate(os.environ, endpoint)
        try:
            template = the_template()
            clients = local_clients()
            stack = create_stack(template.cloudformation, clients, demo.SENDER_DOMAINS)
            yield Engine(endpoint, template, stack, clients, calls)
        finally:
            os.environ.clear()
            os.environ.update(saved)
