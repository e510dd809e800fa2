"""What is processed and where it goes, as CheckExport tells every child."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.format_version import FIELD, FORMAT, readable
from sluice.keys import KeySchema

FULL, INCREMENTAL = "FULL_EXPORT", "INCREMENTAL_EXPORT"
NEW_IMAGE, NEW_AND_OLD_IMAGES = "NEW_IMAGE", "NEW_AND_OLD_IMAGES"
GUARD = "newerOnly"
PLAIN, DYNAMODB_JSON = "plain", "dynamodbJson"
VALUES = (PLAIN, DYNAMODB_JSON)
RECORDS, REJECTS = "records", "rejects"


@dataclass(frozen=True, slots=True)
class Export:
    """`bucket`: where its files are. `view`: an incremental one's. `lines`: RECORDS, or REJECTS of an earlier run.

    `write_micros`: when the items of a full export count as written, microseconds since 1970.
    """

    bucket: str
    type: str
    view: str | None
    write_micros: int | None
    lines: str = RECORDS

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Export:
        """Read what `to_state` returns."""
        return cls(state["bucket"], state["type"], state["view"], state["writeTimestampMicros"], state["lines"])

    def to_state(self) -> dict[str, Any]:
        """The export as it travels in state."""
        return {
            "bucket": self.bucket,
            "type": self.type,
            "view": self.view,
            "writeTimestampMicros": self.write_micros,
            "lines": self.lines,
        }


@dataclass(frozen=True, slots=True)
class TableSink:
    """A table, by its key; `is_guarded`: what was written later than a record stays."""

    name: str
    schema: KeySchema
    is_guarded: bool

    def to_state(self) -> dict[str, Any]:
        """The sink as it travels in state."""
        guard = GUARD if self.is_guarded else None
        return {"type": "table", "name": self.name, "keys": self.schema.to_state(), "guard": guard}


@dataclass(frozen=True, slots=True)
class ObjectsSink:
    """Objects below a prefix, one per data file; `values` is one of VALUES."""

    bucket: str
    prefix: str
    values: str

    def to_state(self) -> dict[str, Any]:
        """The sink as it travels in state."""
        return {"type": "objects", "bucket": self.bucket, "prefix": self.prefix, "values": self.values}


@dataclass(frozen=True, slots=True)
class Process:
    """`budget`: pacing's, None without limit."""

    export: Export
    sink: TableSink | ObjectsSink
    transform: str | None
    verify: bool
    budget: Mapping[str, Any] | None = None

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Process:
        """Read what `to_state` returns."""
        readable(state, "the run's plan")
        return cls(
            export=Export.from_state(state["export"]),
            sink=_sink(state["sink"]),
            transform=state["transform"],
            verify=state["verify"],
            budget=state["budget"],
        )

    def to_state(self) -> dict[str, Any]:
        """The process as every child gets it."""
        return {
            FIELD: FORMAT,
            "export": self.export.to_state(),
            "sink": self.sink.to_state(),
            "transform": self.transform,
            "verify": self.verify,
            "budget": self.budget,
        }


def _sink(state: Mapping[str, Any]) -> TableSink | ObjectsSink:
    if state["type"] == "table":
        return TableSink(state["name"], KeySchema.from_state(state["keys"]), state["guard"] == GUARD)
    return ObjectsSink(state["bucket"], state["prefix"], state["values"])
