"""The plan of a load: its ranges, one per line of plan.jsonl, which the Distributed Map reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sluice.format_version import readable
from sluice.loading.range_progress import RangeProgress
from sluice.results.range_outcome import PartType
from sluice.plans import read_plan, write_plan

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Range:
    """Whole records of the source: bytes `start` to `end` of it, decompressed; `first_row` counts from 1."""

    kind: ClassVar = "range"

    index: int
    start: int
    end: int
    first_row: int
    rows: int

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Range:
        """Read what `to_state` returns."""
        readable(state, "a line of the run's plan")
        return cls(state["index"], state["start"], state["end"], state["firstRow"], state["rows"])

    def to_state(self) -> dict[str, int]:
        """The range as the child gets it."""
        return {
            "index": self.index,
            "start": self.start,
            "end": self.end,
            "firstRow": self.first_row,
            "rows": self.rows,
        }

    @property
    def identity(self) -> int:
        """What tells it from the other ranges."""
        return self.index

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"range {self.index}"

    @property
    def place(self) -> str:
        """Where it is in the source, for messages."""
        return f"{self.name} (rows from {self.first_row})"


RANGES = PartType(Range.kind, Range.from_state, RangeProgress.from_state)


def read_ranges(s3_client: S3Client, bucket: str, key: str) -> list[Range]:
    """The ranges of a plan, in order. Raises SourceNotFoundError when there is no such plan."""
    return read_plan(s3_client, bucket, key, Range.from_state)


def write_ranges(s3_client: S3Client, bucket: str, key: str, ranges: Iterable[Range]) -> None:
    """Write a plan. Writing the same plan again changes nothing."""
    write_plan(s3_client, bucket, key, (each.to_state() for each in ranges))
