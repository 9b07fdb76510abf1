"""The local stack's resources and event sources, on a template of its own and the local engine."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from polypost.adapters import clients
from polypost_local.aws import Clients
from polypost_local.aws_server import AwsCall
from polypost_local.ses_mail import SesMail, mail_observer
from polypost_local.simulator import Simulator
from polypost_local.stack import EventDestination, EventSource, Stack, StackError, create_stack
from polypost_local.template import TemplateError, read_template
from support.dynamodb import local_client
from support.local_engine import REGION, running_engine
from support.waiting import eventually

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  BaseDomain: {Type: String, Default: ""}
  Number: {Type: Number, Default: 7}
Conditions:
  HasDomain: !Not [!Equals [!Ref BaseDomain, ""]]
  HasNone: !Not [!Condition HasDomain]
Resources:
  Api: {Type: AWS::Serverless::HttpApi}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: code/worker/
      Layers: [!Ref Layer]
      Role: !GetAtt Role.Arn
      Timeout: 42
      MemorySize: 512
      Environment:
        Variables:
          QUEUE_URL: !Ref Queue
          QUEUE_ARN: !GetAtt Queue.Arn
          TABLE: !Ref Table
          SUB: !Sub "${Table}/${AWS::Region}/${!Literal}"
          DOMAIN: !If [HasDomain, !Ref BaseDomain, none]
          SET: !Ref MailSet
          NUMBER: !Ref Number
      Events:
        Route: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /x}}
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Queue.Arn
            BatchSize: 3
            ScalingConfig: {MaximumConcurrency: 2}
            FunctionResponseTypes: [ReportBatchItemFailures]
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: code/layer/}
  Table:
    Type: AWS::DynamoDB::Table
    DependsOn: Role
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: PK, AttributeType: S}]
      KeySchema: [{AttributeName: PK, KeyType: HASH}]
  Unwanted:
    Type: AWS::SQS::Queue
    Condition: HasNone
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 1
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 2}
  DeadLetters: {Type: AWS::SQS::Queue}
  Topic: {Type: AWS::SNS::Topic}
  TopicToQueue:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Queue.Arn, RawMessageDelivery: true}
  MailSet: {Type: AWS::SES::ConfigurationSet}
  MailSetEvents:
    Type: AWS::SES::ConfigurationSetEventDestination
    Properties:
      ConfigurationSetName: !Ref MailSet
      EventDestination: {Enabled: true, MatchingEventTypes: [bounce], SnsDestination: {TopicARN: !Ref Topic}}
Outputs:
  TableName: {Value: !Ref Table}
  QueueUrl: {Value: !Ref Queue}
  TopicArn: {Value: !Ref Topic}
  ApiUrl: {Value: !Sub "https://${Api}.example.com"}
  RoleArn: {Value: !GetAtt Role.Arn}
  Absent: {Condition: HasNone, Value: !Ref Unwanted}
  Present: {Condition: HasDomain, Value: !Sub "${BaseDomain}!"}
"""


@dataclass(frozen=True)
class Local:
    """The engine with the template's resources."""

    folder: Path
    endpoint: str
    stack: Stack
    clients: Clients
    calls: list[AwsCall]
    simulator: Simulator

    def receive(self) -> list[str]:
        """Take what is visible in the queue now."""
        url = self.stack.outputs["QueueUrl"]
        messages = self.clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self.clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in messages]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    folder = tmp_path_factory.mktemp("template")
    (folder / "template.yaml").write_text(TEMPLATE)
    calls: list[AwsCall] = []
    simulator = Simulator()
    with running_engine(calls.append, mail_observer(simulator.receive)) as clients:
        stack = create_stack(read_template(folder / "template.yaml").cloudformation, clients, ["example.com"])
        yield Local(folder, clients.sqs.meta.endpoint_url, stack, clients, calls, simulator)


