"""Roles that lack a statement, on a local AWS that enforces IAM."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws, running
from tests.local_aws.accounts import Account, policy
from tests.local_aws.stack_operations import Stacks

BUCKET = "enforced-bucket"
TABLE = "enforced-table"
WAIT_SECONDS = 60
READ = ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/in/*")
WRITE = ("s3:PutObject", f"arn:aws:s3:::{BUCKET}/out/*")
START = ("states:StartExecution", "arn:aws:states:us-east-1:000000000000:stateMachine:*")
PUT_ITEM = ("dynamodb:PutItem", f"arn:aws:dynamodb:us-east-1:000000000000:table/{TABLE}")


@pytest.fixture(scope="module")
def enforcing() -> Iterator[LocalAws]:
    with running(enforce_iam=True) as started:
        yield started


@pytest.fixture(scope="module")
def account(enforcing: LocalAws) -> Account:
    account = Account(enforcing)
    s3 = account.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    only_tls = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy(only_tls))
    s3.put_object(Bucket=BUCKET, Key="in/a.jsonl", Body=b"1\n2\n")
    account.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    return account


def put_item() -> dict[str, Any]:
    arguments = {"TableName": TABLE, "Item": {"pk": {"S": "k"}}}
    return {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem", "Arguments": arguments}


def distributed() -> dict[str, Any]:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    return {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Arguments": {"Bucket": BUCKET, "Key": "in/a.jsonl"},
        },
        "ItemProcessor": {
            "ProcessorConfig": config,
            "StartAt": "P",
            "States": {"P": {"Type": "Pass", "End": True}},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Arguments": {"Bucket": BUCKET, "Prefix": "out"},
        },
    }


def test_allowed_call_succeeds(account: Account) -> None:
    assert account.run(put_item(), PUT_ITEM)["status"] == "SUCCEEDED"


def test_call_without_a_statement_is_denied(account: Account) -> None:
    ended = account.run(put_item(), READ)
    assert ended["error"] == "DynamoDB.AmazonDynamoDBException"
    assert "Error Code: AccessDeniedException" in ended["cause"]
    assert f"dynamodb:PutItem on resource: {PUT_ITEM[1]}" in ended["cause"]


EXECUTION = "arn:aws:states:us-east-1:000000000000:execution:any:one"
DENIED = {
    "dynamodb:updateItem": "DynamoDB.AmazonDynamoDBException",
    "dynamodb:getItem": "DynamoDB.AmazonDynamoDBException",
    "aws-sdk:dynamodb:describeTable": "DynamoDb.DynamoDbException",
    "aws-sdk:sfn:describeExecution": "Sfn.SfnException",
    "states:startExecution": "StepFunctions.AWSStepFunctionsException",
}


@pytest.mark.parametrize(
    ("call", "resource", "arguments"),
    [
        ("dynamodb:updateItem", PUT_ITEM[1], {"TableName": TABLE, "Key": {"pk": {"S": "k"}}}),
        ("dynamodb:getItem", PUT_ITEM[1], {"TableName": TABLE, "Key": {"pk": {"S": "k"}}}),
        ("aws-sdk:dynamodb:describeTable", PUT_ITEM[1], {"TableName": TABLE}),
        ("aws-sdk:sfn:describeExecution", EXECUTION, {"ExecutionArn": EXECUTION}),
        ("states:startExecution", START[1].replace("*", "any"), {"StateMachineArn": START[1].replace("*", "any")}),
    ],
)
def test_each_call_needs_its_own_right(account: Account, call: str, resource: str, arguments: dict[str, Any]) -> None:
    *_, service, action = call.replace("sfn", "states").split(":")
    right = f"{service}:{action[0].upper()}{action[1:]}"
    state = {"Type": "Task", "Resource": f"arn:aws:states:::{call}", "Arguments": arguments}
    denied = account.run(state, (right, f"{resource}-other"))
    assert denied["error"] == DENIED[call]
    assert f"not authorized to perform: {right} on resource: {resource}" in denied["cause"]
    assert "not authorized" not in account.run(state, (right, resource)).get("cause", "")


@pytest.mark.parametrize(("allowed", "status"), [([READ], "SUCCEEDED"), ([], "FAILED")])
def test_s3_checks_the_roles_own_credentials(account: Account, allowed: list[tuple[str, str]], status: str) -> None:
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Arguments": {"Bucket": BUCKET, "Key": "in/a.jsonl"},
    }
    ended = account.run(state, *allowed)
    assert ended["status"] == status
    assert ended.get("error", "S3.S3Exception") == "S3.S3Exception"


def test_policy_that_a_role_loses_is_missed_at_once(account: Account) -> None:
    arn = account.role(PUT_ITEM)
    dynamodb = account.session_of(arn, "dynamodb")
    dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "k"}})
    account.client("iam").delete_role_policy(RoleName=arn.rpartition("/")[2], PolicyName="p")
    with pytest.raises(ClientError, match="AccessDenied"):
        dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "k"}})


def test_policy_that_a_stack_gives_to_a_role_counts_at_once(account: Account) -> None:
    arn = account.role()
    stacks = Stacks(account.client("cloudformation"))
    statement = {"Effect": "Allow", "Action": PUT_ITEM[0], "Resource": PUT_ITEM[1]}
    name = arn.rpartition("/")[2]
    properties = {"PolicyName": "given", "Roles": [name], "PolicyDocument": json.loads(policy(statement))}

    def decision() -> str:
        answer = account.client("iam").simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=[PUT_ITEM[0]], ResourceArns=[PUT_ITEM[1]]
        )
        return str(answer["EvaluationResults"][0]["EvalDecision"])

    assert decision() == "implicitDeny"
    resource = {"Type": "AWS::IAM::Policy", "Properties": properties}
    assert stacks.create("policies", {"Given": resource}, Capabilities=["CAPABILITY_NAMED_IAM"]) == "CREATE_COMPLETE"
    assert decision() == "allowed"
    assert stacks.delete("policies") == "DELETE_COMPLETE"
    assert decision() == "implicitDeny"


def test_distributed_map_with_all_it_needs_succeeds(account: Account) -> None:
    assert account.run(distributed(), START, READ, WRITE)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("allowed", "error", "expected"),
    [
        ([READ, WRITE], "States.Runtime", "states:StartExecution"),
        ([START, WRITE], "States.ItemReaderFailed", "s3:GetObject"),
        ([START, READ], "States.Runtime", "Failed to write a test manifest"),
    ],
)
def test_distributed_map_that_lacks_a_statement_names_it(
    account: Account, allowed: list[tuple[str, str]], error: str, expected: str
) -> None:
    ended = account.run(distributed(), *allowed)
    assert ended["error"] == error
    assert expected in ended["cause"]


@pytest.mark.parametrize(("prefix", "status"), [("in/*", "SUCCEEDED"), ("other/*", "FAILED")])
def test_reader_lists_only_below_the_prefix_of_a_condition(account: Account, prefix: str, status: str) -> None:
    reader = {
        "Resource": "arn:aws:states:::s3:listObjectsV2",
        "ReaderConfig": {"InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN"},
        "Arguments": {"Bucket": BUCKET, "Prefix": "in/"},
    }
    listing = ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}", prefix)
    ended = account.run(distributed() | {"ItemReader": reader}, START, READ, WRITE, listing)
    assert ended["status"] == status
    assert ended.get("error", "States.ItemReaderFailed") == "States.ItemReaderFailed"


@pytest.mark.parametrize(("allowed", "expected"), [([PUT_ITEM], "written"), ([], "AccessDeniedException")])
def test_function_has_the_rights_of_its_role(account: Account, allowed: list[tuple[str, str]], expected: str) -> None:
    source = (
        "import boto3\n"
        "from botocore.exceptions import ClientError\n"
        "def handler(event, context):\n"
        "    try:\n"
        f"        boto3.client('dynamodb').put_item(TableName={TABLE!r}, Item={{'pk': {{'S': 'k'}}}})\n"
        "    except ClientError as error:\n"
        "        return error.response['Error']['Code']\n"
        "    return 'written'\n"
    )
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("index.py", source)
    name = f"function-{expected}"
    account.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=account.role(*allowed),
        Handler="index.handler",
        Timeout=20,
        Code={"ZipFile": package.getvalue()},
    )
    assert json.load(account.client("lambda").invoke(FunctionName=name)["Payload"]) == expected


def test_right_on_a_map_run_is_about_its_arn(account: Account) -> None:
    """A caller who may describe the Map Run gets an error that there is none; others are denied."""
    prefix = "arn:aws:states:us-east-1:000000000000:mapRun:m"
    allowed = account.session("stepfunctions", ("states:DescribeMapRun", f"{prefix}/*"))
    for label, error in (("m/Each:1", "ResourceNotFound"), ("other/Each:1", "AccessDeniedException")):
        with pytest.raises(ClientError) as caught:
            allowed.describe_map_run(mapRunArn=f"{prefix.removesuffix('m')}{label}")
        assert caught.value.response["Error"]["Code"] == error


@pytest.mark.parametrize("pattern", [f"arn:aws:s3:::{BUCKET}/lines/*", f"arn:aws:s3:::{BUCKET}/lines/a?b"])
def test_wildcards_stand_for_line_ends_as_well(account: Account, pattern: str) -> None:
    account.client("s3").put_object(Bucket=BUCKET, Key="lines/a\nb", Body=b"x")
    assert (
        account.session("s3", ("s3:GetObject", pattern)).get_object(Bucket=BUCKET, Key="lines/a\nb")["Body"].read()
        == b"x"
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        account.session("s3", ("s3:GetObject", f"{pattern[:-1]}x")).get_object(Bucket=BUCKET, Key="lines/a\nb")


TAGGING = (("s3:GetObjectTagging", READ[1]), ("s3:PutObjectTagging", WRITE[1]))


@pytest.mark.parametrize("lacking", [*TAGGING, None])
def test_tags_are_copied_with_rights_of_their_own(account: Account, lacking: tuple[str, str] | None) -> None:
    account.client("s3").put_object(Bucket=BUCKET, Key="in/tagged", Body=b"1", Tagging="team=night")
    s3 = account.session("s3", READ, WRITE, *(each for each in TAGGING if each != lacking))
    request = {"Bucket": BUCKET, "Key": "out/tagged", "CopySource": f"{BUCKET}/in/tagged"}
    if lacking is None:
        s3.copy_object(**request)
        assert account.client("s3").get_object_tagging(Bucket=BUCKET, Key="out/tagged")["TagSet"]
    else:
        with pytest.raises(ClientError, match=lacking[0]):
            s3.copy_object(**request)
        s3.copy_object(**request, TaggingDirective="REPLACE")


@pytest.mark.parametrize("action", ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"])
def test_tags_of_a_version_are_copied_with_the_right_to_read_those_of_versions(account: Account, action: str) -> None:
    owner, bucket = account.client("s3"), "tagged-versions"
    owner.create_bucket(Bucket=bucket)
    owner.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = owner.put_object(Bucket=bucket, Key="a", Body=b"1", Tagging="team=night")["VersionId"]
    rights = [(each, f"arn:aws:s3:::{bucket}/*") for each in ("s3:GetObject", "s3:GetObjectVersion", action)]
    s3 = account.session("s3", *rights, WRITE, TAGGING[1])
    source: Any = {"Bucket": bucket, "Key": "a", "VersionId": version}
    if action == "s3:GetObjectVersionTagging":
        s3.copy_object(Bucket=BUCKET, Key="out/version", CopySource=source)
        assert owner.get_object_tagging(Bucket=BUCKET, Key="out/version")["TagSet"]
    else:
        with pytest.raises(ClientError, match="s3:GetObjectVersionTagging"):
            s3.copy_object(Bucket=BUCKET, Key="out/version", CopySource=source)


RULE = "arn:aws:events:us-east-1:000000000000:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
RULE_RIGHTS = [(f"events:{action}", RULE) for action in ("PutTargets", "PutRule", "DescribeRule")]
STOP = ("states:StopExecution", "arn:aws:states:us-east-1:000000000000:execution:*")


@pytest.mark.parametrize("may_stop", [True, False])
def test_stopped_execution_stops_the_one_it_waits_for_if_it_may(
    enforcing: LocalAws, account: Account, may_stop: bool
) -> None:
    states = account.client("stepfunctions")
    child = waiting_machine(states, account.role(), {"Type": "Wait", "Seconds": 600, "End": True})
    start = {"StateMachineArn": child, "Name": "child"}
    waits = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "Arguments": start}
    role = account.role(START, *RULE_RIGHTS, *([STOP] if may_stop else []))
    parent = states.start_execution(stateMachineArn=waiting_machine(states, role, {**waits, "End": True}))
    until(lambda: states.list_executions(stateMachineArn=child)["executions"])
    states.stop_execution(executionArn=parent["executionArn"])
    (execution,) = states.list_executions(stateMachineArn=child)["executions"]
    if may_stop:
        until(lambda: states.describe_execution(executionArn=execution["executionArn"])["status"] == "ABORTED")
    else:
        denied = json.dumps({"action": STOP[0], "resource": execution["executionArn"], "decision": "ImplicitDeny"})
        until(lambda: denied.strip("{}") in enforcing.permission_records.read_text())
        assert states.describe_execution(executionArn=execution["executionArn"])["status"] == "RUNNING"
        states.stop_execution(executionArn=execution["executionArn"])


def waiting_machine(states: Any, role: str, state: dict[str, Any]) -> str:
    """A state machine of this one state."""
    definition = {"QueryLanguage": "JSONata", "StartAt": "Only", "States": {"Only": state}}
    name = f"waiting-{uuid.uuid4().hex[:12]}"
    machine = states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)
    return str(machine["stateMachineArn"])


def until(look: Callable[[], Any]) -> None:
    """Wait until `look` finds something."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)
