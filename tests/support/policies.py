"""What the template's roles allow."""

from typing import Any

from polypost_local.template import Template


def statements(template: Template) -> dict[str, list[dict[str, Any]]]:
    """The statements of each function's role, by the function's logical id: the role's own and its role policies'."""
    resources = template.cloudformation["Resources"]
    by_role: dict[str, list[dict[str, Any]]] = {
        name: [statement for policy in role["Properties"]["Policies"] for statement in _of(policy)]
        for name, role in resources.items()
        if role["Type"] == "AWS::IAM::Role"
    }
    for policy in resources.values():
        if policy["Type"] == "AWS::IAM::RolePolicy":
            by_role[policy["Properties"]["RoleName"]["Ref"]] += _of(policy["Properties"])
    return {
        name: by_role[function["Properties"]["Role"]["Fn::GetAtt"][0]]
        for name, function in resources.items()
        if function["Type"] == "AWS::Lambda::Function"
    }


def _of(policy: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found