@pytest.fixture
def switching_threads() -> Iterator[None]:
    """Threads that take turns as often as can be, so that what is not atomic shows."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_a_functions_environment_has_every_reference_resolved(local: Local) -> None:
    worker = local.stack.functions["Worker"]
    assert (worker.handler, worker.runtime, worker.timeout_seconds, worker.memory_mb) == (
        "app.handler",
        "python3.13",
        42,
        512,
    )
    table = local.stack.outputs["TableName"]
    queue_url = local.stack.outputs["QueueUrl"]
    assert queue_url.startswith(f"{local.endpoint}/123456789012/")
    assert worker.environment == {
        "QUEUE_URL": queue_url,
        "QUEUE_ARN": f"arn:aws:sqs:{REGION}:123456789012:{queue_url.rpartition('/')[2]}",
        "TABLE": table,
        "SUB": f"{table}/{REGION}/${{Literal}}",
        "DOMAIN": "localhost",
        "SET": "polypost-MailSet",
        "NUMBER": "7",
    }


def test_outputs_without_a_local_counterpart_are_left_out(local: Local) -> None:
    assert local.stack.outputs.keys() == {"TableName", "QueueUrl", "TopicArn", "Present"}
    assert local.stack.outputs["Present"] == "localhost!"


def test_queues_are_made_where_their_condition_holds_and_with_their_redrive(local: Local) -> None:
    urls = local.clients.sqs.list_queues()["QueueUrls"]
    made = {name for name in ("Queue", "DeadLetters", "Unwanted") if any(f"/polypost-{name}-" in url for url in urls)}
    assert made == {"Queue", "DeadLetters"}
    redrive = local.clients.sqs.get_queue_attributes(
        QueueUrl=local.stack.outputs["QueueUrl"], AttributeNames=["RedrivePolicy"]
    )["Attributes"]["RedrivePolicy"]
    assert ":polypost-DeadLetters-" in json.loads(redrive)["deadLetterTargetArn"]


def test_event_sources_and_destinations_come_from_the_template(local: Local) -> None:
    assert local.stack.event_sources == (
        EventSource("Worker", local.stack.functions["Worker"].environment["QUEUE_ARN"], 3, 2, True),
    )
    assert local.stack.event_destinations == (
        EventDestination("polypost-MailSet", local.stack.outputs["TopicArn"], frozenset({"bounce"})),
    )


def test_a_topic_delivers_to_its_subscription(local: Local) -> None:
    local.clients.sns.publish(TopicArn=local.stack.outputs["TopicArn"], Message="raw, as the template says")
    assert eventually(local.receive) == ["raw, as the template says"]


def test_code_paths_are_the_templates(local: Local) -> None:
    code = read_template(local.folder / "template.yaml").code["Worker"]
    assert code.function == local.folder / "code" / "worker"
    assert code.layers == (local.folder / "code" / "layer",)


@pytest.mark.parametrize(
    ("variable", "named"), [("!Ref Api", "Api"), ("!GetAtt Role.Arn", "Role"), ('!Sub "${Role.Arn}"', "Role")]
)
def test_an_environment_that_cannot_be_resolved_is_an_error(
    local: Local, tmp_path: Path, variable: str, named: str
) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE.replace("SET: !Ref MailSet", f"SET: {variable}"))
    with pytest.raises(StackError, match=f"^Worker refers to {named}, "):
        create_stack(read_template(path).cloudformation, local.clients, ())


def test_a_template_that_is_none_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    with pytest.raises(TemplateError, match="there is no template at"):
        read_template(path)
    path.write_text(TEMPLATE.replace("CodeUri: code/worker/", "CodeUri: code/worker/\n      Unknown: 1"))
    with pytest.raises(TemplateError, match="is not a valid template"):
        read_template(path)


LOOP = """
Resources:
  Fn::ForEach::Topics:
    - Name
    - [One, Two]
    - ${Name}Topic:
        Type: AWS::SNS::Topic
        Properties:
          TopicName: !Ref BaseDomain
          DisplayName: !Sub "${Name} of ${Table.Arn}"
          KmsMasterKeyId: !If [HasDomain, {"Fn::GetAtt": [!Sub "${Name}Key", Arn]}, {Ref: !Sub "${Name}"}]
