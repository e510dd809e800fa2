"""How far a data file has come, from one slice to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.loading.range_progress import RangeProgress


@dataclass(frozen=True, slots=True)
class FileProgress:
    """`records`: as of a range's rows; `etag` and `size` pin the object that the first slice found."""

    records: RangeProgress
    etag: str
    size: int

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> FileProgress:
        """Read what `to_state` returns."""
        return cls(RangeProgress.from_state(state), state["etag"], state["size"])

    def to_state(self) -> dict[str, Any]:
        """The progress as it travels in state, and as a finished child returns it."""
        return {**self.records.to_state(), "etag": self.etag, "size": self.size}
