"""Item collections in memory, queried page by page, and slices that measure them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from sluice.dynamodb.items import item_size
from sluice.run_item.rate_limiter import RateLimiter
from sluice.workflows.distinct_keys.measure_slice import (
    MeasureProgress,
    MeasureRequest,
    MeasureSliceResult,
    Query,
    measure_slice,
)
from tests.fixtures import fixture

USUAL = fixture("measure_collection", "usual")
MEGABYTE = 1 << 20
Json = dict[str, Any]


def comes_by(value: dict[str, str]) -> Any:
    """What a key attribute's value is ordered by."""
    ((kind, text),) = value.items()
    readers: dict[str, Callable[[str], Any]] = {"S": str.encode, "N": Decimal, "B": base64.b64decode}
    return readers[kind](text)


@dataclass
class MemoryTable:
    """Query as DynamoDB answers it: a page that ends at `page_bytes` or at Limit has a start key.

    `sort` are the sort key attributes of the table or index; `start_names` are what a start key consists of.
    """

    items: list[Json]
    partition: tuple[str, ...]
    sort: tuple[str, ...]
    start_names: tuple[str, ...]
    page_bytes: int = MEGABYTE
    index: str | None = None
    request: list[Json] = field(default_factory=list)

    def query(self, body: bytes) -> Json:
        """One page."""
        request = json.loads(body)
        self.request.append(request)
        assert request.get("IndexName") == self.index
        items = self.collection(self._key(request))
        if start := request.get("ExclusiveStartKey"):
            assert set(start) == set(self.start_names)
            items = [each for each in items if self._order(each) > self._order(start)]
        page: list[Json] = []
        size = 0
        limit = request.get("Limit", len(items) + 1)
        while size < self.page_bytes and len(page) < min(limit, len(items)):
            page.append(items[len(page)])
            size += item_size(page[-1])
        answer: Json = {"Items": page, "ConsumedCapacity": {"CapacityUnits": max(1, -(-size // 4096)) / 2}}
        if size >= self.page_bytes or len(page) == limit:
            answer["LastEvaluatedKey"] = {name: page[-1][name] for name in self.start_names}
        return answer

    def collection(self, key: Json) -> list[Json]:
        """All items of one partition key, in key order."""
        return sorted((each for each in self.items if self._has(each, key)), key=self._order)

    def lines(self, keys: Sequence[Json]) -> list[Json]:
        """The report that is due."""
        return [self._line(key, self.collection(key)) for key in keys]

    def _line(self, key: Json, items: list[Json]) -> Json:
        ends = [[items[at][name] for name in self.sort] for at in (0, -1)] if items and self.sort else [[None]] * 2
        oldest, newest = [each[0] if len(each) == 1 else each for each in ends]
        size = sum(map(item_size, items))
        return {"key": key, "items": len(items), "bytes": size, "oldest": oldest, "newest": newest}

    def _key(self, request: Json) -> Json:
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        terms = [each.split(" = ") for each in request["KeyConditionExpression"].split(" AND ")]
        key = {names[name]: values[value] for name, value in terms}
        assert len(names) == len(values) == len(terms)
        assert set(key) == set(self.partition)
        assert request["ReturnConsumedCapacity"] == "TOTAL"
        assert not request.get("ConsistentRead")
        return key

    def _has(self, item: Json, key: Json) -> bool:
        return all(comes_by(item[name]) == comes_by(value) for name, value in key.items())

    def _order(self, item: Json) -> tuple[Any, ...]:
        return tuple(comes_by(item[name]) for name in (*self.sort, *self.start_names))


def simple_table(items: list[Json], sort_type: str | None = "N", page_bytes: int = MEGABYTE) -> MemoryTable:
    """A table keyed by id, and by at where it has a sort key."""
    sort = () if sort_type is None else ("at",)
    return MemoryTable(items, ("id",), sort, ("id", *sort), page_bytes)


def scan_of(sort_type: str | None = "N") -> Json:
    """The scan that PlanScan makes of it."""
    keys = [{"name": "id", "type": "S"}]
    if sort_type is not None:
        keys.append({"name": "at", "type": sort_type})
    return {"table": {"name": "events", "keys": keys}, "index": None, "itemBytes": None, "runItem": None}


def ids(*names: str) -> list[Json]:
    """Keys as they stand in a batch."""
    return [{"id": {"S": name}} for name in names]


def event_for(keys: Sequence[Json], scan: Json | None = None) -> Json:
    """The payload of the first slice."""
    return {"run": USUAL["run"], "scan": scan or scan_of(), "keys": list(keys), "progress": None}


def request_for(keys: Sequence[Json], scan: Json | None = None) -> MeasureRequest:
    """The first slice."""
    return MeasureRequest.from_event(event_for(keys, scan))


def measured(
    request: MeasureRequest, query: Query, is_time_up: Callable[[], bool], reads: RateLimiter | None = None
) -> MeasureSliceResult:
    """One slice, without limit unless it is given."""
    return measure_slice(request, query, is_time_up, reads or RateLimiter(None, lambda: False))


def following(request: MeasureRequest, progress: MeasureProgress) -> MeasureRequest:
    """The next slice; what travels in between is JSON."""
    state = json.loads(json.dumps(progress.to_state()))
    return replace(request, progress=MeasureProgress.from_state(state))


def never() -> bool:
    """Time without end."""
    return False


def after(checks: int) -> Callable[[], bool]:
    """Time that is up after so many checks."""
    request = iter(range(10**9))
    return lambda: next(request) >= checks


def reported(result: MeasureSliceResult) -> list[Json]:
    """The lines of the slice's part."""
    return [json.loads(line) for line in result.lines]


def item(name: str, at: int, padding: int = 0) -> Json:
    """An item of the simple table."""
    return {"id": {"S": name}, "at": {"N": str(at)}, "text": {"S": "x" * padding}}
