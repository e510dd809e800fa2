"""A table that Scan is answered from without there being any items."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Any

from bench.scan_simulator import PAGE_BYTES, page_units

PARTITION, SORT = "UserRef", "ConnectionId"
KEYS = [{"name": PARTITION, "type": "S"}, {"name": SORT, "type": "N"}]
_PREFIX = "user-"


@dataclass(frozen=True, slots=True)
class EvenTable:
    """Collections of `items_per_key` items each, whose keys follow each other in the order of their numbers.

    Segments have the same number of keys, give or take one. A Scan is taken to ask for the partition key alone.
    """

    keys: int
    items_per_key: int
    item_bytes: int

    def scan(self, request: Mapping[str, Any]) -> bytes:
        """The answer to a Scan of one segment."""
        segment, segments = request["Segment"], request["TotalSegments"]
        begin, end = (self.keys * number // segments * self.items_per_key for number in (segment, segment + 1))
        start = self._after(request["ExclusiveStartKey"]) if "ExclusiveStartKey" in request else begin
        largest = ceil(PAGE_BYTES / self.item_bytes)
        full = start + min(request.get("Limit", largest), largest)
        stop = min(full, end)
        answer = {
            "Count": stop - start,
            "ScannedCount": stop - start,
            "ConsumedCapacity": {"TableName": "t", "CapacityUnits": page_units((stop - start) * self.item_bytes)},
        }
        if full <= end:
            answer["LastEvaluatedKey"] = self._key(stop - 1)
        items = b",".join(
            [b'{"%s":{"S":"%s"}}' % (PARTITION.encode(), self._name(item)) for item in range(start, stop)]
        )
        return b'{"Items":[%s],%s' % (items, json.dumps(answer).encode()[1:])

    def _name(self, item: int) -> bytes:
        return b"%s%08d" % (_PREFIX.encode(), item // self.items_per_key)

    def _key(self, item: int) -> dict[str, dict[str, str]]:
        return {PARTITION: {"S": self._name(item).decode()}, SORT: {"N": str(item % self.items_per_key)}}

    def _after(self, start_key: Mapping[str, Mapping[str, str]]) -> int:
        """The item behind a start key, which need not be an item's: the largest sort key is behind them all."""
        key, sort = int(start_key[PARTITION]["S"].removeprefix(_PREFIX)), Decimal(start_key[SORT]["N"])
        return key * self.items_per_key + int(min(sort + 1, Decimal(self.items_per_key)))
