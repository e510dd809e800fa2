"""ProcessExportFile without its handler: real S3 client and wire, a fake table, and slices as short as a test likes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto import mock_aws

from sluice.aws.retry import RetryPolicy
from sluice.run_item.worker import Heartbeats
from sluice.runs.paths import Run
from sluice.workflows.export_process.progress import FileRequest
from sluice.workflows.export_process.slice import FileWork
from tests.unit.export_files import BUCKET, MICROS, Json, md5, zipped
from tests.unit.fake_dynamodb import TABLE, FakeDynamoDB, serving, wire_to
from tests.unit.run_items import no_heartbeats

DATA_BUCKET = "sluice-data-000000000000-us-east-1"
RUN = Run("export_process", "a-run", "arn:aws:states:us-east-1:123456789012:execution:export_process:a-run")
KEY = "exports/birds/AWSDynamoDB/data/u2wo.json.gz"
KEYS = [{"name": "pk", "type": "S"}]
FULL = {"bucket": BUCKET, "type": "FULL_EXPORT", "view": None, "writeTimestampMicros": MICROS, "lines": "records"}
CHANGES = FULL | {"type": "INCREMENTAL_EXPORT", "view": "NEW_AND_OLD_IMAGES", "writeTimestampMicros": None}
NEW_ONLY = CHANGES | {"view": "NEW_IMAGE"}
TABLE_SINK: Json = {"type": "table", "name": TABLE, "keys": KEYS, "guard": None}
GUARDED = TABLE_SINK | {"guard": "newerOnly"}
OBJECTS: Json = {"type": "objects", "bucket": DATA_BUCKET, "prefix": "output/birds/", "values": "plain"}
TYPED_OBJECTS = OBJECTS | {"values": "dynamodbJson"}


@dataclass
class Slices:
    """Files in S3, and what their slices make of the table."""

    fake: FakeDynamoDB
    heartbeats: Heartbeats | None = None
    retries: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=50, first_pause_seconds=0))

    def __post_init__(self) -> None:
        self.s3 = boto3.client("s3", region_name="us-east-1")
        for bucket in (BUCKET, DATA_BUCKET):
            self.s3.create_bucket(Bucket=bucket)

    def put(self, records: Sequence[Any], key: str = KEY) -> Json:
        """A data file; returns what a child gets of it."""
        body = zipped(records) if key.endswith(".gz") else b"".join(records)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return {"index": 3, "itemCount": len(records), "md5Checksum": md5(body), "etag": "0-1", "dataFileS3Key": key}

    def event(self, file: Json, export: Json, sink: Json, **process: Any) -> Json:
        """The payload of the first slice."""
        usual = {"transform": None, "verify": True, "runItem": None}
        return {
            "run": RUN.to_state(),
            "process": {"export": export, "sink": sink, **usual, **process},
            "file": file,
            "progress": None,
        }

    def slice(self, event: Json, time_is_up_after: int = 10**9) -> Json:
        """One slice; its time is up after so many checks."""
        checks = iter(range(10**9))
        request = FileRequest.from_event(json.loads(json.dumps(event)))
        with wire_to(self.fake.url, self.retries) as wire:
            work = FileWork(self.s3, wire, self.heartbeats or no_heartbeats(), DATA_BUCKET, request)
            return work.run(lambda: next(checks) >= time_is_up_after)

    def whole(self, event: Json, time_is_up_after: int = 10**9) -> Json:
        """Slice after slice, until the file is done."""
        while not (event["progress"] and event["progress"]["done"]):
            event = event | {"progress": self.slice(event, time_is_up_after)}
        progress: Json = event["progress"]
        return progress

    def process(self, records: Sequence[Any], export: Json = CHANGES, sink: Json = TABLE_SINK, **process: Any) -> Json:
        """A file of these records, in one slice."""
        return self.whole(self.event(self.put(records), export, sink, **process))

    def rejects(self, progress: Json, index: int = 3) -> list[Json]:
        """The rejects of the slices that left some."""
        keys = [RUN.reject_part_key(index, number) for number in progress["rejectSlices"]]
        return [json.loads(line) for key in keys for line in self.object(key).splitlines()]

    def object(self, key: str) -> bytes:
        """An object of the data bucket."""
        body: bytes = self.s3.get_object(Bucket=DATA_BUCKET, Key=key)["Body"].read()
        return body

    def lines(self, key: str) -> list[Json]:
        """The lines of an object that a sink made."""
        return [json.loads(line) for line in gzip.decompress(self.object(key)).splitlines()]

    def keys(self, prefix: str) -> list[str]:
        """The keys of the data bucket."""
        listed = self.s3.list_objects_v2(Bucket=DATA_BUCKET, Prefix=prefix)
        return [each["Key"] for each in listed.get("Contents", [])]

    def held(self) -> dict[str, Json]:
        """The table's items by their key."""
        return {item["pk"]["S"]: item for item in self.fake.items.values()}


def counts(progress: Json) -> tuple[int, ...]:
    """Records read, written, skipped, rejected, failed."""
    return tuple(progress["counts"].values())


@contextmanager
def slices() -> Iterator[Slices]:
    """With nothing in S3, and nothing in the table."""
    with mock_aws(), serving(FakeDynamoDB(refuses_key_twice=True)) as fake:
        yield Slices(fake)
