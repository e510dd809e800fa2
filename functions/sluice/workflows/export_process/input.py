"""The input of an export_process execution, checked, and the job that every child gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from sluice.dynamodb.keys import KeySchema
from sluice.fields import Fields
from sluice.reading.dialect import DYNAMODB_JSON
from sluice.run_item.shares import Limits, UnitKind, limits_in
from sluice.runs.input import (
    TOLERANCE_FIELDS,
    ToleratedFailures,
    output_prefix,
    rejects_tolerated,
    resumed_run,
    table_name,
)
from sluice.state import FIELD, FORMAT, Named, State, readable

FULL, INCREMENTAL = "FULL_EXPORT", "INCREMENTAL_EXPORT"
NEW_IMAGE, NEW_AND_OLD_IMAGES = "NEW_IMAGE", "NEW_AND_OLD_IMAGES"
GUARD = "newerOnly"
PLAIN = "plain"
VALUES = (PLAIN, DYNAMODB_JSON)
RECORDS, REJECTED_RECORDS = "records", "rejects"


@dataclass(frozen=True, slots=True)
class Export(State):
    """`bucket`: where its files are. `view`: an incremental one's. `lines`: RECORDS, or REJECTS of an earlier run.

    `write_micros`: when the items of a full export count as written, microseconds since 1970. `moved`: for a copy of an
    export, what the keys in its manifests begin with, and what replaces it.
    """

    bucket: str
    type: str
    view: str | None
    write_micros: Annotated[int | None, Named("writeTimestampMicros")]
    lines: str = RECORDS
    moved: tuple[str, str] | None = None

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read what `to_state` returns; format 2 knew no moved exports."""
        # Slots make the class again, which a plain super() does not know.
        return super(Export, cls).from_state({"moved": None, **state})

    def object_key(self, key: str) -> str:
        """Where the object is that a manifest names by this key."""
        if self.moved is None or not key.startswith(self.moved[0]):
            return key
        return self.moved[1] + key.removeprefix(self.moved[0])


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
    """`run_item`: what workers need to know of the run's item; None before it is planned."""

    export: Export
    sink: TableSink | ObjectsSink
    transform: str | None
    verify: bool
    run_item: Mapping[str, Any] | None = None

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Process:
        """Read what `to_state` returns."""
        readable(state, "the run's plan")
        return cls(
            export=Export.from_state(state["export"]),
            sink=_sink_in_state(state["sink"]),
            transform=state["transform"],
            verify=state["verify"],
            run_item=state.get("runItem", state.get("budget")),
        )

    def to_state(self) -> dict[str, Any]:
        """The process as every child gets it."""
        return {
            FIELD: FORMAT,
            "export": self.export.to_state(),
            "sink": self.sink.to_state(),
            "transform": self.transform,
            "verify": self.verify,
            "runItem": self.run_item,
        }


def _sink_in_state(state: Mapping[str, Any]) -> TableSink | ObjectsSink:
    if state["type"] == "table":
        return TableSink(state["name"], KeySchema.from_state(state["keys"]), state["guard"] == GUARD)
    return ObjectsSink(state["bucket"], state["prefix"], state["values"])


SUMMARY_NAME = "manifest-summary.json"

_FIELDS = (
    "export",
    "sink",
    "transform",
    "records",
    "maxConcurrency",
    "maxWriteUnitsPerSecond",
    *TOLERANCE_FIELDS,
    "rejectsTolerated",
    "verify",
    "mirror",
    "adopt",
    "resume",
)
_SINK_FIELDS = ("table", "guard", "prefix", "bucket", "values")
_EXPORT_ARN = re.compile(r"arn:[^:]+:dynamodb:[^:]+:\d{12}:table/[^/]+/export/[^/]+")


