"""How far the scan of a segment has come, from one slice to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from sluice.format_version import FIELD, FORMAT, readable
from sluice.scanning.page_policy import PolicyState
from sluice.scanning.segment_scan import StartKey


@dataclass(frozen=True, slots=True)
class ScanCounts:
    """Distinct keys found, items read, requests answered."""

    keys: int = 0
    items: int = 0
    requests: int = 0

    def __add__(self, other: ScanCounts) -> ScanCounts:
        return ScanCounts(self.keys + other.keys, self.items + other.items, self.requests + other.requests)


@dataclass(frozen=True, slots=True)
class SegmentProgress:
    """What the slices so far have done, and where the next one starts.

    `start_key`: the next request's ExclusiveStartKey; `last_key`: the last key found, in DynamoDB JSON.
    `slices`: slices done; `parts`: the numbers of those that left a file of keys.
    """

    start_key: StartKey | None = None
    last_key: StartKey | None = None
    policy: PolicyState = field(default_factory=PolicyState.start)
    slices: int = 0
    done: bool = False
    counts: ScanCounts = field(default_factory=ScanCounts)
    read_units: float = 0.0
    parts: tuple[int, ...] = ()

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Read what `to_state` returns."""
        readable(state, "how far a segment has come")
        return cls(
            start_key=state["startKey"],
            last_key=state["lastKey"],
            policy=PolicyState.from_state(state["policy"]),
            slices=state["slices"],
            done=state["done"],
            counts=ScanCounts(**state["counts"]),
            read_units=state["readUnits"],
            parts=tuple(state["parts"]),
        )

    def to_state(self) -> dict[str, Any]:
        """The progress as it travels in state, and as a finished child returns it."""
        return {
            FIELD: FORMAT,
            "startKey": self.start_key,
            "lastKey": self.last_key,
            "policy": self.policy.to_state(),
            "slices": self.slices,
            "done": self.done,
            "counts": asdict(self.counts),
            "readUnits": self.read_units,
            "parts": list(self.parts),
        }
