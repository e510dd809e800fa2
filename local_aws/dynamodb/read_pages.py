"""Pages of Query and Scan: where they end, what they hold of an index, and what they cost."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb.plain_items import Item, item_size

PAGE_BYTES = 1024 * 1024
CAPACITY_BYTES = 4096


@dataclass
class Page:
    """The items of a page as they were read, their size, and whether the page ended before the items did."""

    items: list[Item] = field(default_factory=list)
    size: int = 0
    is_full: bool = False


def read_page(items: Iterable[Item], limit: int | None, entry: Callable[[Item], Item]) -> Page:
    """Read up to the item that reaches the limit or 1 MB, that item included; `entry` is what an index holds of it."""
    page = Page()
    for item in items:
        page.items.append(item)
        page.size += item_size(entry(item))
        if page.size >= PAGE_BYTES or len(page.items) == limit:
            page.is_full = True
            break
    return page


def index_entry(table: dict[str, Any], index_name: str | None) -> Callable[[Item], Item]:
    """What an index holds of an item: the table's and the index's keys, and what else it projects."""
    index = service._index_def(table, index_name) if index_name else None
    projection = (index or {}).get("Projection") or {}
    if index is None or projection.get("ProjectionType", "ALL") == "ALL":
        return lambda item: item
    held = {table["pk_name"], table["sk_name"], *(key["AttributeName"] for key in index["KeySchema"])}
    if projection["ProjectionType"] == "INCLUDE":
        held.update(projection.get("NonKeyAttributes") or [])
    return lambda item: {name: value for name, value in item.items() if name in held}


def read_units(size: int, *, consistent: bool) -> float:
    """What a page of this many bytes costs: one unit for each started 4 KB, half that when eventually consistent."""
    return max(1, -(-size // CAPACITY_BYTES)) * (1.0 if consistent else 0.5)


def consumed_capacity(table: dict[str, Any], name: str, size: int, data: dict[str, Any]) -> dict[str, Any]:
    """The ConsumedCapacity of a page, in the requested form."""
    units = read_units(size, consistent=bool(data.get("ConsistentRead")))
    consumed: dict[str, Any] = {"TableName": name, "CapacityUnits": units}
    if data["ReturnConsumedCapacity"] == "INDEXES":
        index_name = data.get("IndexName")
        consumed["Table"] = {"CapacityUnits": 0.0 if index_name else units}
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
            if any(index["IndexName"] == index_name for index in table.get(kind) or []):
                consumed[kind] = {index_name: {"CapacityUnits": units}}
    return consumed
