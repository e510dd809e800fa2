"""The segments of a parallel scan: how many there are, and the plan that lists them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from sluice.limits import SEGMENTS_MAX
from sluice.runs.plans import PlanLine, read_plan, write_plan
from sluice.state import Named

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# The choice of page sizes takes some hundred keys to settle. How many items a key has is not known beforehand; where it
# has a hundred, these are five hundred keys.
ITEMS_PER_SEGMENT = 50_000
SEGMENTS_PER_CHILD = 4
# DescribeTable's numbers are up to six hours old: a table that seems empty need not be.
SEGMENTS_WHEN_UNKNOWN = 8


@dataclass(frozen=True, slots=True)
class Segment(PlanLine):
    """`index` counts from 0; how many items a segment has is not known."""

    kind: ClassVar = "segment"
    rows: ClassVar = None

    index: Annotated[int, Named("segment")]

    @property
    def identity(self) -> int:
        """What tells it from the other segments."""
        return self.index

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"segment {self.index}"

    @property
    def label(self) -> str:
        """Where something went wrong."""
        return self.name


def read_segments(s3: S3Client, bucket: str, key: str) -> list[Segment]:
    """The segments that a run has planned, by number. Raises SourceNotFoundError when there is no such plan."""
    return sorted(read_plan(s3, bucket, key, Segment.from_state), key=lambda segment: segment.index)


def write_segments(s3: S3Client, bucket: str, key: str, segments: Iterable[Mapping[str, Any]]) -> None:
    """Write one line per segment, shuffled, so that neighbours in the hash space are not scanned side by side.

    The order depends only on how many segments there are: writing the plan again writes the same.
    """
    lines = list(segments)
    random.Random(len(lines)).shuffle(lines)  # noqa: S311 - nothing here is secret
    write_plan(s3, bucket, key, lines)


def segments_for(items: int, max_concurrency: int) -> int:
    """How many segments a table of so many items is scanned in; DescribeTable may not know any."""
    if not items:
        return SEGMENTS_WHEN_UNKNOWN
    return min(max(items // ITEMS_PER_SEGMENT, 1), SEGMENTS_PER_CHILD * max_concurrency, SEGMENTS_MAX)


def mean_item_bytes(described: Mapping[str, Any]) -> float | None:
    """The mean size of the items of a table or an index; None where DescribeTable does not know it."""
    items, size = (int(described.get(name, 0)) for name in ("ItemCount", "TableSizeBytes"))
    size = size or int(described.get("IndexSizeBytes", 0))
    return size / items if items and size else None
