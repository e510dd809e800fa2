"""Batches of objects in a bucket, aggregated by slices, for tests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import boto3
from moto import mock_aws

from sluice.reading.object_gets import ObjectGets
from sluice.runs.paths import Run
from sluice.workflows.object_aggregate.cells import GroupTally, Key, MeasureTally
from sluice.workflows.object_aggregate.progress import BatchProgress, BatchRequest
from sluice.workflows.object_aggregate.slice import SliceBounds, work
from sluice.workflows.object_aggregate.tally import from_line

BUCKET = "sluice-data-000000000000-us-east-1"
BOTOCORE_ALONE = ObjectGets(lambda: None)
RUN = Run("object_aggregate", "test", "arn:aws:states:us-east-1:000000000000:execution:sluice-object_aggregate:test")


def aggregation(**changed: Any) -> dict[str, Any]:
    """The state of an Aggregation: the mean and more of x by g, but for what is changed."""
    layout = {"format": None, "delimiter": ",", "quote": '"', "headers": None, "encoding": "utf-8"}
    usual: dict[str, Any] = {
        "bucket": BUCKET,
        "prefix": "in/",
        "suffix": "",
        "layout": layout | changed.pop("layout", {}),
        "groupBy": ["g"],
        "measures": [{"column": "x", "statistics": ["count", "sum", "min", "max", "mean"]}],
        "missing": [],
        "where": [],
        "top": None,
    }
    return usual | changed


class Batches:
    """A bucket with objects, and the slices of one batch of them."""

    def __init__(self, s3: Any, run: Run = RUN) -> None:
        self.s3 = s3
        self.run = run
        self.objects: list[dict[str, Any]] = []

    def put(self, key: str, body: bytes) -> None:
        """One more object of the batch."""
        etag = self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)["ETag"]
        self.objects.append({"key": key, "size": len(body), "etag": etag})

    def event(self, aggregation: Mapping[str, Any], progress: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The payload of a slice."""
        return {"run": self.run.to_state(), "aggregation": aggregation, "objects": self.objects, "progress": progress}

    def slice(
        self, aggregation: Mapping[str, Any], progress: Any = None, checks: int | None = None, **options: Any
    ) -> dict[str, Any]:
        """One slice, whose time is up at the check after so many; `options` are Bounds."""
        left = iter(range(checks or 0))
        request = BatchRequest.from_event(self.event(aggregation, progress))
        is_time_up = lambda: checks is not None and next(left, None) is None  # noqa: E731
        return work(self.s3, BOTOCORE_ALONE, BUCKET, request, is_time_up, bounds=SliceBounds(**options))

    def whole(
        self, aggregation: Mapping[str, Any], progress: Any = None, checks: int | None = None, **options: Any
    ) -> dict[str, Any]:
        """Slices until the batch ends."""
        progress = self.slice(aggregation, progress, checks, **options)
        while not progress["done"]:
            progress = self.slice(aggregation, progress, checks, **options)
        return dict(progress)

    def groups(self, progress: Mapping[str, Any]) -> dict[Key, GroupTally]:
        """The groups of all parts that count."""
        found: dict[Key, GroupTally] = {}
        for number in progress["partSlices"]:
            lines = gzip.decompress(self._body(self.run.batch_part_key(progress["batch"], number))).splitlines()
            for key, tally in map(from_line, lines):
                if key in found:
                    found[key].merge(tally)
                else:
                    found[key] = tally
        return found

    def rejects(self, progress: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All rejects that count."""
        keys = [self.run.batch_reject_key(progress["batch"], each) for each in progress["rejectSlices"]]
        return [json.loads(line) for key in keys for line in self._body(key).splitlines()]

    def unreadable(self, progress: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All objects that could not be read."""
        keys = [self.run.batch_unreadable_key(progress["batch"], each) for each in progress["unreadableSlices"]]
        return [json.loads(line) for key in keys for line in self._body(key).splitlines()]

    def _body(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body


@contextmanager
def batches() -> Iterator[Batches]:
    """An empty bucket."""
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        yield Batches(s3)


def counts(progress: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Objects read, written, skipped, rejected; rows read, aggregated, filtered, rejected."""
    read = BatchProgress.from_state(progress)
    objects, rows = read.objects, read.rows
    return (
        (objects.read, objects.written, objects.skipped, objects.rejected),
        (rows.read, rows.aggregated, rows.filtered, rows.rejected),
    )


def tally(rows: int, *values: str) -> GroupTally:
    """A group of one measure."""
    numbers = sorted(map(Decimal, values))
    measure = (
        MeasureTally(len(numbers), sum(numbers, Decimal(0)), numbers[0], numbers[-1]) if numbers else MeasureTally()
    )
    return GroupTally(rows, [measure])
