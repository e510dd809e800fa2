"""How scans and measures keep under the rate that they share, by a clock of its own."""

from __future__ import annotations

import pytest

from sluice.workflows.distinct_keys.slice import SegmentProgress, SegmentSlice
from tests.unit.queried_table import ids, item, measured, request_for, simple_table
from tests.unit.rate_clock import RateClock
from tests.unit.scan_slices import FixedPages, birds, never, scan_of

# A page of these tables is half a unit: so it takes two seconds.
RATE = 0.25


def test_slice_reads_at_its_pace() -> None:
    table, clock = birds(dict.fromkeys("abcdefghij", 1)), RateClock()
    reads = clock.limiter(RATE, item_units=0.5)
    result = SegmentSlice(scan_of(table), SegmentProgress(), FixedPages(100), reads).run(table, never)
    assert reads.settle()
    assert result.progress.done
    assert [each["Limit"] for each in table.requests] == [1] * 11
    assert clock.slept == pytest.approx(22)


def test_slice_stops_when_the_time_is_up_before_the_next_page_is_due() -> None:
    table, clock = birds(dict.fromkeys("abcdefghij", 1)), RateClock(ends=1005)
    reads = clock.limiter(RATE, item_units=0.5)
    first = SegmentSlice(scan_of(table), SegmentProgress(), FixedPages(100), reads).run(table, clock.is_time_up)
    assert (first.progress.done, first.progress.counts.requests) == (False, 2)
    second = SegmentSlice(scan_of(table), first.progress, FixedPages(100), RateClock().limiter(RATE))
    assert second.run(table, never).progress.counts.keys == 10


def test_first_page_is_read_however_little_time_there_is() -> None:
    table, clock = birds({"a": 1}), RateClock(ends=1000)
    reads = clock.limiter(RATE, item_units=0.5)
    result = SegmentSlice(scan_of(table), SegmentProgress(), FixedPages(100), reads).run(table, clock.is_time_up)
    assert result.progress.counts.requests == 1


def test_measuring_keeps_the_same_pace() -> None:
    table, clock = simple_table([item(name, at) for name in "abc" for at in range(4)]), RateClock()
    reads = clock.limiter(RATE, item_units=0.5)
    progress = measured(request_for(ids("a", "b", "c")), table.query, never, reads).progress
    assert reads.settle()
    assert (progress.done, progress.requests) == (True, 15)
    assert [each["Limit"] for each in table.request] == [1] * 15
    assert clock.slept == pytest.approx(30)


def test_measuring_stops_when_the_time_is_up_before_the_next_page_is_due() -> None:
    table, clock = simple_table([item("a", at) for at in range(40)]), RateClock(ends=1005)
    reads = clock.limiter(RATE, item_units=0.5)
    progress = measured(request_for(ids("a")), table.query, clock.is_time_up, reads).progress
    assert (progress.done, progress.requests) == (False, 2)
    assert clock.slept == pytest.approx(5, abs=1)
