"""The template's resources in the local engine, made by its CloudFormation from the translated template.

The engine resolves every reference itself: what the local stack has to know of a resource that the engine cannot make
(a function's environment, a subscription's endpoint) goes into the stack as one more output.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from polypost_local.aws import Clients
from polypost_local.errors import LocalStackError
from polypost_local.template import PARAMETERS

STACK_NAME: Final = "polypost"

# Resources that the engine's CloudFormation makes.
_MADE: Final = frozenset({"AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SNS::Topic"})

# Resources that it does not make, and which of their properties the local stack plays (all where None).
_FUNCTION: Final = "AWS::Lambda::Function"
_EVENT_SOURCE: Final = "AWS::Lambda::EventSourceMapping"
_SUBSCRIPTION: Final = "AWS::SNS::Subscription"
_EVENT_DESTINATION: Final = "AWS::SES::ConfigurationSetEventDestination"
_PLAYED: Final[Mapping[str, tuple[str, ...] | None]] = {
    _FUNCTION: ("Environment", "Handler", "MemorySize", "Runtime", "Timeout"),
    _EVENT_SOURCE: None,
    _SUBSCRIPTION: None,
    _EVENT_DESTINATION: None,
}

# Resources that others refer to by name: a parameter of the same logical id answers the reference.
_CONFIGURATION_SET: Final = "AWS::SES::ConfigurationSet"
_NAMED: Final = frozenset({_FUNCTION, _CONFIGURATION_SET})

_PLAYED_OUTPUT_PREFIX: Final = "PropertiesOf"

# Properties of a subscription that its API takes as parameters of their own; the others are attributes.
_SUBSCRIPTION_PARAMETERS: Final = frozenset({"TopicArn", "Protocol", "Endpoint", "Region"})


# `${Name}` and `${Name.Attribute}` in Fn::Sub; `${!Literal}` is none.
_PLACEHOLDER: Final = re.compile(r"\$\{([^!{}]+)\}")


class StackError(LocalStackError):
    """The template has something that the local stack cannot play."""


@dataclass(frozen=True)
class FunctionSettings:
    """A function as the template configures it."""

    handler: str
    # Lambda's name of the runtime, such as `python3.13`.
    runtime: str
    timeout_seconds: int
    memory_mb: int
    environment: Mapping[str, str]


@dataclass(frozen=True)
class EventSource:
    """A queue whose messages a function gets."""

    function: str
    queue_arn: str
    batch_size: int
    # Batches at a time.
    maximum_concurrency: int
    # Whether the function's answer names the messages that failed.
    reports_item_failures: bool


@dataclass(frozen=True)
class EventDestination:
    """Where SES publishes what becomes of the mails of a configuration set."""

    configuration_set: str
    topic_arn: str
    # As the template writes them: `send`, `bounce`, `renderingFailure`.
    event_types: frozenset[str]


@dataclass(frozen=True)
class Stack:
    """What was made, and what the template says of the rest; functions by their logical ids."""

    outputs: Mapping[str, str]
    functions: Mapping[str, FunctionSettings]
    event_sources: tuple[EventSource, ...]
    event_destinations: tuple[EventDestination, ...]


def create_stack(template: Mapping[str, Any], clients: Clients, sender_domains: Iterable[str]) -> Stack:
    """Makes tables, queues, topics, subscriptions, configuration sets and SES identities.

    Parameters:
        template: plain CloudFormation
        clients: for an engine without a stack
        sender_domains: domains that SES is to accept as verified

    Errors: StackError.
    """
    outputs = _make(template, clients)
    played = _Played(template, outputs)

    for properties in played.of_type(_SUBSCRIPTION):
        clients.sns.subscribe(
            TopicArn=properties["TopicArn"],
            Protocol=properties["Protocol"],
            Endpoint=properties["Endpoint"],
            Attributes={
                name: value if isinstance(value, str) else json.dumps(value)
                for name, value in properties.items()
                if name not in _SUBSCRIPTION_PARAMETERS
            },
        )
    for logical_id in _ids_of_type(template, _CONFIGURATION_SET):
        clients.ses.create_configuration_set(ConfigurationSetName=_name(template, logical_id))
    for domain in sender_domains:
        clients.ses.create_email_identity(EmailIdentity=domain)

    return Stack(
        outputs={name: value for name, value in outputs.items() if name in template.get("Outputs", {})},
        functions=dict(_functions(played)),
        event_sources=tuple(_event_sources(played)),
        event_destinations=tuple(_event_destinations(played)),
    )


def _make(template: Mapping[str, Any], clients: Clients) -> dict[str, str]:
    """Makes what the engine can make. Result: every output, the template's own and those of played resources."""
    resources = template["Resources"]
    made = {
        # The engine makes a resource when another one refers to it; an order that names dropped ones only hinders.
        logical_id: {key: value for key, value in resource.items() if key != "DependsOn"}
        for logical_id, resource in resources.items()
        if resource["Type"] in _MADE
    }
    parameters = dict(template.get("Parameters", {}))
    for logical_id, resource in resources.items():
        if resource["Type"] in _NAMED:
            parameters[logical_id] = {"Type": "String", "Default": _name(template, logical_id)}

    outputs = {
        name: output
        for name, output in template.get("Outputs", {}).items()
        if not _unknown_references(output["Value"], parameters, made)
    }
    for logical_id, resource in resources.items():
        if resource["Type"] in _PLAYED:
            properties = _played_properties(resource)
            if unknown := _unknown_references(properties, parameters, made):
                raise StackError(f"{logical_id} refers to {', '.join(sorted(unknown))}, which has no local counterpart")
            outputs[_PLAYED_OUTPUT_PREFIX + logical_id] = {
                "Value": {"Fn::ToJsonString": properties},
                **({"Condition": resource["Condition"]} if "Condition" in resource else {}),
            }

    filtered = {
        **{section: template[section] for section in ("Conditions", "Mappings") if section in template},
        "Parameters": parameters,
        "Resources": made,
        "Outputs": outputs,
    }
    clients.cloudformation.create_stack(
        StackName=STACK_NAME,
        TemplateBody=json.dumps(filtered),
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items() if name in parameters
        ],
    )
    (stack,) = clients.cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]
    if stack["StackStatus"] != "CREATE_COMPLETE":
        raise StackError(f"the local engine could not make the template's resources: {stack['StackStatus']}")
    # The engine's CloudFormation gives queue URLs with AWS's host, its SQS with the host that it is called by.
    sqs = clients.sqs.meta
    aws_queues, local_queues = f"https://sqs.{sqs.region_name}.amazonaws.com/", f"{sqs.endpoint_url}/"
    return {output["OutputKey"]: output["OutputValue"].replace(aws_queues, local_queues) for output in stack["Outputs"]}


