"""How a table is scanned: its key by name, and so many segments that each has enough to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluice.dynamodb.keys import KeySchema
from sluice.errors import InvalidInputError
from sluice.run_item.item import RunItem
from sluice.runs.paths import Run
from sluice.runs.segments import mean_item_bytes, segments_for
from sluice.state import FIELD, FORMAT
from sluice.workflows.distinct_keys.input import DistinctInput

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


@dataclass(frozen=True, slots=True)
class IndexKeySchema:
    """A global secondary index's key attributes, by name; there may be several of either kind."""

    name: str
    partition: tuple[dict[str, str], ...]
    sort: tuple[dict[str, str], ...]

    def to_state(self) -> dict[str, Any]:
        """The index as it travels in state."""
        return {"name": self.name, "keys": {"partition": list(self.partition), "sort": list(self.sort)}}


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """`item_bytes` is the mean, where the table's size is known; `children` scan, or measure, at the same time.

    `items`: how many the table or the index has, as far as DescribeTable knows.
    """

    table: str
    schema: KeySchema
    index: IndexKeySchema | None
    segments: int
    optimize: str
    item_bytes: float | None
    children: int
    run_item: RunItem
    items: int

    def to_state(self) -> dict[str, Any]:
        """The scan as every child gets it."""
        return {
            FIELD: FORMAT,
            "table": {"name": self.table, "keys": self.schema.to_state()},
            "index": self.index.to_state() if self.index else None,
            "totalSegments": self.segments,
            "optimize": self.optimize,
            "itemBytes": self.item_bytes,
            "runItem": self.run_item.to_state(),
        }


def plan_scan(request: DistinctInput, table: TableDescriptionTypeDef, run: Run, children: int) -> ScanPlan:
    """Plan a scan of what DescribeTable describes. Raises InvalidInputError for an index that is not there.

    `children` scan, or measure, at the same time.
    """
    schema = KeySchema.from_describe_table(table)
    index = _find_index(request.index, table) if request.index else None
    described: Mapping[str, Any] = index or table
    items = int(described.get("ItemCount", 0))
    segments = request.segments or segments_for(items, request.max_concurrency)
    return ScanPlan(
        table=request.table,
        schema=schema,
        index=_index_key(index, table) if index else None,
        segments=segments,
        optimize=request.optimize,
        item_bytes=mean_item_bytes(described),
        children=children,
        run_item=RunItem(run.item_key, request.limits, children),
        items=items,
    )


def _find_index(name: str, table: TableDescriptionTypeDef) -> Mapping[str, Any]:
    indexes = {each["IndexName"]: each for each in table.get("GlobalSecondaryIndexes", [])}
    local = [each["IndexName"] for each in table.get("LocalSecondaryIndexes", [])]
    if name in local:
        raise InvalidInputError("index", f"{name} is a local index: its partition keys are the table's")
    if name not in indexes:
        raise InvalidInputError("index", f"the table has no index {name}; it has {', '.join(indexes) or 'none'}")
    if (status := indexes[name].get("IndexStatus", "ACTIVE")) != "ACTIVE":
        raise InvalidInputError("index", f"{name} is {status}, not ACTIVE")
    return indexes[name]


def _index_key(index: Mapping[str, Any], table: TableDescriptionTypeDef) -> IndexKeySchema:
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}

    def attributes(kind: str) -> tuple[dict[str, str], ...]:
        names = [each["AttributeName"] for each in index["KeySchema"] if each["KeyType"] == kind]
        return tuple({"name": name, "type": str(types[name])} for name in names)

    return IndexKeySchema(index["IndexName"], attributes("HASH"), attributes("RANGE"))
