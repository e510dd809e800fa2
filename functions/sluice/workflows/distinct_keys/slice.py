"""One slice of a segment's scan, and how far the segment is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

from sluice.errors import ServiceUnavailableError, ThrottledError
from sluice.fields import Fields
from sluice.run_item.progress import WorkDone
from sluice.run_item.rate_limiter import RateLimiter
from sluice.runs.paths import Run
from sluice.state import VersionedState, readable
from sluice.sums import FieldSums
from sluice.workflows.distinct_keys.page_evidence import Page
from sluice.workflows.distinct_keys.page_policy import Optimize, PagePolicy, PolicyState
from sluice.workflows.distinct_keys.segment_scan import Key, ScannedPage, SegmentScan, StartKey


@dataclass(frozen=True, slots=True)
class ScanCounts(FieldSums):
    """Distinct keys found, items read, requests answered."""

    keys: int = 0
    items: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class SegmentProgress(VersionedState):
    """What the slices so far have done, and where the next one starts.

    `start_key`: the next request's ExclusiveStartKey; `last_key`: the last key found, in DynamoDB JSON.
    `slices`: slices done; `parts`: the numbers of those that left a file of keys.
    """

    what: ClassVar = "how far a segment has come"

    start_key: StartKey | None = None
    last_key: StartKey | None = None
    policy: PolicyState = field(default_factory=PolicyState.start)
    slices: int = 0
    done: bool = False
    counts: ScanCounts = field(default_factory=ScanCounts)
    read_units: float = 0.0
    parts: tuple[int, ...] = ()


# A slice ends early rather than hold more keys in memory than this.
KEYS_MAX_BYTES = 128 << 20
# What a key takes beside its line and its texts: a tuple of strings in a dictionary.
KEY_OVERHEAD_BYTES = 200

Call = Callable[[str, bytes], dict[str, Any]]


class PageSizes(Protocol):
    """Chooses the pages' sizes: the next Limit, and what is known after the pages so far."""

    @property
    def limit(self) -> int | None: ...

    @property
    def state(self) -> PolicyState: ...

    def observe(self, page: Page) -> None: ...


@dataclass(frozen=True, slots=True)
class WholePages:
    """Pages without Limit: where none ends with a jump, the largest are the cheapest."""

    state: PolicyState

    @property
    def limit(self) -> None:
        """DynamoDB ends pages at 1 MB."""
        return

    def observe(self, page: Page) -> None:
        """Nothing is to be learnt."""


@dataclass(frozen=True, slots=True)
class ScanSliceResult:
    """The segment's progress after the slice, and the slice's keys as JSON Lines."""

    progress: SegmentProgress
    keys: bytes


class SegmentSlice:
    """One slice, from `progress` on.

    Items come in hash order, those of a key one after the other, also in an index: so a key that was found in an
    earlier slice can only be the last one of it. Within the slice every key found is remembered.
    """

    def __init__(self, scan: SegmentScan, progress: SegmentProgress, sizes: PageSizes, reads: RateLimiter) -> None:
        self._scan = scan
        self._before = progress
        self._sizes = sizes
        self._reads = reads
        self._start_key = progress.start_key
        self._found = dict.fromkeys(scan.partition.of_items([progress.last_key] if progress.last_key else []))
        self._lines: list[bytes] = []
        self._held_bytes = 0
        self._counts = ScanCounts()
        self._units = 0.0

    def run(self, call: Call, is_time_up: Callable[[], bool]) -> ScanSliceResult:
        """Read pages through `call`, which is the wire's; at least one is read however little time there is.

        Raises what `call` raises; a slice that raised is begun again from where it began. When DynamoDB throttles or
        fails after a page was read, that is the slice's end: what was read stays read.
        """
        while True:
            try:
                page = self._read(call)
            except (ThrottledError, ServiceUnavailableError):
                if not self._counts.requests:
                    raise
                return self._result(done=False)
            if page is None:
                return self._result(done=False)
            self._take(page)
            self._start_key = self._scan.start_after(page)
            is_done = self._start_key is None
            if not is_done:
                self._learn(page)
            if is_done or self._held_bytes > KEYS_MAX_BYTES or is_time_up():
                return self._result(done=is_done)

    @property
    def work_done(self) -> WorkDone:
        """What the slice has done so far."""
        return WorkDone(read=self._counts.items, read_units=self._units)

    def _read(self, call: Call) -> ScannedPage | None:
        """The next page; None when the time is up before it may be read."""
        limit = self._reads.bounded(self._sizes.limit)
        spending = self._reads.before(limit) if self._counts.requests else self._reads.admit(limit or 1)
        if spending is None:
            return None
        answer = call("Scan", self._scan.body(self._start_key, limit))
        page = self._scan.page(self._start_key, answer)
        spending.ended(page.units, len(page.keys))
        self._units += page.units
        return page

    def _take(self, page: ScannedPage) -> None:
        found, new = self._found, []
        for key in page.keys:
            if key not in found:
                found[key] = None
                new.append(key)
        self._counts += ScanCounts(keys=len(new), items=len(page.keys), requests=1)
        if new:
            lines = self._scan.partition.to_lines(new).encode()
            self._lines.append(lines)
            self._held_bytes += 2 * len(lines) + KEY_OVERHEAD_BYTES * len(new)

    def _learn(self, page: ScannedPage) -> None:
        if page.keys:
            self._sizes.observe(Page(len(page.keys), page.units, _starts(page.keys)))

    def _result(self, *, done: bool) -> ScanSliceResult:
        before = self._before
        last = next(reversed(self._found), None)
        progress = SegmentProgress(
            start_key=self._start_key,
            last_key=None if last is None else self._scan.partition.to_state(last),
            policy=self._sizes.state,
            slices=before.slices + 1,
            done=done,
            counts=before.counts + self._counts,
            read_units=before.read_units + self._units,
            parts=(*before.parts, before.slices) if self._lines else before.parts,
        )
        return ScanSliceResult(progress, b"".join(self._lines))


def _starts(keys: list[Key]) -> list[int]:
    """Where in the page each key comes first: of equal keys the dictionary keeps the position of the first."""
    return sorted(dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True)).values())


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

    @property
    def course_key(self) -> str:
        """Where the slice's course goes."""
        return self.run.course_key(self.segment, self.progress.slices)

    def slice(self, reads: RateLimiter) -> SegmentSlice:
        """The slice, ready to run with what it may read."""
        scan = SegmentScan.from_state(self.scan, self.segment)
        return SegmentSlice(scan, self.progress, self._sizes(scan), reads)

    def _sizes(self, scan: SegmentScan) -> PageSizes:
        if scan.sort is None:
            return WholePages(self.progress.policy)
        return PagePolicy(Optimize(self.scan["optimize"]).request_units, self.progress.policy)
