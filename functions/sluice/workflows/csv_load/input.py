"""The input of a csv_load execution, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sluice.fields import Fields
from sluice.reading.source import SourceInput
from sluice.runs.input import rejects_tolerated, resumed_run, table_name

WAYS = ("mapping", "transform", "keys")
CONFLICTS = ("replace", "keep", "reject")
RANGE_BYTES = 8 << 20
RANGE_MIN_BYTES = 1 << 10
RANGE_MAX_BYTES = 1 << 30

_FIELDS = (
    "source",
    "table",
    *WAYS,
    "onConflict",
    "rangeSize",
    "maxConcurrency",
    "toleratedFailurePercentage",
    "rejectsTolerated",
    "resume",
)


@dataclass(frozen=True, slots=True)
class LoadInput:
    """`way` is how rows become items, one of WAYS, and `spec` what the input says there.

    `rejects_tolerated`: {"count": 5}, {"percentage": 1.5} of the rows, or None for any number.
    `resumed_run`: the run that is continued.
    """

    source: SourceInput
    table: str
    way: str
    spec: Any
    on_conflict: str
    range_bytes: int
    max_concurrency: int
    tolerated_failure_percentage: float
    rejects_tolerated: dict[str, float] | None
    resumed_run: str | None = None

    @classmethod
    def from_input(cls, raw: object) -> LoadInput:
        """Read the execution's input. Raises InvalidInputError naming the field."""
        fields = Fields(raw, _FIELDS)
        way = _way(fields)
        return cls(
            source=SourceInput.from_input(fields.raw("source")),
            table=table_name(fields, "table"),
            way=way,
            spec=_spec(fields, way),
            on_conflict=fields.choice("onConflict", CONFLICTS, CONFLICTS[0]),
            range_bytes=fields.integer("rangeSize", RANGE_BYTES, low=RANGE_MIN_BYTES, high=RANGE_MAX_BYTES),
            max_concurrency=fields.integer("maxConcurrency", 50, low=1, high=10_000),
            tolerated_failure_percentage=fields.number("toleratedFailurePercentage", 0, low=0, high=100),
            rejects_tolerated=rejects_tolerated(fields),
            resumed_run=resumed_run(fields),
        )


def _way(fields: Fields) -> str:
    given = [way for way in WAYS if fields.has(way)]
    if not given:
        raise fields.wrong(WAYS[0], f"is required, or one of {' and '.join(WAYS[1:])} instead")
    if len(given) > 1:
        raise fields.wrong(given[1], f"cannot be combined with {given[0]}; give one of {', '.join(WAYS)}")
    return given[0]


def _spec(fields: Fields, way: str) -> Any:
    """Only the kind is checked: the encoder checks the rest against the columns and the table's key."""
    if way == "transform":
        return fields.text(way)
    if way == "mapping":
        mapping = fields.raw(way)
        if not isinstance(mapping, dict) or not mapping:
            raise fields.wrong(way, "must be an object that says what an item looks like")
        return mapping
    keys = fields.texts(way)
    if len(set(keys)) != len(keys) or len(keys) not in (1, 2) or "" in keys:
        raise fields.wrong(way, "must name the partition key's column and, where there is one, the sort key's")
    return list(keys)
