"""The demo space: who may call the local stack, and what to call it with."""

from collections.abc import Mapping

from polypost.adapters import clients
from polypost.adapters.access_table import AccessTable
from polypost.auth import secret_digest
from polypost.models.access import Credential, Scope, Space

SPACE = "demo"
KEYID = "demo"
SECRET = "demo-secret"
SENDER_DOMAINS = ("example.com", "example.invalid")

_SEND = """curl -u '{user}' -H 'Content-Type: application/json' '{url}/api-service/custom/sap/v1/send' -d '{{
  "type": "email", "sourceSystem": "0MB871I", "campaignId": "cMB871df",
  "sender": "info@example.invalid", "senderName": "Name of the sender",
  "recipient": "{recipient}", "subjectContentPlainText": "Test subject",
  "bodyContentHTML": "<html><body><b>This is a test\\nbody.</b></body></html>",
  "bodyContentPlainText": "This is a test text for the text part." }}'"""


def seed(outputs: Mapping[str, str]) -> None:
    """Create the demo space, its credential with every scope, and its verified sender domains.

    Parameters: outputs, of the local stack.
    """
    access = AccessTable(clients.dynamodb(), outputs["AccessTable"])
    access.create_space(Space(id=SPACE))
    access.create_credential(
        Credential(
            keyid=KEYID,
            space=SPACE,
            secret_sha256=secret_digest(SECRET),
            scopes=frozenset(Scope),
            label="the local stack's own",
        )
    )
    for domain in SENDER_DOMAINS:
        access.put_sender_domain(SPACE, domain, verified=True)


def curls(base_url: str) -> list[str]:
    """A command for each endpoint, ready to be pasted into a shell.

    Parameters: base_url, without a slash at its end.
    """
    user = f"{KEYID}:{SECRET}"
    api = f"{base_url}/api-service"
    return [
        _SEND.format(user=user, url=base_url, recipient="max.mustermann@example.invalid"),
        _SEND.format(user=user, url=base_url, recipient="bounce@simulator.amazonses.com"),
        f"curl -u '{user}' '{api}/custom/sap/v1/bounces'",
        f"curl -u '{user}' '{api}/custom/sap/v1/complaints'",
        f"curl -u '{user}' '{api}/custom/sap/v1/verifiedSenders'",
        f"curl '{api}'",
        f"curl '{base_url}/_local/mailbox'",
    ]
