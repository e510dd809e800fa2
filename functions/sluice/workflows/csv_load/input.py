"""The input of a csv_load execution, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sluice.fields import Fields
from sluice.mapping.typed_columns import OPTIONS
from sluice.reading.object_set import ObjectSet, source_of
from sluice.reading.source import SourceInput
from sluice.run_item.item import NO_LIMITS
from sluice.run_item.shares import Limits, limits_in
from sluice.runs.input import (
    APPLY,
    DRY_RUN,
    TOLERANCE_FIELDS,
    ToleratedFailures,
    rejects_tolerated,
    resumed_run,
    table_name,
)

T = TypeVar("T")
LOAD_ITEM_SOURCES = ("mapping", "transform", "keys")
CONFLICTS = ("replace", "keep", "reject")
WRITES = ("put", "update", "delete")
RANGE_BYTES = 8 << 20
RANGE_MIN_BYTES = 1 << 10
RANGE_MAX_BYTES = 1 << 30

_FIELDS = (
    "source",
    "table",
    *LOAD_ITEM_SOURCES,
    *OPTIONS,
    "write",
    "onConflict",
    "mustExist",
    "mode",
    "maxWriteUnitsPerSecond",
    "rangeSize",
    "maxConcurrency",
    *TOLERANCE_FIELDS,
    "rejectsTolerated",
    "resume",
)


@dataclass(frozen=True, slots=True)
class LoadInput:
    """`objects`: what is read. `source`: the object, or an example of what several have in common.

    `item_source` is how rows become items, one of ITEM_SOURCES, and `spec` what the input says there.

    `options` are the fields `types`, `omitEmpty` and `rename`, those that are given. `mode` is APPLY or DRY_RUN.
    `rejects_tolerated`: {"count": 5}, {"percentage": 1.5} of the rows, or None for any number.
    `resumed_run`: the run that is continued.
    """

    source: SourceInput
    objects: ObjectSet
    table: str
    item_source: str
    spec: Any
    options: Mapping[str, Any]
    write: str
    on_conflict: str
    must_exist: bool
    mode: str
    limits: Limits
    range_bytes: int
    max_concurrency: int
    tolerated_failures: ToleratedFailures
    rejects_tolerated: dict[str, float] | None
    resumed_run: str | None = None

    @property
    def key_prefix(self) -> str | None:
        """What the keys of a set's objects have in common; None where there is one object."""
        return self.objects.prefix or "" if self.objects.is_several else None

    @classmethod
    def from_input(cls, raw: object) -> LoadInput:
        """Read the execution's input. Raises InvalidInputError naming the field."""
        fields = Fields(raw, _FIELDS)
        item_source = _item_source(fields)
        source, objects = source_of(fields.raw("source"))
        return cls(
            source=source,
            objects=objects,
            table=table_name(fields, "table"),
            item_source=item_source,
            spec=_spec(fields, item_source),
            options=_options(fields, item_source),
            write=fields.choice("write", WRITES, WRITES[0]),
            on_conflict=_only_with(fields, "put", "onConflict", fields.choice("onConflict", CONFLICTS, CONFLICTS[0])),
            must_exist=_only_with(fields, "update", "mustExist", fields.boolean("mustExist", default=False)),
            mode=fields.choice("mode", (APPLY, DRY_RUN), APPLY),
            limits=limits_in(fields),
            range_bytes=fields.integer("rangeSize", RANGE_BYTES, low=RANGE_MIN_BYTES, high=RANGE_MAX_BYTES),
            max_concurrency=fields.integer("maxConcurrency", 50, low=1, high=10_000),
            tolerated_failures=ToleratedFailures.from_input(fields),
            rejects_tolerated=rejects_tolerated(fields),
            resumed_run=resumed_run(fields),
        )

    @property
    def row_state(self) -> dict[str, Any]:
        """What `encoder_for` needs to know of how rows become items."""
        return {self.item_source: self.spec, **self.options, "write": self.write}

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing is written."""
        return self.mode == DRY_RUN

    @property
    def write_state(self) -> dict[str, Any]:
        """How items are written, by the input's fields."""
        return {"onConflict": self.on_conflict, "mustExist": self.must_exist, "mode": self.mode}

    @property
    def spent_limits(self) -> Limits:
        """The limits of what the run spends: a dry run writes nothing."""
        return NO_LIMITS if self.is_dry_run else self.limits


def _only_with(fields: Fields, write: str, name: str, value: T) -> T:
    """A field that means something for one value of `write` only."""
    given = fields.choice("write", WRITES, WRITES[0])
    if fields.has(name) and given != write:
        raise fields.wrong(name, f'belongs to "write": "{write}", and has no effect with "{given}"')
    return value


def _item_source(fields: Fields) -> str:
    given = [source for source in LOAD_ITEM_SOURCES if fields.has(source)]
    if not given:
        raise fields.wrong(
            LOAD_ITEM_SOURCES[0], f"is required, or one of {' and '.join(LOAD_ITEM_SOURCES[1:])} instead"
        )
    if len(given) > 1:
        raise fields.wrong(given[1], f"cannot be combined with {given[0]}; give one of {', '.join(LOAD_ITEM_SOURCES)}")
    return given[0]


def _spec(fields: Fields, item_source: str) -> Any:
    """Only the kind is checked: the encoder checks the rest against the columns and the table's key."""
    if item_source == "transform":
        return fields.text(item_source)
    if item_source == "mapping":
        mapping = fields.raw(item_source)
        if not isinstance(mapping, dict) or not mapping:
            raise fields.wrong(item_source, "must be an object that says what an item looks like")
        return mapping
    keys = fields.texts(item_source)
    if len(set(keys)) != len(keys) or len(keys) not in (1, 2) or "" in keys:
        raise fields.wrong(
            item_source, "must name the column of the partition key, and of the sort key if there is one"
        )
    return list(keys)


def _options(fields: Fields, item_source: str) -> dict[str, Any]:
    options = {name: fields.raw(name) for name in OPTIONS if fields.has(name)}
    if item_source != "keys" and options:
        raise fields.wrong(next(iter(options)), f"belongs to keys; {_INSTEAD[item_source]}")
    return options


_INSTEAD = {"mapping": "a mapping says it for each attribute", "transform": "a transform returns whole items"}
