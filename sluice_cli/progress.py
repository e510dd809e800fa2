"""How far a run is: what its Map Runs report, how fast they go, and how that reads."""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from sluice_cli.run_item import RunItem

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeMapRunOutputTypeDef

WINDOW_SECONDS = 30.0
RUNNING = "RUNNING"


@dataclass(frozen=True)
class MapRun:
    """A Map Run's items as last reported; `done` includes those that failed."""

    label: str
    status: str
    total: int
    done: int
    failed: int

    @classmethod
    def from_description(cls, description: "DescribeMapRunOutputTypeDef") -> "MapRun":
        """Read DescribeMapRun's answer."""
        counts = description["itemCounts"]
        failed = counts["failed"] + counts["timedOut"] + counts["aborted"]
        return cls(
            label_of(description["mapRunArn"]),
            description["status"],
            counts["total"],
            counts["succeeded"] + failed,
            failed,
        )

    def head(self) -> list[str]:
        """How many items, and how many of them failed."""
        counted = f"{self.done:,} of {self.total:,} items"
        return [counted, f"{self.failed:,} failed"] if self.failed else [counted]

    def tail(self) -> list[str]:
        """Nothing more."""
        return []


@dataclass(frozen=True)
class Rows:
    """The rows of a run, as its item has them; `total` is 0 where the plan does not know how many there are."""

    total: int
    done: int
    rejected: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    usd: float = 0.0
    status: str = RUNNING
    label: str = "rows"
    failed: ClassVar = 0

    @classmethod
    def from_item(cls, item: RunItem) -> "Rows":
        """Read a run's item. `label` says what the workflow counts."""
        read, write = item.units
        label = "objects" if item.workflow == "object_map" else "rows"
        return cls(item.planned_rows or 0, item.rows, item.rejected, read, write, item.usd, label=label)

    def head(self) -> list[str]:
        """How many rows."""
        total = max(self.total, self.done)
        return [f"{self.done:,} of {total:,} {self.label}" if self.total else f"{self.done:,} {self.label}"]

    def tail(self) -> list[str]:
        """What became of them, and what they took."""
        counted = [(self.rejected, "rejected"), (self.read_units, "read units"), (self.write_units, "write units")]
        parts = [f"{number:,.10g} {what}" for number, what in counted if number]
        return [*parts, f"{self.usd:.2g} USD so far"] if self.usd else parts


@dataclass(frozen=True)
class Upload:
    """The bytes of a file that are being sent to S3."""

    total: int
    done: int
    status: str = RUNNING
    label: ClassVar = "upload"
    failed: ClassVar = 0

    def head(self) -> list[str]:
        """How many megabytes."""
        return [f"{self.done / 1e6:,.1f} of {self.total / 1e6:,.1f} MB"]

    def tail(self) -> list[str]:
        """Nothing more."""
        return []


Counted = MapRun | Rows | Upload


@dataclass(frozen=True)
class Progress:
    """A Map Run, a run's rows, or an upload, and the pace; None where too little has been seen to tell."""

    map_run: Counted
    items_per_second: float | None = None
    seconds_left: float | None = None


@dataclass
class Pace:
    """Measures the rate of a Map Run, of a run's rows, or of an upload, over the last half minute."""

    samples: deque[tuple[float, int]] = field(default_factory=deque)

    def measure(self, map_run: Counted, now: float) -> Progress:
        """Take the count at `now` (seconds) and tell how fast it goes."""
        self.samples.append((now, map_run.done))
        while len(self.samples) > 2 and self.samples[1][0] <= now - WINDOW_SECONDS:
            self.samples.popleft()
        since, before = self.samples[0]
        if map_run.status != RUNNING or now <= since or map_run.done <= before:
            return Progress(map_run)
        rate = (map_run.done - before) / (now - since)
        left = map_run.total - map_run.done
        return Progress(map_run, rate, left / rate if left > 0 else None)


def label_of(map_run_arn: str) -> str:
    """The label of the Map state: `...:mapRun:<state machine>/<label>:<id>`."""
    return map_run_arn.rpartition(":")[0].rpartition("/")[2]


def progress_text(progress: Progress) -> str:
    """Counts, rate and time left in words, such as `7 of 12 items, 1 failed, 3.5/s, 1 s left`."""
    run = progress.map_run
    parts = run.head()
    if progress.items_per_second is not None and not isinstance(run, Upload):
        parts.append(f"{_rate(progress.items_per_second)}/s")
    if progress.seconds_left is not None:
        parts.append(f"{duration_text(progress.seconds_left)} left")
    return ", ".join(parts + run.tail())


def duration_text(seconds: float) -> str:
    """`8 s`, `2 min 5 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
