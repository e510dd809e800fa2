"""Slices of a scan over a table in memory, for tests that run them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sluice.run_item.rate_limiter import RateLimiter
from sluice.workflows.distinct_keys.page_evidence import Page
from sluice.workflows.distinct_keys.page_policy import PolicyState
from sluice.workflows.distinct_keys.segment_scan import SegmentScan
from sluice.workflows.distinct_keys.slice import PageSizes, ScanSliceResult, SegmentProgress, SegmentSlice
from tests.unit.fake_scan import FakeScan, Json


@dataclass
class FixedPages:
    """The same Limit always; remembers what it learned."""

    limit: int | None
    state: PolicyState = field(default_factory=PolicyState.start)
    seen: list[Page] = field(default_factory=list)

    def observe(self, page: Page) -> None:
        self.seen.append(page)


def scan_state(table: FakeScan, segments: int = 1) -> Json:
    """What PlanScan makes of the table."""
    keys = [{"name": name, "type": kind} for name, kind in [table.partition, *([table.sort] if table.sort else [])]]
    index = None
    if table.index:
        partition, sort = (
            [{"name": name, "type": kind} for name, kind in each] for each in (table.index.partition, table.index.sort)
        )
        index = {"name": table.index.name, "keys": {"partition": partition, "sort": sort}}
    return {
        "table": {"name": table.name, "keys": keys},
        "index": index,
        "totalSegments": segments,
        "optimize": "balanced",
        "itemBytes": None,
        "runItem": None,
    }


def scan_of(table: FakeScan, segment: int = 0, segments: int = 1) -> SegmentScan:
    return SegmentScan.from_state(scan_state(table, segments), segment)


def unlimited() -> RateLimiter:
    return RateLimiter(None, never)


def never() -> bool:
    return False


def always() -> bool:
    return True


def run_slice(
    table: FakeScan,
    progress: SegmentProgress | None = None,
    sizes: PageSizes | None = None,
    is_time_up: Callable[[], bool] = never,
) -> ScanSliceResult:
    """One slice of the whole table as one segment."""
    sizes = sizes or FixedPages(None)
    return SegmentSlice(scan_of(table), progress or SegmentProgress(), sizes, unlimited()).run(table, is_time_up)


def keys_of(result: ScanSliceResult) -> list[Json]:
    return [json.loads(line) for line in result.keys.split(b"\n")[:-1]]


def birds(collections: dict[str, int], **made: Any) -> FakeScan:
    """A table with a sort key of type N, with so many items of each key."""
    table = FakeScan(("pk", "S"), ("sk", "N"), **made)
    for key, items in collections.items():
        for number in range(items):
            table.put({"pk": {"S": key}, "sk": {"N": str(number)}})
    return table
