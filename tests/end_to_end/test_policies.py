"""Each function's role allows the AWS calls that the function made in this run, and nothing over.

The local stack runs each function under its logical id and counts the permissions that its calls needed. This test
comes after all other end-to-end tests and compares the counts with the roles of the translated template.
"""

import re
from collections import defaultdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from polypost_cli.local.permissions import PATH
from polypost_cli.local.template import Template, read_template

from .conftest import LocalEngine, RunningStack

ROOT = Path(__file__).parents[2]

#: Allowed actions that no function's own code uses, each with its reason.
NOT_THE_FUNCTIONS_OWN = {
    "logs:CreateLogStream": "Lambda writes the function's log with the function's role",
    "logs:PutLogEvents": "Lambda writes the function's log with the function's role",
    "sqs:ReceiveMessage": "Lambda's event source mapping polls with the function's role",
    "sqs:DeleteMessage": "Lambda's event source mapping deletes what was handled with the function's role",
    "sqs:GetQueueAttributes": "Lambda's event source mapping asks for the queue's attributes with the function's role",
}

#: Functions that may call on `Resource: "*"`, by action, each with its reason. None does so far.
ON_EVERYTHING: dict[str, str] = {}

#: An action, and a resource with logical ids in the place of physical ones; a policy's may hold `*`.
Permission = tuple[str, str]


@pytest.fixture(scope="module")
def template() -> Template:
    return read_template(ROOT / "template.yaml")


def symbolic(resource: Any) -> str:
    """A policy's resource as `Table`, `Table/index/Index`, `Queue`, `identity/*` or `configuration-set/Set`."""
    match resource:
        case {"Fn::GetAtt": [logical_id, "Arn"]}:
            return str(logical_id)
        case {"Fn::Sub": str(text)}:
            named = re.sub(r"\$\{(\w+)(?:\.Arn)?\}", r"\1", text)
            return re.sub(r"^arn:.*?\$\{AWS::AccountId\}:", "", named)
        case str(text):
            return text
    raise AssertionError(f"a resource that this test does not read: {resource}")


def allowed_permissions(template: Template) -> dict[str, set[Permission]]:
    """What each function's role allows, by the function's logical id."""
    resources = template.cloudformation["Resources"]
    allowed: dict[str, set[Permission]] = defaultdict(set)
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        role = resources[resource["Properties"]["Role"]["Fn::GetAtt"][0]]["Properties"]
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                assert statement["Effect"] == "Allow"
                actions, on = statement["Action"], statement["Resource"]
                for action in actions if isinstance(actions, list) else [actions]:
                    for one in on if isinstance(on, list) else [on]:
                        allowed[name].add((action, symbolic(one)))
    return allowed


def needed_permissions(stack: RunningStack, engine: LocalEngine, functions: set[str]) -> dict[str, set[Permission]]:
    """What the calls of each function needed in this run."""
    needed: dict[str, set[Permission]] = {name: set() for name in functions}
    for entry in stack.client.get(PATH).json():
        if entry["function"] in functions:
            parts = entry["resource"].removeprefix("table/").split("/")
            resource = "/".join(engine.logical_ids.get(part, part) for part in parts)
            needed[entry["function"]].add((entry["action"], resource))
    return needed


def covers(allowed: Permission, needed: Permission) -> bool:
    return allowed[0] == needed[0] and fnmatchcase(needed[1], allowed[1])


def test_every_call_is_allowed_and_every_permission_is_used(
    local_stack: RunningStack, local_engine: LocalEngine, template: Template
) -> None:
    allowed = allowed_permissions(template)
    needed = needed_permissions(local_stack, local_engine, set(allowed))
    assert all(needed.values()), "this test judges a run of all end-to-end tests: run tests/end_to_end as a whole"
    missing = {
        (function, call)
        for function, calls in needed.items()
        for call in calls
        if not any(covers(permission, call) for permission in allowed[function])
    }
    unused = {
        (function, permission)
        for function, permissions in allowed.items()
        for permission in permissions
        if permission[0] not in NOT_THE_FUNCTIONS_OWN and not any(covers(permission, call) for call in needed[function])
    }
    assert missing == set(), "calls that the function's role does not allow"
    assert unused == set(), "permissions that no call of the function needed"


def test_no_policy_is_wider_than_the_list_says(template: Template) -> None:
    for permissions in allowed_permissions(template).values():
        for action, resource in permissions:
            assert "*" not in action
            assert resource != "*" or action in ON_EVERYTHING
