"""What ScanDistinctKeys is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from sluice.fields import Fields
from sluice.format_version import readable
from sluice.pacing.allowance import Allowance
from sluice.run import Run
from sluice.scanning.page_policy import Optimize, PagePolicy, PolicyState
from sluice.scanning.segment_progress import SegmentProgress
from sluice.scanning.segment_scan import SegmentScan
from sluice.scanning.segment_slice import PageSizes, SegmentSlice, WholePages

# Answers are freed without the collector. A large one sets it off a dozen times: a third of a slice's processor time.
COLLECTOR_THRESHOLD = 100_000


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """One slice of a segment; `scan` is what PlanScan made of the run's input."""

    run: Run
    scan: Mapping[str, Any]
    segment: int
    progress: SegmentProgress

    @classmethod
    def from_event(cls, event: object) -> Self:
        """Read the function's payload. Raises InvalidInputError."""
        fields = Fields(event, ("run", "scan", "segment", "progress"))
        scan = readable(fields.raw("scan"), "the run's plan")
        started = SegmentProgress(policy=PolicyState.start(scan["itemBytes"]))
        progress = SegmentProgress.from_state(fields.raw("progress")) if fields.has("progress") else started
        return cls(Run.from_state(fields.raw("run")), scan, fields.raw("segment")["segment"], progress)

    @property
    def part_key(self) -> str:
        """Where the slice's keys go; a repeated slice overwrites its own."""
        return f"{self.run.keys_prefix}{self.segment:06d}-{self.progress.slices:04d}.jsonl"

    def slice(self, reads: Allowance) -> SegmentSlice:
        """The slice, ready to run with what it may read."""
        scan = SegmentScan.from_state(self.scan, self.segment)
        return SegmentSlice(scan, self.progress, self._sizes(scan), reads)

    def _sizes(self, scan: SegmentScan) -> PageSizes:
        if scan.sort is None:
            return WholePages(self.progress.policy)
        return PagePolicy(Optimize(self.scan["optimize"]).request_units, self.progress.policy)
