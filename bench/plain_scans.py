"""Two well-known methods to list a table's partition keys, in sequence and without segments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.scan_simulator import ScanCost
from sluice.dynamodb.keys import KeySchema
from sluice.workflows.distinct_keys.segment_scan import Key, PartitionKey, ScannedPage, SegmentScan, StartKey
from sluice.workflows.distinct_keys.slice import Call


@dataclass(frozen=True, slots=True)
class Listing:
    """The distinct keys found; `cost`: requests answered, and the read units that the answers name."""

    keys: frozenset[Key]
    cost: ScanCost


def whole_table(table: str, schema: KeySchema) -> SegmentScan:
    """The scan of a table with a sort key as one segment."""
    partition = PartitionKey([schema.partition])
    return SegmentScan(table, index=None, partition=partition, sort=schema.sort, segment=0, total_segments=1)


def full_scan(scan: SegmentScan, call: Call) -> Listing:
    """Everything is read, in pages of 1 MB."""
    return _listing(scan, call, None, lambda page: page.last_evaluated)


def skips(scan: SegmentScan, call: Call) -> Listing:
    """One item is read per key, and a jump past the rest of its collection."""
    return _listing(scan, call, 1, scan.start_after)


def _listing(
    scan: SegmentScan, call: Call, limit: int | None, next_start: Callable[[ScannedPage], StartKey | None]
) -> Listing:
    keys: set[Key] = set()
    requests, units, start = 0, 0.0, None
    while requests == 0 or start is not None:
        page = scan.page(start, call("Scan", scan.body(start, limit)))
        keys.update(page.keys)
        requests, units, start = requests + 1, units + page.units, next_start(page)
    return Listing(frozenset(keys), ScanCost(requests, units))
