"""How far a batch of keys has come, from one slice to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sluice.format_version import FIELD, FORMAT, readable
from sluice.measuring.item_collections import Item, ItemCollections
from sluice.measuring.largest import Largest, Line
from sluice.measuring.measure import Measure


@dataclass(frozen=True, slots=True)
class MeasureProgress:
    """What the slices so far have measured, and where the next one starts.

    `position`: how many of the batch's collections are finished; `items` and `bytes` are theirs. Of the next one,
    `start_key` and `measure` hold what has been read. `parts`: S3 keys of the report's parts, as far as there are.
    """

    position: int = 0
    slices: int = 0
    done: bool = False
    start_key: Item | None = None
    measure: Measure = field(default_factory=Measure)
    items: int = 0
    bytes: int = 0
    read_units: float = 0.0
    requests: int = 0
    parts: tuple[str, ...] = ()
    largest: Largest = field(default_factory=Largest)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> MeasureProgress:
        """Read what `to_state` returns."""
        readable(state, "how far a batch of keys has come")
        return cls(
            position=state["position"],
            slices=state["slices"],
            done=state["done"],
            start_key=state["startKey"],
            measure=Measure.from_state(state["measure"]),
            items=state["counts"]["items"],
            bytes=state["bytes"],
            read_units=state["readUnits"],
            requests=state["requests"],
            parts=tuple(state["parts"]),
            largest=Largest(tuple(state["largest"]), state["largestLeftOut"]),
        )

    def to_state(self) -> dict[str, Any]:
        """The progress as it travels in state, and as a finished child returns it."""
        return {
            FIELD: FORMAT,
            "done": self.done,
            "position": self.position,
            "slices": self.slices,
            "startKey": self.start_key,
            "measure": self.measure.to_state(),
            "counts": {"keys": self.position, "items": self.items},
            "bytes": self.bytes,
            "readUnits": self.read_units,
            "requests": self.requests,
            "parts": list(self.parts),
            "largest": list(self.largest.lines),
            "largestLeftOut": self.largest.left_out,
        }

    def with_page(self, answer: Mapping[str, Any], collections: ItemCollections) -> MeasureProgress:
        """With one page of the collection: Query's answer. Without a start key then, the collection is read."""
        return replace(
            self,
            start_key=answer.get("LastEvaluatedKey"),
            measure=self.measure.plus(answer["Items"], collections),
            read_units=self.read_units + answer["ConsumedCapacity"]["CapacityUnits"],
            requests=self.requests + 1,
        )

    def with_collection(self, line: Line) -> MeasureProgress:
        """With the collection finished that the report's line is about; the next one follows."""
        return replace(
            self,
            position=self.position + 1,
            measure=Measure(),
            items=self.items + line["items"],
            bytes=self.bytes + line["bytes"],
            largest=self.largest.plus(line),
        )
