"""A local AWS for tests of exports: tables with point-in-time recovery, exports, and what their files say."""

import gzip
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.config import Config

from local_aws import LocalAws, clock, faults
from tests.local_aws.sessions import session_of

BUCKET = "exports-bucket"
DEADLINE_SECONDS = 120
MINUTE = 60
HOUR = 3600

Item = dict[str, dict[str, Any]]
Description = dict[str, Any]


@dataclass(frozen=True)
class Manifest:
    """An export's manifests, as text and parsed, and its data files by key."""

    texts: dict[str, str]
    summary: dict[str, Any]
    files: list[dict[str, Any]]
    data: dict[str, bytes]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of all files, in the order of the list of files."""
        bodies = [gzip.decompress(self.data[file["dataFileS3Key"]]) for file in self.files]
        return [json.loads(line) for body in bodies for line in body.splitlines()]


class Exporting:
    """Clients of a local AWS whose clock may be put forward; exports take no time unless a test says so."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self._session = session_of(aws)
        self.dynamodb = self.client("dynamodb")
        self.s3 = self.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        faults.let_exports_take(aws, 0)

    def client(self, service: str) -> Any:
        """A client without retries and checks of its own, so that a test sees the answer itself."""
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, parameter_validation=False)
        return self._session.client(service, endpoint_url=self.aws.endpoint_url, config=config)

    @contextmanager
    def exports_take(self, seconds: float) -> Iterator[None]:
        """Exports inside are IN_PROGRESS for so long."""
        faults.let_exports_take(self.aws, seconds)
        try:
            yield
        finally:
            faults.clear(self.aws)
            faults.let_exports_take(self.aws, 0)

    def now(self) -> int:
        """The server's time in whole seconds, rounded down."""
        return int(clock.now(self.aws).timestamp())

    def advance(self, seconds: float) -> int:
        """Put the clock forward; returns the server's time in whole seconds, all of which are over."""
        return int(clock.advance(self.aws, seconds).timestamp())

    def new_table(self, *, recovery: bool = True, period_days: int = 35, sort: str | None = None) -> str:
        """A table with the partition key `pk` (S) and, on request, a sort key (N)."""
        name = f"t-{uuid.uuid4().hex[:12]}"
        keys = [("pk", "HASH", "S")] + ([(sort, "RANGE", "N")] if sort else [])
        self.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, _, kind in keys],
            KeySchema=[{"AttributeName": key, "KeyType": role} for key, role, _ in keys],
        )
        if recovery:
            self.switch_recovery(name, enabled=True, period_days=period_days)
        return name

    def switch_recovery(self, table: str, *, enabled: bool, period_days: int = 35) -> Description:
        """Turn point-in-time recovery on or off; returns its description."""
        specification: dict[str, Any] = {"PointInTimeRecoveryEnabled": enabled}
        if enabled:
            specification["RecoveryPeriodInDays"] = period_days
        answer = self.dynamodb.update_continuous_backups(
            TableName=table, PointInTimeRecoverySpecification=specification
        )
        return dict(answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"])

    def recovery(self, table: str) -> Description:
        """The description of the table's point-in-time recovery."""
        answer = self.dynamodb.describe_continuous_backups(TableName=table)
        return dict(answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"])

    def put(self, table: str, key: str, **attributes: Any) -> Item:
        """Put an item; numbers are N, texts are S."""
        item = {"pk": {"S": key}} | {name: plain(value) for name, value in attributes.items()}
        self.dynamodb.put_item(TableName=table, Item=item)
        return item

    def delete(self, table: str, key: str) -> None:
        """Delete the item."""
        self.dynamodb.delete_item(TableName=table, Key={"pk": {"S": key}})

    def arn(self, table: str) -> str:
        """The table's ARN."""
        return f"arn:aws:dynamodb:{self.aws.region}:000000000000:table/{table}"

    def start(self, table: str, **request: Any) -> Description:
        """Start an export."""
        request = {"TableArn": self.arn(table), "S3Bucket": BUCKET} | request
        return dict(self.dynamodb.export_table_to_point_in_time(**request)["ExportDescription"])

    def describe(self, arn: str) -> Description:
        """An export's description."""
        return dict(self.dynamodb.describe_export(ExportArn=arn)["ExportDescription"])

    def ended(self, arn: str) -> Description:
        """The description of the export when it has ended."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (found := self.describe(arn))["ExportStatus"] == "IN_PROGRESS":
            assert time.monotonic() < deadline, f"{arn} is still in progress"
            time.sleep(0.005)
        return found

    def full(self, table: str, **request: Any) -> Manifest:
        """Export the table; what its files say."""
        return self._exported(table, request)

    def incremental(self, table: str, start: int, end: int, view: str | None = None, **request: Any) -> Manifest:
        """Export a window's changes; what the export's files say."""
        specification: dict[str, Any] = {"ExportFromTime": start, "ExportToTime": end}
        if view:
            specification["ExportViewType"] = view
        request = {"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": specification} | request
        return self._exported(table, request)

    def _exported(self, table: str, request: dict[str, Any]) -> Manifest:
        found = self.ended(self.start(table, **request)["ExportArn"])
        assert found["ExportStatus"] == "COMPLETED", found
        return self.read(found["S3Bucket"], found["ExportManifest"])

    def read(self, bucket: str, summary_key: str) -> Manifest:
        """What an export's files say, from its summary on."""
        folder = summary_key.rpartition("/")[0]
        names = ("manifest-summary.json", "manifest-summary.md5", "manifest-files.json", "manifest-files.md5")
        texts = {name: self.object(bucket, f"{folder}/{name}").decode() for name in names}
        summary = json.loads(texts["manifest-summary.json"])
        assert summary["manifestFilesS3Key"] == f"{folder}/manifest-files.json"
        files = [json.loads(line) for line in texts["manifest-files.json"].splitlines()]
        data = {file["dataFileS3Key"]: self.object(bucket, file["dataFileS3Key"]) for file in files}
        return Manifest(texts, summary, files, data)

    def object(self, bucket: str, key: str) -> bytes:
        """An object's body."""
        return bytes(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys under a prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def start_machine(self, state: dict[str, Any], role: str = "local", **settings: Any) -> str:
        """Create a state machine of this one state and start it; returns the execution's ARN."""
        states = self.client("stepfunctions")
        definition = {"QueryLanguage": "JSONata", "StartAt": "Only", "States": {"Only": {**state, "End": True}}}
        machine = states.create_state_machine(
            name=f"machine-{uuid.uuid4().hex[:12]}",
            definition=json.dumps(definition | settings),
            roleArn=f"arn:aws:iam::000000000000:role/{role}",
        )
        return str(states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"])

    def execution(self, arn: str) -> dict[str, Any]:
        """How an execution ended."""
        states, deadline = self.client("stepfunctions"), time.monotonic() + DEADLINE_SECONDS
        while (execution := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline, f"{arn} is still running"
            time.sleep(0.01)
        return dict(execution)

    def items(self, table: str) -> list[Item]:
        """All items of a table."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table)
        return [item for page in pages for item in page["Items"]]


def plain(value: Any) -> dict[str, Any]:
    """A number as N, a text as S, an attribute value as it is."""
    if isinstance(value, dict):
        return value
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def by_key(items: list[Item]) -> list[Item]:
    """Items in the order of their partition key."""
    return sorted(items, key=lambda item: str(item["pk"]["S"]))


def images(manifest: Manifest) -> dict[str, tuple[Item | None, Item | None]]:
    """The old and new image of each record of an incremental export, by partition key."""
    records = manifest.records
    found = {record["Keys"]["pk"]["S"]: (record.get("OldImage"), record.get("NewImage")) for record in records}
    assert len(found) == len(records)
    return found


def seconds(moment: datetime) -> float:
    """A time of a description in seconds since 1970."""
    return moment.timestamp()
