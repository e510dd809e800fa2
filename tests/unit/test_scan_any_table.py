"""Any table, cut and broken anywhere: every key is found once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from sluice.errors import ThrottledError
from sluice.workflows.distinct_keys.page_evidence import Page
from sluice.workflows.distinct_keys.page_policy import Optimize, PagePolicy, PolicyState
from sluice.workflows.distinct_keys.segment_scan import SegmentScan
from sluice.workflows.distinct_keys.slice import PageSizes, ScanSliceResult, SegmentProgress, SegmentSlice, WholePages
from tests.unit.fake_scan import FakeScan, Json
from tests.unit.random_tables import tables
from tests.unit.scan_slices import FixedPages, never, scan_of, unlimited


class KilledError(Exception):
    """The function is gone; nothing of the slice was returned."""


@dataclass
class DrawnPages:
    """Any Limit for any page."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    state: PolicyState

    @property
    def limit(self) -> int | None:
        """Small limits, and none."""
        drawn: int | None = self.draw(st.sampled_from([1, 1, 2, 3, 7, None]))
        return drawn

    def observe(self, page: Page) -> None:
        """As the policy learns it."""
        assert page.items > 0
        assert list(page.starts) == sorted({*page.starts})
        assert page.starts[0] == 0


class Runs:
    """Runs a segment's slices as the state machine does, with what may go wrong.

    `outcomes`: what the first attempt that ended at each slice has come to, which all others come to as well.
    """

    def __init__(self, table: FakeScan, data: st.DataObject, guests: list[Json]) -> None:
        self.table = table
        self.draw: Callable[[st.SearchStrategy[Any]], Any] = data.draw
        self.guests = guests
        self.outcomes: dict[tuple[int, int], ScanSliceResult] = {}
        self.mishaps = 6
        self.ever = set(table.keys)
        self.throughout = set(table.keys)

    def segment(self, segment: int, segments: int) -> SegmentProgress:
        """All slices of the segment."""
        scan, progress = scan_of(self.table, segment, segments), SegmentProgress()
        while not progress.done:
            try:
                after = self._slice(scan, progress)
            except (KilledError, ThrottledError):
                event("slice broken off")
                continue
            if self._goes_wrong():
                event("answer lost, or late")
                continue
            # What travels from slice to slice is JSON.
            progress = SegmentProgress.from_state(json.loads(json.dumps(after.to_state())))
        parts = {number: result.keys for (each, number), result in self.outcomes.items() if each == segment}
        assert sorted(number for number, part in parts.items() if part) == list(progress.parts)
        assert progress.counts.keys == sum(part.count(b"\n") for part in parts.values())
        return progress

    def _slice(self, scan: SegmentScan, progress: SegmentProgress) -> SegmentProgress:
        result = SegmentSlice(scan, progress, self._sizes(scan, progress.policy), unlimited()).run(
            self._call, lambda: self.draw(st.booleans())
        )
        return self.outcomes.setdefault((scan.segment, progress.slices), result).progress

    def _sizes(self, scan: SegmentScan, state: PolicyState) -> PageSizes:
        policies: list[PageSizes] = [DrawnPages(self.draw, state), WholePages(state)]
        if scan.sort:
            policies.append(PagePolicy(Optimize.BALANCED.request_units, state))
        drawn: PageSizes = self.draw(st.sampled_from(policies))
        return drawn

    def _call(self, operation: str, body: bytes) -> Json:
        if self._goes_wrong():
            raise self.draw(st.sampled_from([KilledError(), ThrottledError("as drawn")]))
        answer = self.table(operation, body)
        if self.guests and self.draw(st.booleans()):
            guest = self.draw(st.sampled_from(self.guests))
            (self.table.put if self.draw(st.booleans()) else self.table.remove)(guest)
            self.ever |= self.table.keys
            self.throughout &= self.table.keys
        return answer

    def _goes_wrong(self) -> bool:
        if self.mishaps and self.draw(st.integers(0, 9)) == 0:
            self.mishaps -= 1
            return True
        return False

    @property
    def found(self) -> list[str]:
        """All keys of all parts, each as JSON."""
        lines = b"".join(each.keys for each in self.outcomes.values()).split(b"\n")[:-1]
        return [json.dumps(json.loads(line)) for line in lines]


@settings(max_examples=150)
@given(tables(), st.integers(1, 5), st.data())
def test_every_key_is_found_once_wherever_slices_are_cut_or_broken(
    made: tuple[FakeScan, list[Json]], segments: int, data: st.DataObject
) -> None:
    runs = Runs(made[0], data, guests=[])
    progress = [runs.segment(segment, segments) for segment in range(segments)]
    assert Counter(runs.found) == Counter(runs.table.keys)
    assert sum(each.counts.keys for each in progress) == len(runs.table.keys)


@settings(max_examples=150)
@given(tables(), st.integers(1, 3), st.data())
def test_every_key_that_stays_is_found_once_while_the_table_is_written_to(
    made: tuple[FakeScan, list[Json]], segments: int, data: st.DataObject
) -> None:
    table, guests = made
    runs = Runs(table, data, guests)
    for segment in range(segments):
        runs.segment(segment, segments)
    assert max(Counter(runs.found).values(), default=1) == 1
    assert runs.throughout <= set(runs.found) <= runs.ever


@settings(max_examples=100)
@given(tables(), st.lists(st.integers(0, 6), max_size=12))
def test_throttle_ends_a_slice_and_loses_nothing_that_was_read(
    made: tuple[FakeScan, list[Json]], pages_between: list[int]
) -> None:
    table, _ = made
    throttles = iter([index for pages in pages_between for index in [*[False] * pages, True]])
    charged = 0.0

    def call(operation: str, body: bytes) -> Json:
        nonlocal charged
        if next(throttles, False):
            raise ThrottledError("as drawn")
        answer = table(operation, body)
        charged += answer["ConsumedCapacity"]["CapacityUnits"]
        return answer

    progress, found = SegmentProgress(), b""
    while not progress.done:
        pages = len(table.requests)
        try:
            result = SegmentSlice(scan_of(table), progress, FixedPages(2), unlimited()).run(call, never)
        except ThrottledError:
            assert len(table.requests) == pages
            continue
        assert len(table.requests) > pages
        progress, found = result.progress, found + result.keys
    assert (progress.read_units, progress.counts.requests) == (charged, len(table.requests))
    assert Counter(json.dumps(json.loads(line)) for line in found.split(b"\n")[:-1]) == Counter(table.keys)
