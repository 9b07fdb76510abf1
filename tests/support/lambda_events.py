"""Lambda events as AWS makes them."""

import time
import uuid
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def http_event(
    method: str,
    path: str,
    query: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    route: str = "",
    path_parameters: Mapping[str, str] | None = None,
    host: str = "abc123.execute-api.eu-central-1.amazonaws.com",
) -> dict[str, Any]:
    """An HTTP API's event, payload format 2.0."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {route or path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "host": host,
            "x-forwarded-port": host.partition(":")[2] or "443",
            "x-forwarded-proto": "https",
        }
        | {name.lower(): value for name, value in (headers or {}).items()},
        "requestContext": {
            "domainName": host.partition(":")[0],
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.1"},
            "requestId": str(uuid.uuid4()),
            "stage": "$default",
            "timeEpoch": int(time.time() * 1000),
        },
        "isBase64Encoded": False,
    }
    if path_parameters:
        event["pathParameters"] = dict(path_parameters)
    if body:
        try:
            # What API Gateway takes for text it hands on as text, and all else in base64.
            media_type = str(event["headers"].get("content-type", "")).lower()
            if not media_type.startswith(("text/", "application/json", "application/xml")):
                raise ValueError
            event |= {"body": body.decode(), "isBase64Encoded": False}
        except ValueError:
            event |= {"body": b64encode(body).decode(), "isBase64Encoded": True}
    return event


def sqs_event(*bodies: str) -> dict[str, Any]:
    """A batch of an SQS event source; the messages' ids are their numbers."""
    return {
        "Records": [
            {
                "messageId": str(number),
                "receiptHandle": f"receipt-{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:queue",
                "awsRegion": "eu-central-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def sns_event(message: str) -> dict[str, Any]:
    """What SNS invokes a function with."""
    return {
        "Records": [
            {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Type": "Notification", "Message": message}}
        ]
    }


@dataclass(frozen=True)
class LambdaContext:
    """As much of Lambda's context as Powertools reads."""

    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:function"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 15_000
