"""Where the end-to-end check runs: an AWS account or a local AWS of its own, with the stack on it."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3

from local_aws import clock
from local_aws.lifecycle import LocalAws, client_environment
from sluice_cli.main import main as sluice
from sluice_cli.surroundings import Surroundings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

LONGEST_SLEEP_SECONDS = 60


class CheckFailedError(Exception):
    """Something is not as it must be; the message says what was expected and what was found."""


@dataclass
class Step:
    """One line of the report: what was checked, how it went, how long it took."""

    name: str
    outcome: str = "running"
    detail: str = ""
    seconds: float = 0.0


@dataclass
class Site:
    """Clients and commands of one target. `local` is None on AWS."""

    stack_name: str
    region: str
    surroundings: Surroundings
    local: LocalAws | None = None
    steps: list[Step] = field(default_factory=list)

    @property
    def table_prefix(self) -> str:
        """What the names of all tables of the check begin with; the stack may use no others."""
        return f"check-{self.stack_name}-"

    @cached_property
    def session(self) -> boto3.Session:
        """The caller's own session, or one of local AWS."""
        if self.local is None:
            return boto3.Session(region_name=self.region)
        environment = client_environment(self.local)
        return boto3.Session(
            environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name=self.region
        )

    def client(self, service: str) -> Any:
        """A client of this target."""
        endpoint = self.local.endpoint_url if self.local else None
        return self.session.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]

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
    def account(self) -> str:
        """The account's number."""
        number: str = self.client("sts").get_caller_identity()["Account"]
        return number

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        (stack,) = self.client("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    @property
    def bucket(self) -> str:
        """The data bucket."""
        return self.outputs["DataBucket"]

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Record what happens inside as one step of the report; a failed step does not end the others."""
        step = Step(name)
        self.steps.append(step)
        say(f"{name} ...")
        since = time.monotonic()
        try:
            yield step
            step.outcome = "passed"
        except Exception as error:  # noqa: BLE001  (whatever it is, it belongs in the report)
            step.outcome, step.detail = "FAILED", f"{type(error).__name__}: {error}"
        finally:
            step.seconds = time.monotonic() - since
            say(f"{name}: {step.outcome} after {step.seconds:.0f} s{': ' + step.detail if step.detail else ''}")

    def sluice(self, *arguments: str) -> tuple[int, str]:
        """Run a command of `sluice`; returns its exit code and what it printed to stdout."""
        printed = io.StringIO()
        where = ["--local"] if self.local else []
        command = [*arguments, "--stack-name", self.stack_name, *where]
        return sluice(command, replace(self.surroundings, stdout=printed)), printed.getvalue()

    def run(self, workflow: str, document: Mapping[str, Any], *, expected_exit_code: int = 0) -> dict[str, Any]:
        """Run a workflow to its end; returns its summary. Raises CheckFailedError for another exit code."""
        surroundings = replace(self.surroundings, stdin=io.StringIO(json.dumps(document)))
        site = replace(self, surroundings=surroundings)
        code, printed = site.sluice("run", workflow, "--input", "-", "--json")
        if code != expected_exit_code:
            raise CheckFailedError(f"{workflow} ended with exit code {code}, not {expected_exit_code}: {printed}")
        summary: dict[str, Any] = json.loads(printed)
        return summary

    def put(self, key: str, body: bytes) -> dict[str, str]:
        """Put an object into the data bucket; returns its bucket and key."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return {"bucket": self.bucket, "key": key}

    def object(self, key: str) -> bytes:
        """An object of the data bucket."""
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix of the data bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def create_table(self, name: str, partition: str, sort: str | None = None) -> str:
        """An empty on-demand table with key attributes of type S; returns its full name."""
        table = self.table_prefix + name
        keys: list[tuple[str, Any]] = [(partition, "HASH")] + ([(sort, "RANGE")] if sort else [])
        self.dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        self.wait(self.dynamodb, "table_exists", TableName=table)
        return table

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of a table, as DynamoDB JSON, read consistently."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def wait(self, client: Any, condition: str, **names: str) -> None:
        """Wait with one of boto3's waiters; local AWS needs no half minute between two looks."""
        pause = {"Delay": 1, "MaxAttempts": 600} if self.local else {}
        client.get_waiter(condition).wait(**names, WaiterConfig=pause)

    def later(self, seconds: float, why: str) -> None:
        """Let time pass: on AWS by waiting, on local AWS by moving its clock."""
        say(f"{why}: {seconds / 60:.0f} minutes later")
        if self.local:
            clock.advance(self.local, seconds)
            return
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, LONGEST_SLEEP_SECONDS))

    def environment(self) -> dict[str, str]:
        """The environment of tools that work on this target."""
        return {**os.environ, "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region, "SAM_CLI_TELEMETRY": "0"}


def check_equal(what: str, found: Any, expected: Any) -> None:
    """Raise CheckFailedError unless the two are equal."""
    if found != expected:
        raise CheckFailedError(f"{what}: expected {_short(expected)}, found {_short(found)}")


def check_counts(summary: Mapping[str, Any], expected: Sequence[int]) -> None:
    """Raise CheckFailedError unless a summary's counts are these: read, written, skipped, rejected, failed."""
    counts = summary["counts"]
    found = [counts[each] for each in ("read", "written", "skipped", "rejected", "failed")]
    check_equal(f"counts of {summary['workflow']}", found, list(expected))


def say(text: str) -> None:
    """A line for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]} ... ({len(text):,} characters)"
