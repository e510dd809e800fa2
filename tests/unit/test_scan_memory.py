"""What one slice of a scan may hold in memory."""

from __future__ import annotations

import tracemalloc
from itertools import count

from sluice.workflows.distinct_keys.slice import KEYS_MAX_BYTES, SegmentProgress, SegmentSlice
from tests.unit.fake_scan import FakeScan, Json
from tests.unit.scan_slices import FixedPages, never, scan_of, unlimited


def test_slice_ends_rather_than_hold_ever_more_keys() -> None:
    numbers, pages = count(), count()

    def endless(_operation: str, _body: bytes) -> Json:
        items = [{"pk": {"S": f"{next(numbers):02000d}"}} for _ in range(500)]
        assert len(items) * next(pages) < 2 * KEYS_MAX_BYTES / 2000
        return {"Items": items, "LastEvaluatedKey": items[-1], "ConsumedCapacity": {"CapacityUnits": 128.0}}

    scan = scan_of(FakeScan(("pk", "S")))
    tracemalloc.start()
    try:
        result = SegmentSlice(scan, SegmentProgress(), FixedPages(None), unlimited()).run(endless, never)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not result.progress.done
    assert result.progress.counts.keys == result.keys.count(b"\n")
    assert peak_bytes < 2 * KEYS_MAX_BYTES
