"""Stacks that fail, roll back, keep resources, or cannot be deleted."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import ROLE, Client
from tests.local_aws.stack_operations import Stacks, template

DEFINITION = json.dumps({"StartAt": "Only", "States": {"Only": {"Type": "Wait", "Seconds": 1, "End": True}}})
TRUST = {
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}


@pytest.fixture
def stacks(client: Client) -> Stacks:
    return Stacks(client("cloudformation"))


def table(**properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            **properties,
        },
    }


def group(name: str | None = None, **attributes: Any) -> dict[str, Any]:
    properties = {"LogGroupName": name} if name else {}
    return {"Type": "AWS::Logs::LogGroup", "Properties": properties, **attributes}


def failing(after: str, name: str = "taken") -> dict[str, Any]:
    """A log group whose name is taken."""
    return {**group(name), "DependsOn": after}


def tables(client: Client, name: str) -> list[str]:
    pages = client("dynamodb").get_paginator("list_tables").paginate()
    return [each for page in pages for each in page["TableNames"] if name in each]


@pytest.fixture
def taken(client: Client, name: str) -> str:
    """The name of a log group that exists."""
    client("logs").create_log_group(logGroupName=f"taken-{name}")
    return f"taken-{name}"


def first(name: str, policy: str | None) -> dict[str, Any]:
    return {**table(TableName=f"{name}-first"), **({"DeletionPolicy": policy} if policy else {})}


@pytest.mark.parametrize(
    ("policy", "is_kept"),
    [("Retain", True), ("RetainExceptOnCreate", False), ("Delete", False), ("Snapshot", False), (None, False)],
)
def test_rollback_of_a_creation_keeps_what_is_retained(
    stacks: Stacks, client: Client, name: str, taken: str, policy: str | None, is_kept: bool
) -> None:
    resources = {"First": first(name, policy), "Second": failing("First", taken)}
    assert stacks.create(name, resources) == "ROLLBACK_COMPLETE"
    assert "already exists" in stacks.reasons(name, "CREATE_FAILED")["Second"]
    assert tables(client, name) == ([f"{name}-first"] if is_kept else [])
    assert stacks.delete(name) == "DELETE_COMPLETE"
    assert stacks.create(name, {"First": first(name, policy)}) == (
        "ROLLBACK_COMPLETE" if is_kept else "CREATE_COMPLETE"
    )


@pytest.mark.parametrize(("policy", "is_kept"), [("Retain", True), ("RetainExceptOnCreate", True), ("Delete", False)])
def test_deletion_keeps_what_is_retained(stacks: Stacks, client: Client, name: str, policy: str, is_kept: bool) -> None:
    assert stacks.create(name, {"First": first(name, policy)}) == "CREATE_COMPLETE"
    assert stacks.delete(name) == "DELETE_COMPLETE"
    assert tables(client, name) == ([f"{name}-first"] if is_kept else [])


@pytest.mark.parametrize(("policy", "is_kept"), [("Retain", True), ("Delete", False)])
def test_replacement_keeps_what_is_retained(
    stacks: Stacks, client: Client, name: str, policy: str, is_kept: bool
) -> None:
    stacks.create(name, {"First": {**table(TableName=f"{name}-a"), "UpdateReplacePolicy": policy}})
    replaced = {"First": {**table(TableName=f"{name}-b"), "UpdateReplacePolicy": policy}}
    assert stacks.update(name, replaced) == "UPDATE_COMPLETE"
    assert tables(client, name) == ([f"{name}-a", f"{name}-b"] if is_kept else [f"{name}-b"])


def test_stack_that_was_rolled_back_must_be_deleted_first(stacks: Stacks, name: str, taken: str) -> None:
    stacks.create(name, {"Only": group(taken)})
    good = {"Only": group(f"{name}-good")}
    with pytest.raises(stacks.client.exceptions.AlreadyExistsException):
        stacks.create(name, good)
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        stacks.update(name, good)
    for kind, expected in (("CREATE", "cannot be created again"), ("UPDATE", "can not be updated")):
        with pytest.raises(ClientError, match=expected):
            stacks.client.create_change_set(
                StackName=name, ChangeSetName="again", ChangeSetType=kind, TemplateBody=template(good)
            )
    stacks.delete(name)
    assert stacks.create(name, good) == "CREATE_COMPLETE"


def test_failed_update_goes_back_to_the_old_template(stacks: Stacks, client: Client, name: str, taken: str) -> None:
    old = {"Kept": group(f"{name}-kept")}
    stacks.create(name, old)
    assert stacks.update(name, {**old, "New": group(f"{name}-new"), "Bad": failing("New", taken)}) == (
        "UPDATE_ROLLBACK_COMPLETE"
    )
    assert json.loads(json.dumps(stacks.client.get_template(StackName=name)["TemplateBody"])) == {"Resources": old}
    groups = client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert [each["logGroupName"] for each in groups] == [f"{name}-kept"]
    assert stacks.update(name, {**old, "New": group(f"{name}-new")}) == "UPDATE_COMPLETE"


NAMED: dict[str, tuple[str, dict[str, Any]]] = {
    "AWS::DynamoDB::Table": ("TableName", table()["Properties"]),
    "AWS::IAM::Role": ("RoleName", {"AssumeRolePolicyDocument": TRUST}),
    "AWS::Logs::LogGroup": ("LogGroupName", {}),
    "AWS::S3::Bucket": ("BucketName", {}),
    "AWS::SNS::Topic": ("TopicName", {}),
    "AWS::SQS::Queue": ("QueueName", {}),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", {"DefinitionString": DEFINITION, "RoleArn": ROLE}),
}


def named(kind: str, name: str) -> dict[str, Any]:
    property_name, properties = NAMED[kind]
    return {"Only": {"Type": kind, "Properties": {**properties, property_name: name}}}


@pytest.mark.parametrize("kind", NAMED)
def test_name_of_another_stacks_resource_is_taken(stacks: Stacks, name: str, kind: str) -> None:
    assert stacks.create(name, named(kind, name), Capabilities=["CAPABILITY_NAMED_IAM"]) == "CREATE_COMPLETE"
    other = stacks.create(f"{name}-2", named(kind, name), Capabilities=["CAPABILITY_NAMED_IAM"])
    assert other == "ROLLBACK_COMPLETE"
    assert stacks.physical_id(name, "Only")


def test_renaming_to_a_taken_name_fails(stacks: Stacks, name: str, taken: str) -> None:
    stacks.create(name, {"Only": group(f"{name}-a")})
    assert stacks.update(name, {"Only": group(taken)}) == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.physical_id(name, "Only") == f"{name}-a"


def test_protected_table_blocks_deletion_and_rollback(stacks: Stacks, client: Client, name: str, taken: str) -> None:
    protected = {"Only": table(TableName=name, DeletionProtectionEnabled=True)}
    stacks.create(name, protected)
    assert stacks.delete(name) == "DELETE_FAILED"
    assert "protected against deletion" in stacks.reasons(name, "DELETE_FAILED")["Only"]
    assert tables(client, name) == [name]
    client("dynamodb").update_table(TableName=name, DeletionProtectionEnabled=False)
    assert stacks.delete(name) == "DELETE_COMPLETE"
    again = {**protected, "Bad": failing("Only", taken)}
    assert stacks.create(name, again) == "ROLLBACK_FAILED"


def test_full_bucket_blocks_deletion(stacks: Stacks, client: Client, name: str) -> None:
    stacks.create(name, {"Only": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}})
    client("s3").put_object(Bucket=name, Key="a", Body=b"a")
    assert stacks.delete(name) == "DELETE_FAILED"
    assert "BucketNotEmpty" in stacks.reasons(name, "DELETE_FAILED")["Only"]
    client("s3").delete_object(Bucket=name, Key="a")
    assert stacks.delete(name) == "DELETE_COMPLETE"


def test_versions_fill_a_bucket_as_well(stacks: Stacks, client: Client, name: str) -> None:
    versioning = {"VersioningConfiguration": {"Status": "Enabled"}}
    stacks.create(name, {"Only": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, **versioning}}})
    client("s3").put_object(Bucket=name, Key="a", Body=b"a")
    client("s3").delete_object(Bucket=name, Key="a")
    assert stacks.delete(name) == "DELETE_FAILED"


def test_machine_that_is_deleting_keeps_its_name(stacks: Stacks, client: Client, name: str) -> None:
    machine = named("AWS::StepFunctions::StateMachine", name)
    definition = {
        "StartAt": "Call",
        "States": {
            "Call": {"Type": "Wait", "Seconds": 3, "Next": "Other"},
            "Other": {"Type": "Wait", "Seconds": 600, "End": True},
        },
    }
    machine["Only"]["Properties"]["DefinitionString"] = json.dumps(definition)
    stacks.create(name, machine)
    states = client("stepfunctions")
    arn = stacks.physical_id(name, "Only")
    states.start_execution(stateMachineArn=arn)
    assert stacks.delete(name) == "DELETE_COMPLETE"
    assert states.describe_state_machine(stateMachineArn=arn)["status"] == "DELETING"
    assert stacks.create(name, machine) == "ROLLBACK_COMPLETE"
    assert f"State Machine is being deleted: '{arn}'" in stacks.reasons(name, "CREATE_FAILED")["Only"]


UNNAMED = {kind: {"Type": kind, "Properties": properties} for kind, (_, properties) in NAMED.items()}


@pytest.mark.parametrize("kind", UNNAMED)
def test_generated_names_are_new_for_each_resource(stacks: Stacks, name: str, kind: str) -> None:
    stack = f"{name}-LongNameOfAStackThatIsCutToFit"
    found = set()
    for _ in range(2):
        given = {"Only": UNNAMED[kind]}
        assert stacks.create(stack, given, Capabilities=["CAPABILITY_IAM"]) == "CREATE_COMPLETE"
        identity = stacks.physical_id(stack, "Only")
        found.add(identity)
        changed = {"Only": {**UNNAMED[kind], "Metadata": {"changed": "yes"}}}
        assert stacks.update(stack, changed) == "UPDATE_COMPLETE"
        assert stacks.physical_id(stack, "Only") == identity
        assert stacks.delete(stack) == "DELETE_COMPLETE"
    assert len(found) == 2
    last = found.pop().rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    assert last.lower().startswith(name)


def test_generated_bucket_name_is_valid(stacks: Stacks, name: str) -> None:
    stack = f"{name}-{'Long' * 20}"
    stacks.create(stack, {"TheBucket": {"Type": "AWS::S3::Bucket"}})
    bucket = stacks.physical_id(stack, "TheBucket")
    assert bucket == bucket.lower()
    assert len(bucket) <= 63


FUNCTION: dict[str, Any] = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": ROLE,
        "Code": {"ZipFile": "def handler(e, c): pass"},
    },
}


def reserving(number: int | None) -> dict[str, Any]:
    properties = {**FUNCTION["Properties"], **({} if number is None else {"ReservedConcurrentExecutions": number})}
    return {"Only": {"Type": "AWS::Lambda::Function", "Properties": properties}}


def test_reservation_of_a_function(stacks: Stacks, client: Client, name: str) -> None:
    assert stacks.create(name, reserving(5)) == "CREATE_COMPLETE"
    function = stacks.physical_id(name, "Only")
    answer = client("lambda").get_function_concurrency(FunctionName=function)
    assert answer["ReservedConcurrentExecutions"] == 5
    assert stacks.update(name, reserving(None)) == "UPDATE_COMPLETE"
    assert "ReservedConcurrentExecutions" not in client("lambda").get_function_concurrency(FunctionName=function)
    assert stacks.create(f"{name}-2", reserving(901)) == "ROLLBACK_COMPLETE"
    assert "below its minimum value of [100]" in stacks.reasons(f"{name}-2", "CREATE_FAILED")["Only"]
