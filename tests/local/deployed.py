"""A copy of the project, deployed to a local AWS of its own, and what tests do with it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3

from local_aws.lifecycle import LOOPBACK, LocalAws, client_environment
from sluice_cli import local
from sluice_cli.main import main
from sluice_cli.surroundings import PROJECT_ROOT, Surroundings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

DEPLOYED_PARTS = ("template.yaml", "samconfig.toml", "functions", "statemachines")
RUN_SECONDS = 120


@dataclass(frozen=True)
class Ended:
    """How an execution ended; `summary` is its output, or what a failed run left behind."""

    name: str
    status: str
    error: str | None
    cause: str | None
    summary: dict[str, Any]

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Rows read, written, skipped, rejected, failed."""
        counts = self.summary["counts"]
        return tuple(counts[each] for each in ("read", "written", "skipped", "rejected", "failed"))


@dataclass(frozen=True)
class Deployed:
    """The deployed stack."""

    surroundings: Surroundings
    aws: LocalAws

    @cached_property
    def session(self) -> boto3.Session:
        """A session of local AWS."""
        environment = client_environment(self.aws)
        return boto3.Session(
            environment["AWS_ACCESS_KEY_ID"],
            environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.aws.region,
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

    def object(self, key: str) -> bytes:
        """An object of the data bucket."""
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def rejects(self, ended: Ended) -> list[dict[str, Any]]:
        """The lines of a run's rejects file."""
        return [json.loads(line) for line in self.object(ended.summary["rejects"]["key"]).splitlines()]

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of a table, as DynamoDB JSON."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table)
        return [item for page in pages for item in page["Items"]]

    def start(self, workflow: str, document: Mapping[str, Any]) -> str:
        """Start a workflow; returns the execution's ARN."""
        return self.stepfunctions.start_execution(
            stateMachineArn=self.machine_arn(workflow),
            name=f"test-{uuid4().hex[:12]}",
            input=json.dumps(document),
        )["executionArn"]

    def machine_arn(self, workflow: str) -> str:
        """The state machine's ARN, from the stack's outputs."""
        return self.outputs["".join(part.capitalize() for part in workflow.split("_")) + "StateMachineArn"]

    def run(self, workflow: str, document: Mapping[str, Any]) -> Ended:
        """Run a workflow to its end."""
        return self.wait(self.start(workflow, document))

    def wait(self, execution_arn: str) -> Ended:
        """Wait for any end of an execution, but not for ever."""
        deadline = time.monotonic() + RUN_SECONDS
        while (found := self.stepfunctions.describe_execution(executionArn=execution_arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline, f"{execution_arn} is still running after {RUN_SECONDS} s"
            time.sleep(0.05)
        name = found["name"]
        workflow = found["stateMachineArn"].rpartition("sluice-")[2]
        summary = json.loads(found["output"]) if "output" in found else self._left_behind(workflow, name)
        return Ended(name, found["status"], found.get("error"), found.get("cause"), summary)

    def _left_behind(self, workflow: str, name: str) -> dict[str, Any]:
        try:
            summary: dict[str, Any] = json.loads(self.object(f"{workflow}/{name}/summary.json"))
        except self.s3.exceptions.NoSuchKey:
            return {}
        return summary


@contextmanager
def deployed(root: Path, bind_host: str = LOOPBACK) -> Iterator[Deployed]:
    """Copy what is deployed to `root`, start local AWS and deploy to it; all of it ends with the context."""
    for part in DEPLOYED_PARTS:
        source = PROJECT_ROOT / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / part)
    surroundings = Surroundings(root=root)
    aws, _ = local.up(root, bind_host=bind_host, outlive_caller=False, fault_injection=True)
    try:
        assert main(["local", "deploy"], surroundings) == 0
        yield Deployed(surroundings, aws)
    finally:
        local.end(root, aws)
