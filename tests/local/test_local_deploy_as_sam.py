"""A first `sluice local deploy` makes the stack that `sam build && sam deploy` makes."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice_cli.deploy import build_command, deploy_command, local_environment, run_tool
from sluice_cli.sandbox import empty_sandbox
from tests.local.deployed import Deployed

pytestmark = pytest.mark.long

# With every optional resource that needs no key or topic.
PARAMETERS = (
    "ExportTables=orders,customers",
    "ExportRetentionDays=7",
    "SourceBucketPattern=imports-*",
    "ProcessorFunctions=processor",
    "AthenaWorkGroups=primary,second",
)
# What differs between any two deployments of the same stack, apart from generated names.
TIMES = frozenset(
    (
        "CreateDate",
        "CreationDate",
        "CreationDateTime",
        "LastModificationDate",
        "LastModified",
        "RoleLastUsed",
        "creationDate",
        "creationTime",
        "updateDate",
    )
)
IDENTITIES = frozenset(
    ("RevisionId", "RoleId", "TableId", "ResponseMetadata", "revisionId", "CodeSha256", "CodeSize", "createdAt")
)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The stack as `sluice local deploy` makes it, from a build that copied modules have brought up to date."""
    root = tmp_path_factory.mktemp("ours")
    with empty_sandbox(root) as empty:
        change(root)
        assert empty.deploy(*PARAMETERS) == 0
        yield Deployed(empty.surroundings, empty.aws)


@pytest.fixture(scope="module")
def sams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The stack as SAM makes it, on another local AWS."""
    root = tmp_path_factory.mktemp("sams")
    with empty_sandbox(root) as empty:
        change(root)
        environment = local_environment(empty.surroundings.environment, empty.aws)
        sam = empty.surroundings.sam
        for command in (build_command(sam, root), deploy_command(sam, root, "sluice", empty.aws.region, PARAMETERS)):
            run_tool(command, root, environment, print)
        yield Deployed(empty.surroundings, empty.aws)


def change(root: Path) -> None:
    """A changed and a new module."""
    with (root / "functions" / "plan_load" / "handler.py").open("a") as module:
        module.write("CHANGED = True\n")
    (root / "functions" / "sluice" / "added.py").write_text("ADDED = True\n")


def resources(stack: Deployed) -> dict[str, tuple[str, str]]:
    """Type and physical id of each resource."""
    pages = stack.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName="sluice")
    found = [each for page in pages for each in page["StackResourceSummaries"]]
    return {each["LogicalResourceId"]: (each["ResourceType"], each["PhysicalResourceId"]) for each in found}


def comparable(stack: Deployed, value: Any) -> Any:
    """A value with logical ids instead of physical ones, and without times and identities."""
    text = json.dumps(value, default=str, sort_keys=True)
    names = {re.split("[:/]", physical)[-1]: logical for logical, (_, physical) in resources(stack).items()}
    for generated in sorted(names, key=len, reverse=True):
        text = text.replace(generated, f"<{names[generated]}>")
    (found,) = stack.client("cloudformation").describe_stacks(StackName="sluice")["Stacks"]
    stack_id = found["StackId"].rpartition("/")[2]
    text = text.replace(stack_id, "<stack id>").replace(stack_id.partition("-")[0], "<first part of the stack id>")
    text = text.replace(stack.aws.endpoint_url.rpartition(":")[2], "<port>")
    return without(json.loads(text))


def without(value: Any) -> Any:
    if isinstance(value, list):
        return [without(each) for each in value]
    if isinstance(value, dict):
        return {name: without(each) for name, each in value.items() if name not in TIMES | IDENTITIES}
    return value


def described(stack: Deployed, kind: str, name: str) -> Any:
    """What the service says of a resource; None for kinds that are compared by the template only."""
    if kind == "AWS::Lambda::Function":
        return stack.client("lambda").get_function_configuration(FunctionName=name)
    if kind == "AWS::StepFunctions::StateMachine":
        found = stack.stepfunctions.describe_state_machine(stateMachineArn=name)
        return found | {"definition": json.loads(found["definition"])}
    if kind == "AWS::IAM::Role":
        iam = stack.client("iam")
        names = iam.list_role_policies(RoleName=name)["PolicyNames"]
        policies = {each: iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"] for each in names}
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        return {"role": iam.get_role(RoleName=name)["Role"], "policies": policies, "attached": attached}
    if kind == "AWS::DynamoDB::Table":
        return stack.dynamodb.describe_table(TableName=name)["Table"]
    if kind == "AWS::Logs::LogGroup":
        return stack.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    if kind == "AWS::SQS::Queue":
        return stack.client("sqs").get_queue_attributes(QueueUrl=name, AttributeNames=["Policy", "VisibilityTimeout"])
    if kind == "AWS::Scheduler::Schedule":
        return stack.client("scheduler").get_schedule(Name=name)
    if kind == "AWS::S3::Bucket":
        policy = json.loads(stack.s3.get_bucket_policy(Bucket=name)["Policy"])
        return policy, stack.s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]
    return None


def code(stack: Deployed) -> dict[str, bytes]:
    """The files of the deployed functions, which share one package."""
    found = stack.client("cloudformation").get_template(StackName="sluice", TemplateStage="Processed")["TemplateBody"]
    location = found["Resources"]["PlanLoadFunction"]["Properties"]["Code"]
    package = stack.s3.get_object(Bucket=location["S3Bucket"], Key=location["S3Key"])["Body"].read()
    (configuration,) = {
        stack.client("lambda").get_function_configuration(FunctionName=name)["CodeSha256"]
        for kind, name in resources(stack).values()
        if kind == "AWS::Lambda::Function"
    }
    assert configuration == base64.b64encode(hashlib.sha256(package).digest()).decode()
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return {each: archive.read(each) for each in archive.namelist() if not each.endswith("/")}


def processed_template(stack: Deployed) -> Any:
    """The template after its transforms; local files are in another bucket, the definitions and code are compared."""
    found = stack.client("cloudformation").get_template(StackName="sluice", TemplateStage="Processed")["TemplateBody"]
    template = json.loads(json.dumps(found))
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for name in ("Code", "DefinitionS3Location"):
            if isinstance(properties.get(name), dict) and {"S3Bucket", "Bucket"} & set(properties[name]):
                properties[name] = "uploaded"
    return template


def test_processed_templates_are_equal(ours: Deployed, sams: Deployed) -> None:
    assert processed_template(ours) == processed_template(sams)


def test_stacks_have_the_same_resources_parameters_and_outputs(ours: Deployed, sams: Deployed) -> None:
    def described(stack: Deployed) -> Any:
        (found,) = stack.client("cloudformation").describe_stacks(StackName="sluice")["Stacks"]
        kinds = {name: kind for name, (kind, _) in resources(stack).items()}
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in found["Parameters"]}
        return kinds, parameters, found["StackStatus"], comparable(stack, stack.outputs)

    assert described(ours) == described(sams)


def test_resources_have_the_same_properties(ours: Deployed, sams: Deployed) -> None:
    def properties(stack: Deployed) -> dict[str, Any]:
        return {name: comparable(stack, described(stack, *each)) for name, each in resources(stack).items()}

    first, second = properties(ours), properties(sams)
    assert sum(each is not None for each in first.values()) > 60
    for name in first:
        assert first[name] == second[name], name


def test_functions_have_the_same_files(ours: Deployed, sams: Deployed) -> None:
    first, second = code(ours), code(sams)
    assert "sluice/added.py" in first
    assert sorted(first) == sorted(second)
    assert {name for name in first if first[name] != second[name]} == set()
