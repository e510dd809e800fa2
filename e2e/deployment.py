"""Deploying the stack under a name of its own, and removing all of it, what is retained included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from e2e.processors import processor_name
from e2e.rows import database_name
from e2e.site import Site, say
from sluice_cli.deploy import build_command, deploy_command, local_environment, run_tool

MISSING = frozenset({"ResourceNotFoundException", "NoSuchBucket", "EntityNotFoundException", "404"})
DELETED_AT_ONCE = 1_000


def parameters(site: Site) -> list[str]:
    """The template's parameters: the check's tables, processor and database, and nothing else."""
    return [
        f"TableNamePattern={site.table_prefix}*",
        f"ProcessorFunctions={processor_name(site)}",
        f"ProcessorStateMachines={processor_name(site)}",
        f"AthenaDatabasePattern={database_name(site)}",
    ]


def deploy(site: Site) -> None:
    """Build and deploy the stack. Raises CommandError with what sam printed."""
    sam, root = site.surroundings.sam, site.surroundings.root
    if site.local:
        environment = local_environment(site.surroundings.environment, site.local)
        deployment = deploy_command(sam, root, site.stack_name, site.region, [*parameters(site), "DataBucketName="])
        commands = [build_command(sam, root), deployment]
    else:
        environment = site.environment()
        commands = [[str(sam), "build"], _deploy_to_aws(site)]
    for command in commands:
        run_tool(command, root, environment, say)


def _deploy_to_aws(site: Site) -> list[str]:
    command = [str(site.surroundings.sam), "deploy", "--stack-name", site.stack_name, "--region", site.region]
    command += ["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--resolve-s3"]
    return [*command, "--capabilities", "CAPABILITY_IAM", "--parameter-overrides", *parameters(site)]


def remove(site: Site) -> None:
    """Delete the stack and everything that the check has made; each part is tried, whatever became of the others."""
    retained = _retained(site)
    parts: tuple[tuple[str, Callable[[Site, str], None], Callable[[], Sequence[str]]], ...] = (
        ("stop runs", _stop_run, lambda: _running(site)),
        ("delete the stacks", _delete_stack, lambda: [processor_name(site), site.stack_name]),
        ("delete the retained bucket", _delete_bucket, lambda: retained["AWS::S3::Bucket"]),
        ("delete the retained and the check's tables", _delete_table, lambda: _tables(site)),
        ("delete the check's database", _delete_database, lambda: [database_name(site)]),
        ("delete log groups", _delete_log_group, lambda: _log_groups(site)),
    )
    for what, delete, names in parts:
        with site.step(what):
            for name in names():
                _unless_missing(delete, site, name)


def _unless_missing(delete: Callable[[Site, str], None], site: Site, name: str) -> None:
    try:
        delete(site, name)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in MISSING:
            raise


def remaining(site: Site) -> list[str]:
    """What is left in the account under the stack's name, one line each."""
    name = site.stack_name
    found = [f"table {each}" for each in _tables(site)]
    found += [f"bucket {each['Name']}" for each in site.s3.list_buckets()["Buckets"] if each["Name"].startswith(name)]
    found += [f"log group {each}" for each in _log_groups(site)]
    pages = site.client("lambda").get_paginator("list_functions").paginate()
    found += [f"function {each['FunctionName']}" for page in pages for each in page["Functions"]]
    machines = site.stepfunctions.get_paginator("list_state_machines").paginate()
    found += [f"state machine {each['name']}" for page in machines for each in page["stateMachines"]]
    roles = site.client("iam").get_paginator("list_roles").paginate()
    found += [f"role {each['RoleName']}" for page in roles for each in page["Roles"]]
    return sorted({line for line in found if name in line})


def _retained(site: Site) -> dict[str, list[str]]:
    """Names of the stack's buckets and tables, which outlive it, by resource type."""
    names: dict[str, list[str]] = {"AWS::S3::Bucket": [], "AWS::DynamoDB::Table": []}
    for resource in _resources(site, site.stack_name):
        if resource["ResourceType"] in names and resource.get("PhysicalResourceId"):
            names[resource["ResourceType"]].append(resource["PhysicalResourceId"])
    return names


def _resources(site: Site, stack_name: str) -> list[dict[str, Any]]:
    cloudformation = site.client("cloudformation")
    try:
        pages = list(cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name))
    except ClientError:
        return []
    return [dict(each) for page in pages for each in page["StackResourceSummaries"]]


def _running(site: Site) -> list[str]:
    """Running executions; a state machine that has some stays DELETING, and its stack with it."""
    machines = [
        each["PhysicalResourceId"]
        for each in _resources(site, site.stack_name)
        if each["ResourceType"] == "AWS::StepFunctions::StateMachine"
    ]
    pages = (site.stepfunctions.list_executions(stateMachineArn=arn, statusFilter="RUNNING") for arn in machines)
    return [each["executionArn"] for page in pages for each in page["executions"]]


def _stop_run(site: Site, arn: str) -> None:
    site.stepfunctions.stop_execution(executionArn=arn)


def _delete_database(site: Site, name: str) -> None:
    site.client("glue").delete_database(Name=name)


def _delete_stack(site: Site, name: str) -> None:
    cloudformation = site.client("cloudformation")
    cloudformation.delete_stack(StackName=name)
    site.wait(cloudformation, "stack_delete_complete", StackName=name)


def _empty(site: Site, bucket: str) -> None:
    """Delete all objects, all versions of them, and unfinished uploads."""
    for keys in _batches(_versions(site, bucket)):
        site.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
    for page in site.s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            site.s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def _versions(site: Site, bucket: str) -> Iterator[dict[str, str]]:
    for page in site.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            yield {"Key": each["Key"], "VersionId": each["VersionId"]}


def _batches(keys: Iterator[dict[str, str]]) -> Iterator[Sequence[Any]]:
    batch: list[dict[str, str]] = []
    for key in keys:
        batch.append(key)
        if len(batch) == DELETED_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _delete_bucket(site: Site, bucket: str) -> None:
    _empty(site, bucket)
    site.s3.delete_bucket(Bucket=bucket)


def _delete_table(site: Site, table: str) -> None:
    site.dynamodb.delete_table(TableName=table)
    site.wait(site.dynamodb, "table_not_exists", TableName=table)


def _tables(site: Site) -> list[str]:
    pages = site.dynamodb.get_paginator("list_tables").paginate()
    return [name for page in pages for name in page["TableNames"] if site.stack_name in name]


def _log_groups(site: Site) -> list[str]:
    pages = site.client("logs").get_paginator("describe_log_groups").paginate()
    return [
        each["logGroupName"] for page in pages for each in page["logGroups"] if site.stack_name in each["logGroupName"]
    ]


def _delete_log_group(site: Site, name: str) -> None:
    site.client("logs").delete_log_group(logGroupName=name)
