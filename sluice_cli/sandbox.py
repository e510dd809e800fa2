"""A copy of the project, deployed to a local AWS of its own: what tests and benchmarks run on."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3

from local_aws.access.origins import LOOPBACK
from local_aws.lifecycle import LocalAws, client_environment
from sluice_cli import local, local_build
from sluice_cli.deploy import local_environment
from sluice_cli.main import main
from sluice_cli.surroundings import PROJECT_ROOT, Surroundings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

DEPLOYED_PARTS = ("template.yaml", "samconfig.toml", "functions", "statemachines")
LOOK_EVERY_SECONDS = 0.05


class SandboxError(Exception):
    """The copy could not be deployed, or an execution on it did not end in time."""


@dataclass(frozen=True)
class Sandbox:
    """The deployed stack; `surroundings` are those of a command that works on it."""

    surroundings: Surroundings
    aws: LocalAws

    @cached_property
    def session(self) -> boto3.Session:
        """A session of local AWS."""
        environment = client_environment(self.aws)
        return boto3.Session(
            environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name=self.aws.region
        )

    def client(self, service: str) -> Any:
        """A client of local AWS."""
        return self.session.client(service, endpoint_url=self.aws.endpoint_url)  # type: ignore[call-overload]

    @cached_property
    def s3(self) -> S3Client:
        """S3."""
        client: S3Client = self.client("s3")
        return client

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """DynamoDB."""
        client: DynamoDBClient = self.client("dynamodb")
        return client

    @cached_property
    def stepfunctions(self) -> SFNClient:
        """Step Functions."""
        client: SFNClient = self.client("stepfunctions")
        return client

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        (stack,) = self.client("cloudformation").describe_stacks(StackName="sluice")["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    @property
    def bucket(self) -> str:
        """The data bucket."""
        return self.outputs["DataBucket"]

    def deploy(self, *parameters: str) -> int:
        """Build and deploy the stack, with these template parameters as NAME=VALUE; returns the exit code."""
        return main(["local", "deploy", *(f"--parameter={each}" for each in parameters)], self.surroundings)

    def new_table(self, partition: str = "id", sort: str | None = None, types: str = "SS") -> str:
        """An empty table of its own name, with key attributes of these types."""
        name = f"table-{uuid4().hex[:12]}"
        keys: list[tuple[str, Any, Any]] = [(partition, "HASH", types[0])]
        if sort:
            keys.append((sort, "RANGE", types[1]))
        self.dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind, _ in keys],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": each} for key, _, each in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        return name

    def put(self, body: bytes | str, suffix: str = ".csv") -> dict[str, str]:
        """Put a source object under a key of its own; returns its bucket and key."""
        key = f"input/{uuid4().hex}{suffix}"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body.encode() if isinstance(body, str) else body)
        return {"bucket": self.bucket, "key": key}

    def machine_arn(self, workflow: str) -> str:
        """The state machine's ARN, from the stack's outputs."""
        return self.outputs["".join(part.capitalize() for part in workflow.split("_")) + "StateMachineArn"]

    def start(self, workflow: str, document: Mapping[str, Any]) -> str:
        """Start a workflow; returns the execution's ARN."""
        return self.stepfunctions.start_execution(
            stateMachineArn=self.machine_arn(workflow),
            name=f"run-{uuid4().hex[:12]}",
            input=json.dumps(document),
        )["executionArn"]

    def end_of(self, execution_arn: str, timeout_seconds: float) -> DescribeExecutionOutputTypeDef:
        """Wait for any end of an execution. Raises SandboxError when that takes too long."""
        deadline = time.monotonic() + timeout_seconds
        while (found := self.stepfunctions.describe_execution(executionArn=execution_arn))["status"] == "RUNNING":
            if time.monotonic() > deadline:
                raise SandboxError(f"{execution_arn} is still running after {timeout_seconds:g} s")
            time.sleep(LOOK_EVERY_SECONDS)
        return found


@contextmanager
def sandbox(
    root: Path,
    *,
    bind_host: str = LOOPBACK,
    fault_injection: bool = False,
    lambda_concurrency: int | None = None,
    data: Path | None = None,
    parameters: Sequence[str] = (),
) -> Iterator[Sandbox]:
    """An empty sandbox with the stack deployed. `parameters`: the template's, as NAME=VALUE. Raises SandboxError."""
    with empty_sandbox(
        root, bind_host=bind_host, fault_injection=fault_injection, lambda_concurrency=lambda_concurrency, data=data
    ) as empty:
        if empty.deploy(*parameters):
            raise SandboxError("the stack could not be deployed to local AWS")
        yield empty


@contextmanager
def empty_sandbox(
    root: Path,
    *,
    bind_host: str = LOOPBACK,
    fault_injection: bool = False,
    lambda_concurrency: int | None = None,
    data: Path | None = None,
) -> Iterator[Sandbox]:
    """Copy what is deployed to `root`, and start local AWS for it; all of it ends with the context."""
    for part in DEPLOYED_PARTS:
        source = PROJECT_ROOT / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / part)
    surroundings = Surroundings(root=root)
    aws, _ = local.up(
        root,
        bind_host=bind_host,
        outlive_caller=False,
        fault_injection=fault_injection,
        lambda_concurrency=lambda_concurrency,
        data=data,
    )
    try:
        _share_build(surroundings, aws)
        yield Sandbox(surroundings, aws)
    finally:
        local.end(root, aws)


def _share_build(surroundings: Surroundings, aws: LocalAws) -> None:
    """All copies of the same files use one build: the project's own."""
    environment = local_environment(surroundings.environment, aws)
    local_build.build(surroundings.sam, PROJECT_ROOT, environment, surroundings.say)
    local_build.copy_build(PROJECT_ROOT, surroundings.root)
