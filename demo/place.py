"""Where the demo runs: the project's local AWS, with the stack on it."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3

from local_aws.lifecycle import LocalAws, client_environment
from sluice_cli.main import main as sluice
from sluice_cli.surroundings import PROJECT_ROOT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


class DemoFailedError(Exception):
    """A command of the demo ended with another exit code than 0."""


class Place:
    """Clients of local AWS, and `sluice` on it."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws

    def sluice(self, *arguments: str) -> None:
        """One command. Raises DemoFailedError."""
        if code := sluice(arguments):
            raise DemoFailedError(f"sluice {' '.join(arguments)} ended with exit code {code}")

    def run(self, workflow: str, event: str) -> None:
        """Run a workflow with one of the inputs in events/workflows."""
        self.sluice("run", workflow, "--local", "--input", str(PROJECT_ROOT / "events" / "workflows" / event))

    def client(self, service: str) -> Any:
        """A client of local AWS."""
        environment = client_environment(self._aws)
        session = boto3.Session(
            environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name=self._aws.region
        )
        return session.client(service, endpoint_url=self._aws.endpoint_url)  # type: ignore[call-overload]

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
    def bucket(self) -> str:
        """The stack's data bucket."""
        (stack,) = self.client("cloudformation").describe_stacks(StackName="sluice")["Stacks"]
        outputs: dict[str, str] = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        return outputs["DataBucket"]

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
