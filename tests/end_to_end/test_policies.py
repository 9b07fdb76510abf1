"""Each function's role allows the AWS calls that the function made in this run, and nothing over.

The local stack runs each function under its logical id and counts the permissions that its calls needed. This test
comes after all other end-to-end tests and compares the counts with the roles of the translated template.
"""

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from polypost_local.permissions import PATH
from polypost_local.template import Template, read_template
from support.policies import statements

from .conftest import LocalEngine, RunningStack

ROOT = Path(__file__).parents[2]

#: What Lambda itself does with a function's role: to each function's own log group, and to each queue that feeds it.
#: No call of the function's code is seen for these, so they are demanded here.
BY_LAMBDA_ON_THE_LOG_GROUP = ("logs:CreateLogStream", "logs:PutLogEvents")
BY_LAMBDA_ON_THE_QUEUE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")

#: Resources with a wildcard, each with the reason why AWS or the use leaves no narrower choice.
WILDCARDS = {
    "*": "what the SES account may send has no resource of its own",
    "LogsTable/index/EventsBy*": "a list is read from one of four indexes, which one the filters say",
    "identity/*": "the operator adds sender domains after the deployment",
}

#: What no call of this run needs, since the local stack is told its rate: how much the account may send.
NOT_PLAYED = {("MailWorker", ("ses:GetAccount", "*"))}

#: An action, and a resource with logical ids in the place of physical ones.
Permission = tuple[str, str]


@pytest.fixture(scope="module")
def template() -> Template:
    return read_template(ROOT / "template.yaml")


def symbolic(resource: Any) -> str:
    """A policy's resource as `Table`, `Table/index/Index`, `Queue`, `identity/*` or `configuration-set/Set`."""
    match resource:
        case "*":
            return "*"
        case {"Fn::GetAtt": [str(logical_id), "Arn"]}:
            return logical_id
        case {"Fn::Sub": str(text)} if index := re.fullmatch(r"\$\{(\w+)\.Arn\}(/index/[\w*]+)", text):
            return index[1] + index[2]
        case {"Fn::Sub": str(text)} if text.startswith(SES_RESOURCE):
            return re.sub(r"\$\{(\w+)\}", r"\1", text.removeprefix(SES_RESOURCE))
    raise AssertionError(f"a resource that this test does not read, and so does not allow: {resource}")


SES_RESOURCE = "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:"


def functions_of(template: Template) -> dict[str, dict[str, Any]]:
    """The properties of each function, by its logical id."""
    resources = template.cloudformation["Resources"].items()
    return {name: resource["Properties"] for name, resource in resources if resource["Type"] == "AWS::Lambda::Function"}


def allowed_permissions(template: Template) -> dict[str, list[Permission]]:
    """What each function's role allows, by the function's logical id; anything but plain statements is an error."""
    resources = template.cloudformation["Resources"]
    assert not [name for name, r in resources.items() if r["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")]
    allowed: dict[str, list[Permission]] = {}
    of_functions = statements(template)
    for name, function in functions_of(template).items():
        role = resources[function["Role"]["Fn::GetAtt"][0]]["Properties"]
        assert role.keys() == {"AssumeRolePolicyDocument", "Policies"}
        assert role["AssumeRolePolicyDocument"]["Statement"] == [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]
        allowed[name] = []
        for statement in of_functions[name]:
            assert statement.keys() == {"Effect", "Action", "Resource"}
            assert statement["Effect"] == "Allow"
            actions, on = statement["Action"], statement["Resource"]
            for action in actions if isinstance(actions, list) else [actions]:
                for one in on if isinstance(on, list) else [on]:
                    allowed[name].append((action, symbolic(one)))
    return allowed


def used_by_lambda(template: Template) -> dict[str, set[Permission]]:
    """What Lambda needs of each function's role, by the function's logical id."""
    used: dict[str, set[Permission]] = {}
    for name, function in functions_of(template).items():
        group = function["LoggingConfig"]["LogGroup"]["Ref"]
        used[name] = {(action, group) for action in BY_LAMBDA_ON_THE_LOG_GROUP}
    for resource in template.cloudformation["Resources"].values():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            queue = resource["Properties"]["EventSourceArn"]["Fn::GetAtt"][0]
            used[resource["Properties"]["FunctionName"]["Ref"]] |= {
                (action, queue) for action in BY_LAMBDA_ON_THE_QUEUE
            }
    return used


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
    for function, permissions in used_by_lambda(template).items():
        needed[function] |= permissions
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
        if not any(covers(permission, call) for call in needed[function])
    }
    assert unused >= NOT_PLAYED, "what is in the list of exceptions has to be allowed, and is needed elsewhere"
    unused -= NOT_PLAYED
    assert missing == set(), "calls that the function's role does not allow"
    assert unused == set(), "permissions that no call of the function needed"


def test_no_permission_is_wider_than_the_list_says(template: Template) -> None:
    for permissions in allowed_permissions(template).values():
        assert len(permissions) == len(set(permissions))
        for action, resource in permissions:
            assert re.fullmatch(r"\w+:\w+", action)
            assert "*" not in resource or resource in WILDCARDS
