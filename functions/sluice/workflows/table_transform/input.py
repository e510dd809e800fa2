"""What is done with a table, as PlanTransform tells every child."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Self

from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.writers import OnConflict
from sluice.errors import InvalidInputError
from sluice.fields import Fields, kind_of
from sluice.limits import SEGMENTS_MAX
from sluice.run_item.shares import UnitKind, limits_in
from sluice.runs.input import APPLY, DRY_RUN, TOLERANCE_FIELDS, ToleratedFailures, rejects_tolerated, table_name
from sluice.state import Named, State, VersionedState
from sluice.workflows.table_transform.changes import Side
from sluice.workflows.table_transform.checks import IndexKey, IndexKeys
from sluice.workflows.table_transform.requests import ChangeBodies, ItemFilter


@dataclass(frozen=True, slots=True)
class Table(State):
    """A table by its name and key."""

    name: str
    schema: Annotated[KeySchema, Named("keys")]


@dataclass(frozen=True, slots=True)
class TransformJob(VersionedState):
    """`target` None: in place. `item_source`: {"transform": name} or {"mapping": {...}}, empty for an undo.

    `run_item`: see RunItem.to_state. `item_bytes` is the mean of the table, where its size is known.
    `indexes`: the key attributes of secondary indexes, by table. `undoes`: the runs whose changes are taken back,
    oldest first; none for a transform.
    """

    what: ClassVar = "the run's plan"

    table: Table
    target: Table | None
    item_source: Annotated[Mapping[str, Any], Named("way")]
    where: ItemFilter | None
    mode: str
    total_segments: int
    on_conflict: OnConflict
    deletes_source: Annotated[bool, Named("deleteSource")]
    run_item: Mapping[str, Any] | None
    sample_per_segment: int
    item_bytes: float | None
    indexes: Mapping[str, Mapping[str, IndexKey]] = field(default_factory=dict)
    undoes: tuple[str, ...] = ()

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read what `to_state` returns, also of a version without a journal, which called the run's item `budget`."""
        given = state
        if isinstance(state, Mapping):
            given = {"indexes": {}, "undoes": [], "runItem": state.get("budget"), **state}
        # `slots` creates a second class, which a plain super() does not know.
        return super(TransformJob, cls).from_state(given)

    @property
    def tables(self) -> dict[Side, Table]:
        """The tables by their side."""
        return {Side.TABLE: self.table} | ({Side.TARGET: self.target} if self.target else {})

    @property
    def schemas(self) -> dict[Side, KeySchema]:
        """Their keys."""
        return {side: table.schema for side, table in self.tables.items()}

    @property
    def index_keys(self) -> dict[Side, IndexKeys]:
        """The key attributes of their secondary indexes."""
        return {side: self.indexes.get(side, {}) for side in Side}

    @property
    def requests(self) -> dict[Side, ChangeBodies]:
        """New requests; the filter is part of the condition of changes in place only."""
        where = self.where if self.target is None else None
        return {side: ChangeBodies(each.name, each.schema, where) for side, each in self.tables.items()}

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing is written."""
        return self.mode == DRY_RUN


ITEM_SOURCES = ("transform", "mapping")
MODES = (DRY_RUN, APPLY)
SAMPLE_MAX = 10_000

_FIELDS = (
    "table",
    "target",
    *ITEM_SOURCES,
    "where",
    "mode",
    "segments",
    "maxConcurrency",
    "maxReadUnitsPerSecond",
    "maxWriteUnitsPerSecond",
    *TOLERANCE_FIELDS,
    "rejectsTolerated",
    "onConflict",
    "deleteSource",
    "withoutBackup",
    "verify",
    "resume",
    "undo",
)
# What an undo takes from the run that it takes back.
_OF_THE_RUN = ("table", "target", *ITEM_SOURCES, "where", "segments", "onConflict", "deleteSource", "verify")
# Placeholders that are numbers stand for what the run itself compares and sets.
_NAME = re.compile(r"#(?!\d+$)[A-Za-z0-9_]+")
_VALUE = re.compile(r":(?!\d+$)[A-Za-z0-9_]+")
_KINDS: Mapping[str, type[Any]] = {
    "S": str,
    "N": str,
    "B": str,
    "BOOL": bool,
    "NULL": bool,
    "SS": list,
    "NS": list,
    "BS": list,
    "L": list,
    "M": dict,
}


@dataclass(frozen=True, slots=True)
class TransformInput:
    """`segments` None: planned from the table's size. `resumed_run`: the run that this one continues.

    `undone_run`: the run that this one takes back; table and target are those of that run then.

    `item_source` is {"transform": name} or {"mapping": {...}}. `verify_sample`: how many items to verify, or None.
    `rejects_tolerated`: {"count": 5}, {"percentage": 1.5} of the items, or None for any number.
    """

    table: str
    target: str | None
    item_source: Mapping[str, Any]
    where: ItemFilter | None
    mode: str
    segments: int | None
    max_concurrency: int
    limits: Mapping[UnitKind, float | None]
    tolerated_failures: ToleratedFailures
    rejects_tolerated: dict[str, float] | None
    on_conflict: OnConflict
    deletes_source: bool
    without_backup: bool
    verify_sample: int | None
    resumed_run: str | None
    undone_run: str | None

    @classmethod
    def from_input(cls, raw: object) -> TransformInput:
        """Read the execution's input; an undo has no table yet. Raises InvalidInputError naming the field."""
        fields = Fields(raw, _FIELDS)
        undone_run = _undone_run(fields)
        return cls(
            table="" if undone_run else table_name(fields, "table"),
            target=None if undone_run else _target(fields),
            item_source={} if undone_run else _item_source(fields),
            where=_where(fields),
            mode=fields.choice("mode", MODES, DRY_RUN),
            segments=fields.integer("segments", None, low=1, high=SEGMENTS_MAX),
            max_concurrency=fields.integer("maxConcurrency", 50, low=1, high=10_000),
            limits=limits_in(fields),
            tolerated_failures=ToleratedFailures.from_input(fields),
            rejects_tolerated=rejects_tolerated(fields),
            on_conflict=OnConflict(fields.choice("onConflict", tuple(OnConflict), OnConflict.REPLACE)),
            deletes_source=fields.boolean("deleteSource", default=False),
            without_backup=fields.boolean("withoutBackup", default=False),
            verify_sample=_verify_sample(fields),
            resumed_run=fields.section("resume", ("run",)).text("run") if fields.has("resume") else None,
            undone_run=undone_run,
        )

    def undoing(self, job: TransformJob) -> TransformInput:
        """The input of an undo with what it has in common with the job that it takes back."""
        return replace(
            self,
            table=job.table.name,
            target=job.target.name if job.target else None,
            segments=job.total_segments,
            on_conflict=job.on_conflict,
            deletes_source=job.deletes_source,
        )

    @property
    def spent_limits(self) -> Mapping[UnitKind, float | None]:
        """The limits of what the run spends: a dry run writes nothing."""
        return {kind: limit for kind, limit in self.limits.items() if self.mode == APPLY or kind is UnitKind.READ}

    @property
    def changes_table(self) -> bool:
        """Whether items of the table itself are changed or deleted."""
        return self.mode == APPLY and not self.undone_run and (self.target is None or self.deletes_source)


