"""Item collections, and what the built-in processor measures of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from sluice.dynamodb.items import item_size
from sluice.fields import Fields
from sluice.state import State

Item = Mapping[str, Mapping[str, Any]]
Key = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class ItemCollections:
    """Key attributes go by name; `partition` gives the type of each. An index may have several of both kinds."""

    table: str
    index: str | None
    partition: Mapping[str, str]
    sort: tuple[str, ...]

    @classmethod
    def from_scan(cls, scan: Mapping[str, Any]) -> ItemCollections:
        """Read the scan as PlanScan has planned it."""
        table, index = scan["table"], scan["index"]
        # Of a table's key, the partition key comes first.
        keys = index["keys"] if index else {"partition": table["keys"][:1], "sort": table["keys"][1:]}
        return cls(
            table=table["name"],
            index=index["name"] if index else None,
            partition={each["name"]: each["type"] for each in keys["partition"]},
            sort=tuple(each["name"] for each in keys["sort"]),
        )

    def key_from(self, raw: object, path: str) -> Key:
        """A partition key in DynamoDB JSON, such as {"UserRef": {"S": "u-1"}}. Raises InvalidInputError."""
        fields = Fields(raw, self.partition, path)
        return {name: {kind: fields.section(name, (kind,)).text(kind)} for name, kind in self.partition.items()}

    def sort_key(self, item: Item) -> Any:
        """The item's sort key: its value, a list of values where there are several, None where there is none."""
        values = [item[name] for name in self.sort]
        return values if len(values) > 1 else next(iter(values), None)

    def query(self, key: Key, start_key: Item | None, limit: int | None = None) -> bytes:
        """The body of the request for a collection's next page: eventually consistent, all attributes."""
        attributes = list(enumerate(self.partition))
        request: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": " AND ".join(f"#k{number} = :k{number}" for number, _ in attributes),
            "ExpressionAttributeNames": {f"#k{number}": name for number, name in attributes},
            "ExpressionAttributeValues": {f":k{number}": key[name] for number, name in attributes},
            "ReturnConsumedCapacity": "TOTAL",
        }
        if self.index is not None:
            request["IndexName"] = self.index
        if limit is not None:
            request["Limit"] = limit
        if start_key is not None:
            request["ExclusiveStartKey"] = start_key
        return json.dumps(request).encode()


LARGEST = 10
# A key can have 2 KB and a sort key 1 KB, and the largest are part of a state and of a result file.
LARGEST_MAX_BYTES = 8 << 10

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Largest:
    """Report lines of up to ten collections, the largest first, the first of equals first; fewer where keys are long.

    The very largest is always there. `left_out`: bytes of the largest collection that is not, -1 when all are:
    a later and smaller one may not replace it.
    """

    lines: tuple[Line, ...] = ()
    left_out: int = -1

    def plus(self, line: Line) -> Largest:
        """With one more collection, if it is one of the largest."""
        if line["bytes"] <= self.left_out:
            return self
        ranked = sorted((*self.lines, line), key=lambda each: each["bytes"], reverse=True)
        sizes = accumulate(len(json.dumps(each)) for each in ranked[:LARGEST])
        kept = max(1, sum(size <= LARGEST_MAX_BYTES for size in sizes))
        left_out = ranked[kept]["bytes"] if kept < len(ranked) else self.left_out
        return Largest(tuple(ranked[:kept]), left_out)


@dataclass(frozen=True, slots=True)
class CollectionMeasure(State):
    """`bytes` are those of the items, as DynamoDB counts them; `oldest` and `newest` the first and last sort key."""

    items: int = 0
    bytes: int = 0
    oldest: Any = None
    newest: Any = None

    def plus(self, page: Sequence[Item], collections: ItemCollections) -> CollectionMeasure:
        """With the collection's next page, in key order."""
        if not page:
            return self
        return CollectionMeasure(
            items=self.items + len(page),
            bytes=self.bytes + sum(map(item_size, page)),
            oldest=self.oldest if self.items else collections.sort_key(page[0]),
            newest=collections.sort_key(page[-1]),
        )
