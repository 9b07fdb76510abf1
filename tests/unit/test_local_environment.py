"""The local stack's isolation from the machine's AWS set-up."""

import os
import subprocess
import sys

import pytest

from polypost_cli.local_environment import aws_settings, isolate
from support.local_command import HOSTILE_ENVIRONMENT

ENDPOINT = "http://127.0.0.1:4566"


def test_nothing_of_the_machines_aws_set_up_is_left() -> None:
    environ = HOSTILE_ENVIRONMENT | {
        "aws_profile": "x",
        "MOTO_PORT": "1",
        "no_proxy": "*",
        "all_proxy": "x",
        "HOME": "/h",
    }
    isolate(environ, ENDPOINT)
    expected = aws_settings(ENDPOINT, "LocalStack") | {"SAM_CLI_TELEMETRY": "0", "HOME": "/h"}
    assert environ == expected
    assert expected["AWS_ENDPOINT_URL"] == ENDPOINT
    assert expected["AWS_CONFIG_FILE"] == expected["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("https://sts.amazonaws.com", "ForbiddenHost"),
        ("http://169.254.169.254", "ForbiddenHost"),
        ("http://127.0.0.1:9", "EndpointConnectionError"),
    ],
)
def test_a_client_reaches_this_machine_only(url: str, outcome: str) -> None:
    # In a process of its own, since the guard is for the whole process.
    program = (
        "from polypost_local.aws import allow_loopback_only\n"
        "import boto3\n"
        "from botocore.config import Config\n"
        "allow_loopback_only()\n"
        "config = Config(retries={'total_max_attempts': 1})\n"
        f"client = boto3.client('sts', endpoint_url={url!r}, config=config)\n"
        "try:\n"
        "    client.get_caller_identity()\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)\n"
    )
    environment = os.environ | aws_settings(ENDPOINT, "Test") | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert ran.stdout == f"{outcome}\n"