def _undone_run(fields: Fields) -> str | None:
    if not fields.has("undo"):
        return None
    for name in _OF_THE_RUN:
        if fields.has(name):
            raise fields.wrong(name, "means nothing for an undo, which takes it from the run that it undoes")
    return fields.section("undo", ("run",)).text("run")


def _target(fields: Fields) -> str | None:
    if not fields.has("target"):
        for name in ("onConflict", "deleteSource"):
            if fields.has(name):
                raise fields.wrong(name, "means nothing without a target: items are changed in place")
        return None
    target, table = table_name(fields, "target"), table_name(fields, "table")
    if target.rpartition("/")[2] == table.rpartition("/")[2]:
        raise fields.wrong("target", f"{target} is the table itself; omit it to change items in place")
    return target


def _item_source(fields: Fields) -> dict[str, Any]:
    given = [item_source for item_source in ITEM_SOURCES if fields.has(item_source)]
    if len(given) != 1:
        raise fields.wrong(ITEM_SOURCES[len(given) // 2], f"give one of {' and '.join(ITEM_SOURCES)}")
    (item_source,) = given
    if item_source == "transform":
        return {item_source: fields.text(item_source)}
    mapping = fields.raw(item_source)
    if not isinstance(mapping, dict) or not mapping:
        raise fields.wrong(item_source, "must be an object that says what an item looks like")
    return {item_source: mapping}


def _verify_sample(fields: Fields) -> int | None:
    if not fields.has("verify"):
        return None
    given = fields.section("verify", ("sample",))
    return given.integer("sample", 1_000, low=1, high=SAMPLE_MAX)


def _where(fields: Fields) -> ItemFilter | None:
    """Only the shape is checked: DynamoDB knows its expressions best."""
    if not fields.has("where"):
        return None
    given = fields.section("where", ("expression", "names", "values"))
    names, values = _placeholders(given, "names", _NAME), _placeholders(given, "values", _VALUE)
    for alias, name in names.items():
        if not isinstance(name, str) or not name:
            raise InvalidInputError(f"where.names.{alias}", "must be an attribute's name")
    for alias, value in values.items():
        _check_value(value, f"where.values.{alias}")
    return ItemFilter(given.text("expression"), names, values)


def _placeholders(where: Fields, name: str, pattern: re.Pattern[str]) -> dict[str, Any]:
    given = where.raw(name) if where.has(name) else {}
    if not isinstance(given, dict):
        raise where.wrong(name, f"must be an object, not {kind_of(given)}")
    example = "#status" if name == "names" else ":status"
    for alias in given:
        if not pattern.fullmatch(alias):
            raise where.wrong(name, f"{alias} must be a placeholder such as {example}, and not a number")
    return given


def _check_value(value: object, value_path: str) -> None:
    """One value in DynamoDB JSON, with all that it holds."""
    if not isinstance(value, dict) or len(value) != 1:
        raise InvalidInputError(value_path, 'must be one value in DynamoDB JSON, such as {"S": "open"}')
    ((kind, content),) = value.items()
    if kind not in _KINDS:
        raise InvalidInputError(value_path, f"{kind} is not a DynamoDB type; use one of {', '.join(_KINDS)}")
    if not isinstance(content, _KINDS[kind]):
        raise InvalidInputError(f"{value_path}.{kind}", f"{kind_of(content)} where {kind_of(_KINDS[kind]())} belongs")
    if kind == "M":
        for name, each in content.items():
            _check_value(each, f"{value_path}.M.{name}")
    elif isinstance(content, list):
        for number, each in enumerate(content):
            _check_element(kind, each, f"{value_path}.{kind}[{number}]")


def _check_element(kind: str, element: object, value_path: str) -> None:
    if kind == "L":
        _check_value(element, value_path)
    elif not isinstance(element, str):
        raise InvalidInputError(value_path, f"{kind_of(element)} where a string belongs")