"""


def test_loops_are_written_out_and_resolved_no_further(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    loops = "Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]"
    looping = TEMPLATE.replace("Transform: AWS::Serverless-2016-10-31", loops).replace("\nResources:\n", LOOP)
    path.write_text(looping)
    resources = read_template(path).cloudformation["Resources"]
    for name in ("One", "Two"):
        assert resources[f"{name}Topic"]["Properties"] == {
            "TopicName": {"Ref": "BaseDomain"},
            "DisplayName": {"Fn::Sub": f"{name} of ${{Table.Arn}}"},
            "KmsMasterKeyId": {"Fn::If": ["HasDomain", {"Fn::GetAtt": [f"{name}Key", "Arn"]}, {"Ref": name}]},
        }
    for wrong in ("[One, One]", "!Ref BaseDomain"):
        path.write_text(looping.replace("[One, Two]", wrong))
        with pytest.raises(TemplateError, match="Fn::ForEach::Topics"):
            read_template(path)


def test_every_call_names_its_caller_and_its_operation(local: Local) -> None:
    local.calls.clear()
    local.clients.sns.publish(TopicArn=local.stack.outputs["TopicArn"], Message="x")
    local.clients.sqs.get_queue_url(QueueName=local.stack.outputs["QueueUrl"].rpartition("/")[2])
    local.clients.ses.list_email_identities()
    assert [(call.caller, call.service, call.action.partition("?")[0], call.status) for call in local.calls] == [
        ("Test", "sns", "Publish", 200),
        ("Test", "sqs", "GetQueueUrl", 200),
        ("Test", "ses", local.calls[2].action, 200),
    ]
    assert local.calls[2].action.startswith(("GET /v2/email/", "POST /v2/email/"))
    assert json.loads(local.calls[1].request)["QueueName"] in json.loads(local.calls[1].response)["QueueUrl"]


def test_transactions_are_atomic_between_threads(local: Local, switching_threads: None) -> None:
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential=Test/20260101/{REGION}/dynamodb/aws4_request",
        "X-Amz-Target": "DynamoDB_20120810.TransactWriteItems",
        "Content-Type": "application/x-amz-json-1.0",
    }
    table = local.stack.outputs["TableName"]
    statuses: list[int] = []

    def put(number: int) -> None:
        own = f"own-{threading.get_ident()}-{number}"
        keys = [own, f"guard-{number}"]
        items = [
            {"Put": {"TableName": table, "Item": {"PK": {"S": key}}, "ConditionExpression": "attribute_not_exists(PK)"}}
            for key in keys
        ]
        answer = httpx.post(local.endpoint, headers=headers, json={"TransactItems": items}, trust_env=False)
        statuses.append(answer.status_code)

    for number in range(10):
        threads = [threading.Thread(target=put, args=(number,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(statuses) == [200] * 10 + [400] * 50


def test_a_refused_transaction_changes_nothing(local: Local) -> None:
    table = local.stack.outputs["TableName"]
    dynamodb = local_client(clients.dynamodb, local.endpoint)

    def item(key: str) -> Any:
        return dynamodb.get_item(TableName=table, Key={"PK": {"S": key}}).get("Item")

    for key in ("changed", "replaced", "deleted"):
        dynamodb.put_item(TableName=table, Item={"PK": {"S": key}, "value": {"S": "old"}})
    before = [item(key) for key in ("changed", "replaced", "deleted", "new")]
    change: Any = {
        "TableName": table,
        "Key": {"PK": {"S": "changed"}},
        "UpdateExpression": "SET #v = :new",
        "ExpressionAttributeNames": {"#v": "value"},
        "ExpressionAttributeValues": {":new": {"S": "new"}},
    }
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(
            TransactItems=[
                {"Update": change},
                {"Put": {"TableName": table, "Item": {"PK": {"S": "replaced"}}}},
                {"Delete": {"TableName": table, "Key": {"PK": {"S": "deleted"}}}},
                {"Put": {"TableName": table, "Item": {"PK": {"S": "new"}}}},
                {
                    "ConditionCheck": {
                        "TableName": table,
                        "Key": {"PK": {"S": "nothing"}},
                        "ConditionExpression": "attribute_exists(PK)",
                    }
                },
            ]
        )
    assert [item(key) for key in ("changed", "replaced", "deleted", "new")] == before


def test_a_mail_is_published_as_the_template_lists_its_events(local: Local) -> None:
    received: list[SesMail] = []
    observe = mail_observer(received.append)
    local.simulator.start(local.stack.event_destinations, local.clients.sns)
    local.receive()
    local.calls.clear()
    for configuration_set in ("polypost-MailSet", "another"):
        local.clients.ses.send_email(
            FromEmailAddress="Sender <info@example.com>",
            Destination={"ToAddresses": ["bounce@simulator.amazonses.com"], "BccAddresses": ["max@example.com"]},
            Content={"Raw": {"Data": b"From: info@example.com\r\nSubject: x\r\n\r\ntext\r\n"}},
            ConfigurationSetName=configuration_set,
            EmailTags=[{"Name": "messageId", "Value": "m1"}],
        )
    (body,) = eventually(local.receive)
    record = json.loads(body)
    assert record["eventType"] == "Bounce"
    assert record["mail"]["tags"]["messageId"] == ["m1"]
    # Send and Delivery are not in the template's list, and the other set has no destination.
    time.sleep(0.3)
    assert local.receive() == []

    for call in local.calls:
        observe(call)
    assert [mail.configuration_set for mail in received] == ["polypost-MailSet", "another"]
    assert received[0].recipients == ("bounce@simulator.amazonses.com", "max@example.com")
    assert received[0].raw == b"From: info@example.com\r\nSubject: x\r\n\r\ntext\r\n"
    assert received[0].ses_message_id == record["mail"]["messageId"]
