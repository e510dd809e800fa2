"""A Map Run's own item counts, which lag behind it by about a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RUNNING = "RUNNING"
_ENDS = ("succeeded", "failed", "timedOut", "aborted", "pending")


@dataclass(frozen=True, slots=True)
class MapRunCounts:
    """`ended`: items of children that ended or never started; `results_written`: items in the result files."""

    map_run_arn: str
    status: str
    total: int
    ended: int
    results_written: int

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> MapRunCounts:
        """Read what DescribeMapRun returns."""
        counts = description["itemCounts"]
        return cls(
            map_run_arn=description["mapRunArn"],
            status=description["status"],
            total=counts["total"],
            ended=sum(counts[each] for each in _ENDS),
            results_written=counts["resultsWritten"],
        )

    @property
    def are_final(self) -> bool:
        """Whether the Map Run has ended, and its counts have caught up with that."""
        return self.status != RUNNING and self.total == self.ended == self.results_written

    def __str__(self) -> str:
        return (
            f"{self.map_run_arn} is {self.status}, with {self.total:,} items, {self.ended:,} of them ended, "
            f"{self.results_written:,} in result files"
        )
