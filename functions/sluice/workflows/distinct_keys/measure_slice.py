"""One slice of a batch of keys whose collections are measured, and how far the batch is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from sluice.errors import (
    InvalidInputError,
    KeyInvalidError,
    ServiceUnavailableError,
    ThrottledError,
    UnexpectedResponseError,
    WireError,
)
from sluice.fields import Fields
from sluice.rejects import shortened
from sluice.run_item.progress import WorkDone
from sluice.run_item.rate_limiter import RateLimiter
from sluice.runs.paths import Run
from sluice.state import FIELD, FORMAT, readable
from sluice.workflows.distinct_keys.measure import CollectionMeasure, Item, ItemCollections, Key, Largest, Line


@dataclass(frozen=True, slots=True)
class MeasureProgress:
    """What the slices so far have measured, and where the next one starts.

    `position`: how many of the batch's collections are finished; `items` and `bytes` are theirs. Of the next one,
    `start_key` and `measure` hold what has been read. `parts`: S3 keys of the report's parts, as far as there are.
    `refused`: keys that DynamoDB refuses, as {"index", "error", "cause"}.
    """

    position: int = 0
    slices: int = 0
    done: bool = False
    start_key: Item | None = None
    measure: CollectionMeasure = field(default_factory=CollectionMeasure)
    items: int = 0
    bytes: int = 0
    read_units: float = 0.0
    requests: int = 0
    parts: tuple[str, ...] = ()
    largest: Largest = field(default_factory=Largest)
    refused: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> MeasureProgress:
        """Read what `to_state` returns."""
        readable(state, "how far a batch of keys has come")
        return cls(
            position=state["position"],
            slices=state["slices"],
            done=state["done"],
            start_key=state["startKey"],
            measure=CollectionMeasure.from_state(state["measure"]),
            items=state["counts"]["items"],
            bytes=state["bytes"],
            read_units=state["readUnits"],
            requests=state["requests"],
            parts=tuple(state["parts"]),
            largest=Largest(tuple(state["largest"]), state["largestLeftOut"]),
            # Earlier versions failed the whole batch.
            refused=tuple(state.get("failedKeys", ())),
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
            "counts": {"keys": self.position - len(self.refused), "items": self.items},
            "bytes": self.bytes,
            "readUnits": self.read_units,
            "requests": self.requests,
            "parts": list(self.parts),
            "largest": list(self.largest.lines),
            "largestLeftOut": self.largest.left_out,
            "failedKeys": list(self.refused),
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

    def without_collection(self, problem: str) -> MeasureProgress:
        """With a key left out that DynamoDB refuses; the next one follows."""
        cause = shortened(problem, _CAUSE_MAX_CHARACTERS)
        refused = {"index": self.position, "error": KeyInvalidError.__name__, "cause": cause}
        return replace(
            self,
            position=self.position + 1,
            start_key=None,
            measure=CollectionMeasure(),
            refused=(*self.refused, refused),
        )

    def with_collection(self, line: Line) -> MeasureProgress:
        """With the collection finished that the report's line is about; the next one follows."""
        return replace(
            self,
            position=self.position + 1,
            measure=CollectionMeasure(),
            items=self.items + line["items"],
            bytes=self.bytes + line["bytes"],
            largest=self.largest.plus(line),
        )


@dataclass(frozen=True, slots=True)
class MeasureRequest:
    """One slice of a batch of keys; `scan` is what PlanScan made of the run's input."""

    run: Run
    collections: ItemCollections
    keys: tuple[Key, ...]
    scan: Mapping[str, Any]
    progress: MeasureProgress

    @classmethod
    def from_event(cls, event: object) -> MeasureRequest:
        """Read the function's payload. Raises InvalidInputError."""
        fields = Fields(event, ("run", "scan", "keys", "progress"))
        run = Run.from_state(fields.raw("run"))
        scan = readable(fields.raw("scan"), "the run's plan")
        collections = ItemCollections.from_scan(scan)
        keys = tuple(
            collections.key_from(each, f"keys[{position}]") for position, each in enumerate(fields.raw("keys"))
        )
        if not keys:
            raise InvalidInputError("keys", "must not be empty")
        progress = MeasureProgress.from_state(fields.raw("progress")) if fields.has("progress") else MeasureProgress()
        return cls(run, collections, keys, scan, progress)

    def work_done(self, progress: MeasureProgress) -> WorkDone:
        """What the slice has done when it has come so far: keys, none of which is read again, and what reading took."""
        before = self.progress
        return WorkDone(written=progress.position - before.position, read_units=progress.read_units - before.read_units)

    @property
    def part_key(self) -> str:
        """Where the slice's part of the report goes; a repeated slice overwrites its own.

        A run has each key in one batch only, so its first key tells a batch from all others.
        """
        first_key = json.dumps(self.keys[0], sort_keys=True).encode()
        return f"{self.run.prefix}report/{sha256(first_key).hexdigest()}-{self.progress.slices:04d}.jsonl"


# DynamoDB's reasons are shorter. A child's state has 256 KiB for up to 500 of them.
_CAUSE_MAX_CHARACTERS = 240
# Refused for the key itself, so that another try would be refused as well.
_KEY_REFUSALS = frozenset({"ValidationException", "SerializationException"})

Query = Callable[[bytes], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class MeasureSliceResult:
    """The batch's progress after the slice, and the slice's part of the report: a line per finished collection."""

    progress: MeasureProgress
    lines: list[bytes]


def measure_slice(
    request: MeasureRequest,
    query: Query,
    is_time_up: Callable[[], bool],
    reads: RateLimiter,
    tell: Callable[[MeasureProgress], None] = lambda _: None,
) -> MeasureSliceResult:
    """Continue where the slice before has ended; reads at least one page however little time there is.

    `query` sends the body of one Query and returns the answer; `tell` learns how far the batch has come. A key that
    DynamoDB refuses fails alone. Raises UnexpectedResponseError, and what `query` raises; a slice that raised begins
    again from where it began. A slice ends when DynamoDB throttles or fails after a page was read.
    """
    before, keys, lines = request.progress, request.keys, list[bytes]()
    progress = before
    while progress.position < len(keys):
        limit = reads.bounded(None)
        spending = reads.admit(limit or 1) if progress is before else reads.before(limit)
        if spending is None:
            break
        try:
            answer = _page(request, progress, query, limit)
        except (ThrottledError, ServiceUnavailableError):
            if progress is before:
                raise
            break
        if isinstance(answer, str):
            spending.ended(0, 0)
            progress = progress.without_collection(answer)
            continue
        spending.ended(answer["ConsumedCapacity"]["CapacityUnits"], len(answer["Items"]))
        progress = progress.with_page(answer, request.collections)
        if progress.start_key is None:
            line = {"key": keys[progress.position], **progress.measure.to_state()}
            lines.append(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            progress = progress.with_collection(line)
        tell(progress)
        if is_time_up():
            break
    parts = (*before.parts, request.part_key) if lines else before.parts
    done = progress.position == len(keys)
    return MeasureSliceResult(replace(progress, slices=before.slices + 1, parts=parts, done=done), lines)


def _page(
    request: MeasureRequest, progress: MeasureProgress, query: Query, limit: int | None
) -> Mapping[str, Any] | str:
    """Query's answer, or why DynamoDB refuses the key."""
    key = request.keys[progress.position]
    try:
        return query(request.collections.query(key, progress.start_key, limit))
    except WireError as error:
        if error.name in _KEY_REFUSALS:
            return str(error)
        raise UnexpectedResponseError(f"{json.dumps(key)} cannot be queried: {error}") from error
