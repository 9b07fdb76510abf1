"""What the template and the code say of each other."""

import re
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from samcli.commands.validate.lib.exceptions import InvalidSamDocumentException
from samcli.lib.config.samconfig import SamConfig
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

from polypost.adapters import keys
from polypost.adapters.clients import _ONCE, _QUICK
from polypost.adapters.contact_feed import GIVEN_UP_SECONDS
from polypost.adapters.mailer import MailHeld, MailRefused, QuotaUsedUp
from polypost.dialects import Routed, all_dialects, inxmail, routes_of
from polypost.models.send_rate import FIRST_RATE, SendTimes
from polypost.queues.consumer import LONGEST_DELAY
from polypost.usecases.deliver_mail import LEASE, SENDING
from polypost.usecases.list_changes import FEED_DELAY_SECONDS
from polypost.usecases.pace import PAUSE
from polypost.web import pages
from polypost_cli.local_environment import REGION
from polypost_local.stack import _references
from polypost_local.template import Template, read_template
from support.policies import statements

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "template.yaml").read_text()


@pytest.fixture(scope="module")
def template() -> Template:
    return read_template(ROOT / "template.yaml")


def resources(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """The properties of the resources of a type, with what the template's mappings say."""
    mappings = template.cloudformation["Mappings"]

    def looked_up(value: Any) -> Any:
        match value:
            case {"Fn::FindInMap": [str(name), str(key), str(member)]}:
                return mappings[name][key][member]
            case dict():
                return {name: looked_up(member) for name, member in value.items()}
            case list():
                return [looked_up(member) for member in value]
        return value

    found = template.cloudformation["Resources"].items()
    return {name: looked_up(resource.get("Properties", {})) for name, resource in found if resource["Type"] == kind}


def test_the_routes_are_the_endpoints_of_the_dialects_and_the_pages(template: Template) -> None:
    owners: tuple[Routed, ...] = (*all_dialects(), pages)
    routes = {
        (method, route.path) for route in template.api.routes for method in route.methods if route.path != "$default"
    }
    endpoints = {
        (method, path)
        for owner in owners
        for path, methods in routes_of(owner).items()
        for method in methods
        if path not in inxmail.INDEX
    }
    assert routes == endpoints


def test_every_function_folder_is_deployed_and_has_a_sample_event(template: Template) -> None:
    folders = {path.parent for path in ROOT.glob("functions/*/app.py")}
    assert {code.function for code in template.code.values()} == folders
    assert {path.stem for path in ROOT.glob("events/*.json")} == {folder.name for folder in folders}


def test_functions_ship_no_requirements_of_their_own() -> None:
    assert list(ROOT.glob("functions/*/requirements.txt")) == []


def test_every_function_has_its_own_role_and_log_group(template: Template) -> None:
    functions = resources(template, "AWS::Lambda::Function")
    roles = resources(template, "AWS::IAM::Role")
    groups = resources(template, "AWS::Logs::LogGroup")
    assert {function["Role"]["Fn::GetAtt"][0] for function in functions.values()} == set(roles)
    assert {function["LoggingConfig"]["LogGroup"]["Ref"] for function in functions.values()} == set(groups)
    assert len(functions) == len(roles) == len(groups)
    for group in groups.values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    for role in roles.values():
        assert "ManagedPolicyArns" not in role


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """The template's resources as they are written, in their order, with the loops among them."""
    found: dict[str, Any] = yaml_parse(TEXT)["Resources"]
    return found


def test_the_list_of_functions_is_the_functions_in_their_order(written: dict[str, Any]) -> None:
    _, listed, _ = written["Fn::ForEach::Functions"]
    assert listed == [
        name
        for name, resource in written.items()
        if isinstance(resource, dict) and resource["Type"] == "AWS::Serverless::Function"
    ]


def test_the_permissions_of_a_function_stand_directly_under_it(written: dict[str, Any]) -> None:
    _, listed, _ = written["Fn::ForEach::Functions"]
    for name, following in pairwise(written):
        if name in listed:
            assert following == f"{name}Permissions"
            function, permissions = written[name], written[following]
            # Nothing calls a function that does not have its permissions yet.
            assert following in function["DependsOn"]
            assert function["Properties"]["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
            assert function["Properties"]["LoggingConfig"] == {"LogGroup": {"Ref": f"{name}Logs"}}
            assert permissions["Type"] == "AWS::IAM::RolePolicy"
            assert permissions["Properties"]["RoleName"] == {"Ref": f"{name}Role"}
            assert permissions["Properties"]["PolicyDocument"]["Statement"]


def test_the_worker_is_updated_before_what_queues_mail(written: dict[str, Any]) -> None:
    _, listed, _ = written["Fn::ForEach::Functions"]
    queuing = {
        name
        for name in listed
        if "MAIL_QUEUE_URL" in written[name]["Properties"].get("Environment", {}).get("Variables", {})
    }
    assert queuing == {"InxmailSend", "IntershopMails"}
    for name in queuing:
        assert "MailWorker" in written[name]["DependsOn"]


def test_a_function_and_its_permissions_take_30_lines_at_most(written: dict[str, Any]) -> None:
    _, listed, _ = written["Fn::ForEach::Functions"]
    for name in listed:
        found = re.search(rf"^  {name}:\n(.*\n)+?  {name}Permissions:\n(    .*\n)+", TEXT, re.MULTILINE)
        assert found is not None, name
        assert found[0].count("\n") <= 30, name


def test_other_tools_can_read_the_template() -> None:
    assert "<<:" not in TEXT


def test_the_template_is_refused_where_loops_are_not_read() -> None:
    validator = SamTemplateValidator(yaml_parse(TEXT), managed_policy_loader=None, region=REGION)
    with pytest.raises(InvalidSamDocumentException):
        validator.get_translated_template_if_valid()


@pytest.mark.parametrize(
    "command",
    [["validate"], ["build"], ["package"], ["deploy"], ["sync"], ["local", "invoke"], ["local", "start-api"]],
    ids=" ".join,
)
def test_every_command_of_sam_reads_loops(command: list[str]) -> None:
    assert SamConfig(ROOT).get_all(command, "parameters")["language_extensions"] is True


def test_every_reference_names_a_parameter_or_a_resource(template: Template) -> None:
    found = template.cloudformation
    references = {name for section in ("Resources", "Outputs") for name, _ in _references(found[section])}
    assert {name for name in references if not name.startswith("AWS::")} <= {*found["Parameters"], *found["Resources"]}


def test_policies_name_resources(template: Template) -> None:
    for found in statements(template).values():
        for statement in found:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            # What the account may send has no resource of its own.
            assert statement["Resource"] != "*" or actions == ["ses:GetAccount"]
            assert not any("*" in action for action in actions)
            assert len(actions) <= 3


def test_the_event_lists_indexes_are_the_tables(template: Template) -> None:
    logs = resources(template, "AWS::DynamoDB::Table")["LogsTable"]
    partitions = {
        index["KeySchema"][0]["AttributeName"]: index["IndexName"] for index in logs["GlobalSecondaryIndexes"]
    }
    assert keys.EVENT_INDEXES.items() <= partitions.items()


def test_time_outs_stand_in_order(template: Template) -> None:
    """A batch ends before the worker does, the worker before its messages show again, and that before the lease."""
    functions = resources(template, "AWS::Lambda::Function")
    queues = resources(template, "AWS::SQS::Queue")
    worst_call = (_QUICK.connect_timeout + _QUICK.read_timeout) * _QUICK.retries["total_max_attempts"]  # type: ignore[attr-defined]
    assert all(2 * worst_call < function["Timeout"] for function in functions.values())
    assert functions["InxmailSend"]["Timeout"] < 30  # API Gateway's own
    sources = resources(template, "AWS::Lambda::EventSourceMapping")
    (batch_size,) = (s["BatchSize"] for s in sources.values() if s["FunctionName"] == {"Ref": "MailWorker"})
    worst_batch = batch_size * (_ONCE.connect_timeout + _ONCE.read_timeout)  # type: ignore[attr-defined]
    assert _ONCE.retries == {"total_max_attempts": 1, "mode": "standard"}  # type: ignore[attr-defined]
    assert worst_batch < functions["MailWorker"]["Timeout"]
    assert functions["MailWorker"]["Timeout"] < queues["MailQueue"]["VisibilityTimeout"] < LEASE.total_seconds()
    assert SENDING.total_seconds() == _ONCE.connect_timeout + _ONCE.read_timeout  # type: ignore[attr-defined]
    assert functions["SesEvents"]["Timeout"] < queues["SesEventsQueue"]["VisibilityTimeout"]


def test_a_change_of_a_contact_is_given_up_only_when_its_function_has_ended(template: Template) -> None:
    functions = resources(template, "AWS::Lambda::Function")
    # The erasure's worker changes no contact.
    changing = {name for name in functions if name.startswith("Contacts")} - {"ContactsErasure"}
    time_outs = [functions[name]["Timeout"] for name in changing]
    # With room for clocks that differ.
    assert 0 < max(time_outs) <= GIVEN_UP_SECONDS - FEED_DELAY_SECONDS


def test_every_queue_that_a_function_reads_has_a_dead_letter_queue(template: Template) -> None:
    queues = resources(template, "AWS::SQS::Queue")
    for source in resources(template, "AWS::Lambda::EventSourceMapping").values():
        queue = queues[source["EventSourceArn"]["Fn::GetAtt"][0]]
        dead_letters = queues[queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]]
        assert dead_letters["MessageRetentionPeriod"] == queue["MessageRetentionPeriod"] == 1_209_600
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


#: What a stack that is deleted takes along, since it holds nothing that is older than a day.
SHORT_LIVED = {"IdempotencyTable"}


def test_tables_outlive_the_stack(template: Template) -> None:
    for name, resource in template.cloudformation["Resources"].items():
        if resource["Type"] == "AWS::DynamoDB::Table":
            policy = "Delete" if name in SHORT_LIVED else "Retain"
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (policy, policy), name


def test_what_is_short_lived_expires_by_itself(template: Template) -> None:
    for name in SHORT_LIVED:
        table = resources(template, "AWS::DynamoDB::Table")[name]
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expiration", "Enabled": True}


def test_the_function_behind_each_post_knows_the_idempotency_table(template: Template) -> None:
    functions = resources(template, "AWS::Lambda::Function")
    # The pages' one POST does the same thing however often it is sent.
    behind_posts = {
        route.function_name
        for route in template.api.routes
        if "POST" in route.methods and route.path not in pages.ENDPOINTS
    } - {"DefaultRoute"}
    assert behind_posts
    for name in behind_posts:
        environment = functions[name]["Environment"]["Variables"]
        assert environment.get("IDEMPOTENCY_TABLE") == {"Ref": "IdempotencyTable"}, name


def test_mail_of_a_new_account_has_its_turn_within_a_run(template: Template) -> None:
    """At one mail a second every mail of every run, each with a Bcc, is sent before the run ends; none is put off."""
    (source,) = (
        source
        for source in resources(template, "AWS::Lambda::EventSourceMapping").values()
        if source["FunctionName"] == {"Ref": "MailWorker"}
    )
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "MailWorkerConcurrency"}}
    workers = template.cloudformation["Parameters"]["MailWorkerConcurrency"]["Default"]
    longest = workers * source["BatchSize"] * 2 * SendTimes(FIRST_RATE).interval
    timeout = resources(template, "AWS::Lambda::Function")["MailWorker"]["Timeout"]
    assert longest < timedelta(seconds=timeout) - SENDING
    assert template.cloudformation["Parameters"]["MailBatchConcurrency"]["MaxValue"] <= _ONCE.max_pool_connections  # type: ignore[attr-defined]


