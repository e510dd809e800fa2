"""The contestants: each reads a whole table, changes an attribute of every item, and returns how many it changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transforms
from bench.export_contestants import Clients
from bench.flights import KEYS, TABLE
from bench.transforms import flights_airline
from sluice.run_item.worker import Heartbeats
from sluice.workflows.table_transform.progress import SegmentRequest
from sluice.workflows.table_transform.work import SegmentWork

TRANSFORM = "flights_airline"
CHANGED = "carrier"
BUCKET = "bench"
EVENT = {
    "run": {"workflow": "table_transform", "name": "bench", "executionArn": "arn:aws:states:bench"},
    "transform": {
        "table": {"name": TABLE, "keys": KEYS},
        "target": None,
        "way": {"transform": TRANSFORM},
        "where": None,
        "mode": "apply",
        "totalSegments": 1,
        "onConflict": "replace",
        "deleteSource": False,
        "runItem": None,
        "samplePerSegment": 100,
        "itemBytes": None,
    },
    "segment": {"segment": 0},
    "progress": None,
}


@contextmanager
def bench_transforms() -> Iterator[None]:
    """The transforms of the bench are found beside the user's."""
    folder = str(Path(flights_airline.__file__).parent)
    transforms.__path__.append(folder)
    try:
        yield
    finally:
        transforms.__path__.remove(folder)


def with_slice(through: Clients) -> int:
    """All that TransformSegment does with its event: markers, pages, transform, conditional updates, outcome."""
    request = SegmentRequest.from_event(EVENT)
    with bench_transforms():
        heartbeats = Heartbeats.to("runs", through.wire)
        progress = SegmentWork(through.s3, through.wire, heartbeats, BUCKET, request).run(lambda: False)
    return int(progress["changes"]["changed"])


def with_table(through: Clients) -> int:
    """boto3's Table.scan, the same transform, and Table.update_item without a condition."""
    table, changed = through.table, 0
    start: dict[str, Any] = {}
    while True:
        answer = table.scan(**start)
        for item in answer["Items"]:
            before = item[CHANGED]
            after = flights_airline.transform(item)[CHANGED]
            if after != before:
                table.update_item(
                    Key={key["name"]: item[key["name"]] for key in KEYS},
                    UpdateExpression=f"SET {CHANGED} = :value",
                    ExpressionAttributeValues={":value": after},
                )
                changed += 1
        if "LastEvaluatedKey" not in answer:
            return changed
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
