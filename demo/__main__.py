"""`make demo`: a real dataset through csv_load, on local AWS."""

from __future__ import annotations

import json
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from local_aws.lifecycle import LocalAws, client_environment
from sluice_cli import local
from sluice_cli.main import main as sluice
from sluice_cli.surroundings import PROJECT_ROOT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "airports"
SOURCE_KEY = "input/airports.csv"
SHOWN = ("BIKF", "LSZH")


def main() -> int:
    """Start local AWS unless it runs, deploy, load the airports, show two of them; stop what was started."""
    aws, is_ours = local.up(PROJECT_ROOT, outlive_caller=False)
    try:
        return _load_airports(aws)
    finally:
        if is_ours:
            local.end(PROJECT_ROOT, aws)


def _load_airports(aws: LocalAws) -> int:
    say(f"local AWS is ready at {aws.endpoint_url}")
    if code := sluice(["local", "deploy"]):
        return code
    session = _session(aws)
    _put_source(session, aws)
    dynamodb = session.client("dynamodb", endpoint_url=aws.endpoint_url)
    create_table(dynamodb)
    event = PROJECT_ROOT / "events" / "workflows" / "csv_load.json"
    code = sluice(["run", "csv_load", "--local", "--input", str(event)])
    for icao in SHOWN:
        item = dynamodb.get_item(TableName=TABLE, Key={"icao": {"S": icao}})["Item"]
        print(json.dumps(item, ensure_ascii=False, sort_keys=True))  # noqa: T201
    return code


def _put_source(session: boto3.Session, aws: LocalAws) -> None:
    bucket = _outputs(session, aws)["DataBucket"]
    with as_file(files("airportsdata") / "airports.csv") as path:
        session.client("s3", endpoint_url=aws.endpoint_url).upload_file(str(path), bucket, SOURCE_KEY)
        say(f"put {_rows(path)} airports into s3://{bucket}/{SOURCE_KEY}")


def create_table(dynamodb: DynamoDBClient) -> None:
    """An empty table of airports, whatever an earlier demo has left."""
    if TABLE in dynamodb.list_tables()["TableNames"]:
        dynamodb.delete_table(TableName=TABLE)
        dynamodb.get_waiter("table_not_exists").wait(TableName=TABLE)
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "icao", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "icao", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=TABLE)


def _outputs(session: boto3.Session, aws: LocalAws) -> dict[str, Any]:
    stacks = session.client("cloudformation", endpoint_url=aws.endpoint_url).describe_stacks(StackName="sluice")
    return {each["OutputKey"]: each["OutputValue"] for each in stacks["Stacks"][0]["Outputs"]}


def _session(aws: LocalAws) -> boto3.Session:
    environment = client_environment(aws)
    return boto3.Session(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )


def _rows(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines) - 1


def say(text: str) -> None:
    """A line for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
