"""A table of items that Scan is answered from, in pages of 1 MB."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.scan_simulator import PAGE_BYTES, page_units
from sluice.dynamodb.items import item_size


@dataclass(frozen=True)
class WholeItems:
    """`items` in DynamoDB JSON, in the order of the scan; `keys` are their key attributes' names."""

    items: Sequence[bytes]
    keys: Sequence[str]

    def scan(self, request: Mapping[str, Any]) -> bytes:
        """The answer to a Scan of all there is, without filter."""
        start = self._after(request["ExclusiveStartKey"]) if "ExclusiveStartKey" in request else 0
        stop, size = start, 0
        while stop < len(self.items) and size < PAGE_BYTES and stop - start < request.get("Limit", len(self.items)):
            size += self._sizes[stop]
            stop += 1
        answer: dict[str, Any] = {"Count": stop - start, "ScannedCount": stop - start}
        if "ReturnConsumedCapacity" in request:
            answer["ConsumedCapacity"] = {"TableName": request["TableName"], "CapacityUnits": page_units(size)}
        if stop < len(self.items):
            answer["LastEvaluatedKey"] = self._key(stop - 1)
        return b'{"Items":[%s],%s' % (b",".join(self.items[start:stop]), json.dumps(answer).encode()[1:])

    def _key(self, number: int) -> dict[str, Any]:
        item = json.loads(self.items[number])
        return {name: item[name] for name in self.keys}

    def _after(self, start_key: Mapping[str, Any]) -> int:
        return self._numbers[_text(start_key)] + 1

    @cached_property
    def _sizes(self) -> list[int]:
        return [item_size(json.loads(item)) for item in self.items]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {_text(self._key(number)): number for number in range(len(self.items))}


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)
