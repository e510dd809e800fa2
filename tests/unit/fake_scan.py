"""DynamoDB's Scan over items in memory: hash order, segments, page ends and start keys as DynamoDB has them."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sluice.errors import WireError

PAGE_BYTES = 1 << 20
BLOCK_BYTES = 4096
HASH_BITS = 128

Json = dict[str, Any]
# (name, type) of an attribute.
Attribute = tuple[str, str]
Position = tuple[Any, ...]


@dataclass(frozen=True)
class Index:
    """A global secondary index; there may be several attributes of either kind."""

    name: str
    partition: Sequence[Attribute]
    sort: Sequence[Attribute] = ()


@dataclass
class FakeScan:
    """Answers Scan on one table, or on its one index. An item is its key attributes and a number of bytes.

    `empty_pages`: numbers of the requests, from 0, that get an empty page with a LastEvaluatedKey.
    """

    partition: Attribute
    sort: Attribute | None = None
    index: Index | None = None
    name: str = "birds"
    requests: list[Json] = field(default_factory=list)
    empty_pages: frozenset[int] = frozenset()
    _items: dict[Position, tuple[Json, int]] = field(default_factory=dict)
    _order: list[Position] | None = None

    def put(self, item: Json, size_bytes: int = 100) -> None:
        """Add or replace an item: all its key attributes, in DynamoDB JSON."""
        self._order = None
        self._items[self._position(item)] = (item, size_bytes)

    def remove(self, item: Json) -> None:
        """Remove an item."""
        self._order = None
        self._items.pop(self._position(item), None)

    @property
    def keys(self) -> set[str]:
        """The partition keys that a scan of everything finds, each as JSON."""
        return {self.key_of(item) for item, _ in self._items.values()}

    def key_of(self, item: Json) -> str:
        """An item's partition key as JSON."""
        return json.dumps({name: item[name] for name, _ in self._partition})

    def in_segment(self, segment: int, segments: int) -> int:
        """How many items the segment has."""
        return sum(_segment(each, segments) == segment for each in self._items)

    def __call__(self, operation: str, body: bytes) -> Json:
        """Answer one request. Raises WireError where DynamoDB answers with a ValidationException."""
        assert operation == "Scan"
        request: Json = json.loads(body)
        self.requests.append(request)
        assert request["TableName"] == self.name
        assert request.get("IndexName") == (self.index.name if self.index else None)
        start = request.get("ExclusiveStartKey")
        if start and len(self.requests) - 1 in self.empty_pages:
            return _answer([], 0, start)
        found = self._from(start, request["Segment"], request["TotalSegments"])
        return self._page(found, request)

    def _page(self, found: list[Position], request: Json) -> Json:
        limit, size, page, last = request.get("Limit"), 0, [], None
        assert limit is None or limit >= 1
        for position in found:
            item, item_bytes = self._items[position]
            page.append(item)
            size += item_bytes
            if len(page) == limit or size >= PAGE_BYTES:
                last = {name: item[name] for name, _ in self._key}
                break
        names = [request["ExpressionAttributeNames"][each] for each in request["ProjectionExpression"].split(", ")]
        return _answer([{name: item[name] for name in names} for item in page], size, last)

    def _from(self, start: Json | None, segment: int, segments: int) -> list[Position]:
        assert 0 <= segment < segments
        if self._order is None:
            self._order = sorted(self._items)
        order = [each for each in self._order if _segment(each, segments) == segment]
        if start is None:
            return order
        self._check_start(start, segment, segments)
        return order[bisect_right(order, self._position(start)) :]

    def _check_start(self, start: Json, segment: int, segments: int) -> None:
        if {name: next(iter(value)) for name, value in start.items()} != dict(self._key):
            raise _invalid("The provided key element does not match the schema")
        for name, kind in self._key:
            size = len(_comparable(start, (name, kind)) if kind != "N" else b"")
            assert size <= (2048 if (name, kind) in self._partition else 1024)
        if _segment(self._position(start), segments) != segment:
            raise _invalid("Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment.")

    @property
    def _partition(self) -> Sequence[Attribute]:
        return self.index.partition if self.index else (self.partition,)

    @property
    def _key(self) -> list[Attribute]:
        of_table = [self.partition, *([self.sort] if self.sort else [])]
        of_index = [*self.index.partition, *self.index.sort] if self.index else []
        return list(dict.fromkeys(of_table + of_index))

    def _position(self, item: Json) -> Position:
        partition = tuple(_comparable(item, each) for each in self._partition)
        digest = hashlib.md5(repr(partition).encode(), usedforsecurity=False).digest()
        if self.index is None:
            return (int.from_bytes(digest), partition, _comparable(item, self.sort) if self.sort else ())
        sort = tuple(_comparable(item, each) for each in self.index.sort)
        # Among equal index keys the order is undefined: any will do that is none of the table's.
        own = repr([item[name] for name, _ in self._key]).encode()
        return (int.from_bytes(digest), partition, sort, hashlib.md5(own, usedforsecurity=False).digest())


def _segment(position: Position, segments: int) -> int:
    hash_: int = position[0]
    return hash_ * segments >> HASH_BITS


def _comparable(item: Mapping[str, Json], attribute: Attribute) -> Any:
    name, kind = attribute
    value = item[name][kind]
    if kind == "N":
        return Decimal(value)
    return b64decode(value, validate=True) if kind == "B" else value.encode()


def _answer(items: list[Json], size_bytes: int, last: Json | None) -> Json:
    units = 0.5 * max(1, -(-size_bytes // BLOCK_BYTES))
    answer: Json = {
        "Items": items,
        "Count": len(items),
        "ScannedCount": len(items),
        "ConsumedCapacity": {"TableName": "birds", "CapacityUnits": units},
    }
    return answer if last is None else answer | {"LastEvaluatedKey": last}


def _invalid(message: str) -> WireError:
    return WireError("ValidationException", f"The provided starting key is invalid: {message}", 400)
