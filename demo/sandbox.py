"""Where the demo runs: the project's local AWS, with the stack on it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from sluice_cli.main import main as sluice
from sluice_cli.sandbox import Sandbox
from sluice_cli.surroundings import PROJECT_ROOT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DemoFailedError(Exception):
    """A command of the demo ended with another exit code than 0."""


class DemoSandbox(Sandbox):
    """Clients of local AWS, and `sluice` on it."""

    def sluice(self, *arguments: str) -> None:
        """One command. Raises DemoFailedError."""
        if code := sluice(arguments, self.surroundings):
            raise DemoFailedError(f"sluice {' '.join(arguments)} ended with exit code {code}")

    def run(self, workflow: str, event: str, *settings: str, name: str | None = None) -> None:
        """Run a workflow with one of the inputs in events/workflows, and some of its fields set otherwise."""
        given = str(PROJECT_ROOT / "events" / "workflows" / event)
        named = [f"--name={name}"] if name else []
        self.sluice("run", workflow, "--local", "--input", given, *named, *(f"--set={each}" for each in settings))

    def put_source(self, key: str, body: bytes) -> None:
        """Put an object into the data bucket."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        say(f"put {len(body):,} bytes into s3://{self.bucket}/{key}")


def create_table(dynamodb: DynamoDBClient, name: str, partition: str, sort: str | None = None) -> None:
    """An empty table with key attributes of type S, whatever an earlier demo has left."""
    if name in dynamodb.list_tables()["TableNames"]:
        dynamodb.delete_table(TableName=name)
        dynamodb.get_waiter("table_not_exists").wait(TableName=name)
    keys: list[tuple[str, Any]] = [(partition, "HASH")] + ([(sort, "RANGE")] if sort else [])
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name)


def say(text: str) -> None:
    """A line for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201
