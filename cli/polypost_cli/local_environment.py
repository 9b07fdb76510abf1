"""The environment of the local stack, and of a command that works on it: nothing of the machine's AWS set-up, and no
way to a real account."""

import os
from collections.abc import MutableMapping
from typing import Final

REGION: Final = "eu-central-1"

# Where the API's port tells the operator's command of the AWS engine's endpoint and of the stack's name in it.
STACK_PATH: Final = "/_local/stack"

# Whatever steers the AWS SDKs, SAM CLI, the local engine or a proxy. Proxies are read in both cases.
_DROPPED_PREFIXES: Final = ("AWS_", "SAM_", "MOTO_")
_DROPPED_NAMES: Final = frozenset(
    {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "BOTO_CONFIG", "INITIAL_NO_AUTH_ACTION_COUNT"}
)


def isolate(environ: MutableMapping[str, str], endpoint: str) -> None:
    """Removes the machine's AWS settings from an environment and points every AWS client in it to the local engine.

    Parameters:
        environ: the environment, changed in place; `os.environ` for this process
        endpoint: base URL of the local engine, such as `http://127.0.0.1:41234`
    """
    for name in list(environ):
        if name.upper().startswith(_DROPPED_PREFIXES) or name.upper() in _DROPPED_NAMES:
            del environ[name]
    environ.update(aws_settings(endpoint, caller="LocalStack"))
    environ["SAM_CLI_TELEMETRY"] = "0"


def aws_settings(endpoint: str, caller: str) -> dict[str, str]:
    """Returns the variables with which an AWS client reaches the local engine and nothing else.

    Parameters:
        endpoint: base URL of the local engine
        caller: who calls, a function's logical id in the template; it travels as the access key, so that the engine's
            log of calls names the function

    Result: names and values of environment variables.
    """
    return {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": caller,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
    }
