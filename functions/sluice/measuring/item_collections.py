"""The item collections of a table or an index: all items of one partition key each, in the order of their sort keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.fields import Fields

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