class _Played:
    """The resolved properties of the resources that the engine did not make."""

    def __init__(self, template: Mapping[str, Any], outputs: Mapping[str, str]) -> None:
        self._template: Final = template
        self._outputs: Final = outputs

    def items_of_type(self, type_name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields logical id and properties of each resource whose condition holds."""
        for logical_id in _ids_of_type(self._template, type_name):
            properties = self._outputs.get(_PLAYED_OUTPUT_PREFIX + logical_id)
            if properties is not None:
                yield logical_id, json.loads(properties)

    def of_type(self, type_name: str) -> Iterator[dict[str, Any]]:
        for _, properties in self.items_of_type(type_name):
            yield properties


def _functions(played: _Played) -> Iterator[tuple[str, FunctionSettings]]:
    for logical_id, properties in played.items_of_type(_FUNCTION):
        variables = properties.get("Environment", {}).get("Variables", {})
        yield (
            logical_id,
            FunctionSettings(
                handler=properties["Handler"],
                runtime=properties["Runtime"],
                # Lambda's own defaults.
                timeout_seconds=int(properties.get("Timeout", 3)),
                memory_mb=int(properties.get("MemorySize", 128)),
                environment={name: str(value) for name, value in variables.items()},
            ),
        )


def _event_sources(played: _Played) -> Iterator[EventSource]:
    for properties in played.of_type(_EVENT_SOURCE):
        if not properties["EventSourceArn"].startswith("arn:aws:sqs:"):
            raise StackError(f"an event source other than a queue is not played: {properties['EventSourceArn']}")
        if properties.get("Enabled", True):
            yield EventSource(
                function=properties["FunctionName"],
                queue_arn=properties["EventSourceArn"],
                batch_size=int(properties.get("BatchSize", 10)),
                # Lambda starts with five pollers where nothing bounds it.
                maximum_concurrency=int(properties.get("ScalingConfig", {}).get("MaximumConcurrency", 5)),
                reports_item_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
            )


def _event_destinations(played: _Played) -> Iterator[EventDestination]:
    for properties in played.of_type(_EVENT_DESTINATION):
        destination = properties["EventDestination"]
        if "SnsDestination" in destination and destination.get("Enabled", False):
            yield EventDestination(
                configuration_set=properties["ConfigurationSetName"],
                topic_arn=destination["SnsDestination"]["TopicARN"],
                event_types=frozenset(destination["MatchingEventTypes"]),
            )


def _ids_of_type(template: Mapping[str, Any], type_name: str) -> list[str]:
    return [logical_id for logical_id, resource in template["Resources"].items() if resource["Type"] == type_name]


def _name(template: Mapping[str, Any], logical_id: str) -> str:
    """Returns the physical name of a named resource. A function's is its logical id, so that logs read well."""
    resource = template["Resources"][logical_id]
    if resource["Type"] == _FUNCTION:
        return logical_id
    name = resource.get("Properties", {}).get("Name")
    return name if isinstance(name, str) else f"{STACK_NAME}-{logical_id}"


def _played_properties(resource: Mapping[str, Any]) -> dict[str, Any]:
    properties = resource.get("Properties", {})
    names = _PLAYED[resource["Type"]]
    return {name: value for name, value in properties.items() if names is None or name in names}


def _unknown_references(value: Any, parameters: Mapping[str, Any], made: Mapping[str, Any]) -> set[str]:
    """Returns what a value refers to that the engine will not know: attributes need a resource, a Ref either."""
    unknown: set[str] = set()
    for name, attribute in _references(value):
        known = name in made or (not attribute and (name in parameters or name.startswith("AWS::")))
        if not known:
            unknown.add(name)
    return unknown


def _references(value: Any) -> Iterator[tuple[str, bool]]:
    """Yields each logical id that a value refers to, and whether an attribute of it is meant."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref":
                yield item, False
            elif key == "Fn::GetAtt":
                yield item[0] if isinstance(item, list) else item.partition(".")[0], True
            elif key == "Fn::Sub":
                text, given = (item[0], item[1]) if isinstance(item, list) else (item, {})
                yield from _references(given)
                for placeholder in _PLACEHOLDER.findall(text):
                    name, _, attribute = placeholder.partition(".")
                    if name not in given:
                        yield name, bool(attribute)
            else:
                yield from _references(item)