@dataclass(frozen=True, slots=True)
class ObjectLocation:
    """An object that the input names."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class TableTarget:
    """The table that the export is written to; `guard` keeps later writes, None writes whatever is there."""

    table: str
    guard: str | None


@dataclass(frozen=True, slots=True)
class ObjectsTarget:
    """The objects that the export becomes; `prefix` ends with a slash, `values` is one of VALUES."""

    bucket: str
    prefix: str
    values: str


@dataclass(frozen=True, slots=True)
class ProcessInput:
    """`export`: its ARN, or its summary's location. `records`: rejects of an earlier run, processed in its stead.

    `rejects_tolerated`: {"count": 5}, {"percentage": 1.5} of the records, or None for any number. `mirrors`: items that
    a full export lacks are deleted from the table; `adopts`: also those without the guard's attribute.
    """

    export: str | ObjectLocation
    sink: TableTarget | ObjectsTarget
    transform: str | None
    records: ObjectLocation | None
    max_concurrency: int
    limits: Limits
    tolerated_failures: ToleratedFailures
    rejects_tolerated: dict[str, float] | None
    verify: bool
    resumed_run: str | None = None
    mirrors: bool = False
    adopts: bool = False

    @classmethod
    def from_input(cls, raw: object, data_bucket: str) -> ProcessInput:
        """Read the execution's input. Raises InvalidInputError naming the field."""
        fields = Fields(raw, _FIELDS)
        sink = _sink(fields, data_bucket)
        mirrors = _mirrors(fields, sink)
        limits = limits_in(fields)
        if limits[UnitKind.WRITE] is not None and not isinstance(sink, TableTarget):
            raise fields.wrong("maxWriteUnitsPerSecond", "does not apply to a sink of objects")
        return cls(
            export=_export(fields),
            sink=sink,
            transform=fields.text_or("transform", None),
            records=_records(fields),
            max_concurrency=fields.integer("maxConcurrency", 50, low=1, high=10_000),
            limits=limits,
            tolerated_failures=ToleratedFailures.from_input(fields),
            rejects_tolerated=rejects_tolerated(fields),
            verify=fields.boolean("verify", default=True),
            resumed_run=resumed_run(fields),
            mirrors=mirrors,
            adopts=fields.boolean("adopt", default=False),
        )


def _mirrors(fields: Fields, sink: TableTarget | ObjectsTarget) -> bool:
    mirrors = fields.boolean("mirror", default=False)
    if not mirrors:
        if fields.boolean("adopt", default=False):
            raise fields.wrong("adopt", 'applies only with "mirror": true')
        return False
    if not isinstance(sink, TableTarget):
        raise fields.wrong("mirror", "requires a table as the sink")
    if sink.guard is None:
        problem = f'requires "guard": "{GUARD}" in the sink: items are deleted by the times that the guard writes'
        raise fields.wrong("mirror", problem)
    return True


def _export(fields: Fields) -> str | ObjectLocation:
    export = fields.raw("export")
    if not isinstance(export, str):
        location = _location(fields, "export")
        if location.key.rpartition("/")[2] != SUMMARY_NAME:
            raise fields.wrong("export.key", f"must be the key of a {SUMMARY_NAME}, not {location.key}")
        return location
    if not _EXPORT_ARN.fullmatch(export):
        raise fields.wrong(
            "export", f"{export} is not the ARN of an export; give that, or the bucket and key of its {SUMMARY_NAME}"
        )
    return export


def _records(fields: Fields) -> ObjectLocation | None:
    if not fields.has("records"):
        return None
    location = _location(fields, "records")
    if not location.key.endswith(".jsonl"):
        raise fields.wrong("records.key", f"must be the key of a rejects.jsonl, not {location.key}")
    return location


def _location(fields: Fields, name: str) -> ObjectLocation:
    location = fields.section(name, ("bucket", "key"))
    return ObjectLocation(location.text("bucket"), location.text("key"))


def _sink(fields: Fields, data_bucket: str) -> TableTarget | ObjectsTarget:
    given = fields.section("sink", _SINK_FIELDS)
    kinds = {"table": ("guard",), "prefix": ("bucket", "values")}
    chosen = [kind for kind in kinds if given.has(kind)]
    if len(chosen) != 1:
        raise fields.wrong("sink", "give either a table, or the prefix of objects")
    for kind, names in kinds.items():
        for name in names:
            if kind != chosen[0] and given.has(name):
                raise given.wrong(name, f"does not apply to a sink with a {chosen[0]}")
    if chosen[0] == "table":
        return TableTarget(table_name(given, "table"), given.choice("guard", (GUARD,), None))
    bucket = given.text_or("bucket", data_bucket)
    return ObjectsTarget(
        bucket, output_prefix(given, "prefix", bucket, data_bucket), given.choice("values", VALUES, VALUES[0])
    )
