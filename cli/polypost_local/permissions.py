"""Which permissions the AWS calls of each function needed, as IAM names them."""

import base64
import json
import threading
from collections import Counter
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import default as email_policy
from typing import Any, Final

from polypost_local.aws_server import AwsCall

# Where the API's port shows them.
PATH: Final = "/_local/permissions"

_SEND_EMAIL: Final = "POST /v2/email/outbound-emails"

# The members of a transaction need what they would need alone (DynamoDB developer guide, "Using IAM with DynamoDB
# transactions").
_ACTION_OF_MEMBER: Final = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}


class PermissionLog:
    """Counts the permissions that were needed, by function; give its `observe` to the engine."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._counts: Final[Counter[tuple[str, str, str]]] = Counter()

    def observe(self, call: AwsCall) -> None:
        """Counts one call."""
        needed = [(call.caller, action, resource) for action, resource in permissions(call)]
        with self._lock:
            self._counts.update(needed)

    def entries(self) -> list[dict[str, Any]]:
        """Returns what was needed so far: function, action, resource (without its ARN's beginning), count."""
        with self._lock:
            counts = sorted(self._counts.items())
        return [
            {"function": function, "action": action, "resource": resource, "count": count}
            for (function, action, resource), count in counts
        ]


def permissions(call: AwsCall) -> Iterator[tuple[str, str]]:
    """Returns the IAM actions that a call needs, each with the resource: what follows the account id in its ARN."""
    if call.service == "dynamodb":
        yield from _dynamodb(call.action, json.loads(call.request))
    elif call.service == "sqs":
        request = json.loads(call.request)
        yield f"sqs:{call.action}", request.get("QueueUrl", request.get("QueueName", "*")).rpartition("/")[2]
    elif call.action == _SEND_EMAIL:
        yield from _send_email(json.loads(call.request))
    else:
        yield f"{call.service}:{call.action}", "*"


def _dynamodb(operation: str, request: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if operation == "TransactWriteItems":
        for member in request["TransactItems"]:
            for name, write in member.items():
                yield _ACTION_OF_MEMBER[name], f"table/{write['TableName']}"
    elif "RequestItems" in request:
        for table in request["RequestItems"]:
            yield f"dynamodb:{operation}", f"table/{table}"
    else:
        index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
        yield f"dynamodb:{operation}", f"table/{request['TableName']}{index}"


def _send_email(request: dict[str, Any]) -> Iterator[tuple[str, str]]:
    # A raw message is checked against both actions (SES developer guide, "Sending authorization policies").
    actions = ["ses:SendEmail"]
    sender = request.get("FromEmailAddress", "")
    if "Raw" in request["Content"]:
        actions.append("ses:SendRawEmail")
        mime = BytesParser(policy=email_policy).parsebytes(base64.b64decode(request["Content"]["Raw"]["Data"]))
        sender = sender or mime["From"].addresses[0].addr_spec
    for action in actions:
        yield action, f"identity/{sender.rpartition('@')[2]}"
        if "ConfigurationSetName" in request:
            yield action, f"configuration-set/{request['ConfigurationSetName']}"