def test_waiting_for_ses_moves_no_mail_to_the_dead_letter_queue(template: Template) -> None:
    queue = resources(template, "AWS::SQS::Queue")["MailQueue"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 1000


def test_what_sns_cannot_deliver_is_kept(template: Template) -> None:
    (subscription,) = resources(template, "AWS::SNS::Subscription").values()
    target = subscription["RedrivePolicy"]["deadLetterTargetArn"]
    assert target == {"Fn::GetAtt": ["SesEventsDeadLetterQueue", "Arn"]}


def alarms(template: Template, metric: str) -> dict[str, dict[str, Any]]:
    """The alarms on a metric, by the resource that they watch."""
    found: dict[str, dict[str, Any]] = {}
    for alarm in resources(template, "AWS::CloudWatch::Alarm").values():
        if alarm.get("MetricName") == metric:
            (dimension,) = alarm["Dimensions"]
            ((_, target),) = dimension["Value"].items()
            found[target if isinstance(target, str) else target[0]] = alarm
    return found


def test_every_dead_letter_queue_has_an_alarm(template: Template) -> None:
    kinds = ("AWS::SQS::Queue", "AWS::SNS::Subscription")
    redriven = (
        found["RedrivePolicy"]
        for kind in kinds
        for found in resources(template, kind).values()
        if "RedrivePolicy" in found
    )
    dead_letter_queues = {policy["deadLetterTargetArn"]["Fn::GetAtt"][0] for policy in redriven}
    watching = alarms(template, "ApproximateNumberOfMessagesVisible")
    assert set(watching) == dead_letter_queues
    for alarm in watching.values():
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def test_every_function_has_an_alarm_and_so_has_the_api(template: Template) -> None:
    assert set(alarms(template, "Errors")) == set(resources(template, "AWS::Lambda::Function"))
    # The functions behind the API answer 5xx instead of failing.
    assert set(alarms(template, "5xx")) == {"Api"}


def test_what_ses_tells_is_recorded_long_before_a_claim_ends_or_an_alarm_says_so(template: Template) -> None:
    alarm = alarms(template, "ApproximateAgeOfOldestMessage")["SesEventsQueue"]
    timeout = resources(template, "AWS::Lambda::Function")["MailWorker"]["Timeout"]
    # SES may be called at the end of a run, and the alarm takes a period to go off.
    assert alarm["Threshold"] + alarm["Period"] + timeout < LEASE.total_seconds()


def test_every_queue_that_a_function_reads_has_an_alarm_on_its_age(template: Template) -> None:
    read = {
        source["EventSourceArn"]["Fn::GetAtt"][0]
        for source in resources(template, "AWS::Lambda::EventSourceMapping").values()
    }
    assert set(alarms(template, "ApproximateAgeOfOldestMessage")) == read


def test_throttled_functions_have_an_alarm(template: Template) -> None:
    (alarm,) = (a for a in resources(template, "AWS::CloudWatch::Alarm").values() if a.get("MetricName") == "Throttles")
    # Of all functions: without a bound of their own they share the account's.
    assert (alarm["Namespace"], alarm["Threshold"]) == ("AWS/Lambda", 0)
    assert "Dimensions" not in alarm
    for function in resources(template, "AWS::Lambda::Function").values():
        assert "ReservedConcurrentExecutions" not in function


def test_what_the_worker_logs_has_alarms(template: Template) -> None:
    filters = resources(template, "AWS::Logs::MetricFilter")
    watching = {
        alarm["MetricName"]: alarm
        for alarm in resources(template, "AWS::CloudWatch::Alarm").values()
        if alarm.get("Namespace") == {"Fn::Sub": "Polypost/${AWS::StackName}"}
    }
    patterns = {}
    for found in filters.values():
        (metric,) = found["MetricTransformations"]
        assert found["LogGroupName"] == {"Ref": "MailWorkerLogs"}
        assert metric["MetricNamespace"] == watching[metric["MetricName"]]["Namespace"]
        patterns[metric["MetricName"]] = found["FilterPattern"]
    assert patterns == {
        "MailRetries": "{ $.waited >= 3600 }",
        "MailsRefused": f'{{ $.error = "{MailRefused.__name__}" }}',
        "MailsHeld": f'{{ $.error = "{MailHeld.__name__}" }}',
        "SendQuotaUsedUp": f'{{ $.error = "{QuotaUsedUp.__name__}" }}',
    }
    assert watching.keys() == patterns.keys()
    # Mail that waits is heard of once in this time.
    for metric in ("MailRetries", "MailsHeld"):
        assert watching[metric]["Period"] > 1.1 * LONGEST_DELAY
    assert watching["SendQuotaUsedUp"]["Period"] > PAUSE.total_seconds()


def test_the_mail_queues_alarm_lets_a_mail_wait_for_ses(template: Template) -> None:
    assert alarms(template, "ApproximateAgeOfOldestMessage")["MailQueue"]["Threshold"] >= 2 * LEASE.total_seconds()


def test_every_alarm_is_told_to_the_operators_topic(template: Template) -> None:
    for name, alarm in resources(template, "AWS::CloudWatch::Alarm").items():
        told = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
        assert alarm["AlarmActions"] == alarm["OKActions"] == told, name


def test_the_layers_wheels_are_the_functions(template: Template) -> None:
    makefile = (ROOT / "layers" / "common" / "Makefile").read_text()
    for function in resources(template, "AWS::Lambda::Function").values():
        assert function["Architectures"] == ["arm64"]
        assert f"PYTHON_VERSION := {function['Runtime'].removeprefix('python')}\n" in makefile
    assert "PLATFORM := manylinux2014_aarch64\n" in makefile
