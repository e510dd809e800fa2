"""The contestants: each reads a whole table in pages of so many items, and returns how many keys it has found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.even_table import KEYS, PARTITION
from bench.plain_scans import whole_table
from sluice.aws.wire import Wire
from sluice.dynamodb.keys import KeySchema
from sluice.run_item.rate_limiter import RateLimiter
from sluice.workflows.distinct_keys.page_evidence import Page
from sluice.workflows.distinct_keys.page_policy import Optimize, PagePolicy, PolicyState
from sluice.workflows.distinct_keys.slice import SegmentProgress, SegmentSlice

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

TABLE = "t"
_SCAN = whole_table(TABLE, KeySchema.from_state(KEYS))


class HeldPages:
    """Pages of one size, whatever the policy says; it learns from them all the same."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._policy = PagePolicy(Optimize.BALANCED.request_units, PolicyState.start())

    @property
    def state(self) -> PolicyState:
        """What the policy knows."""
        return self._policy.state

    def observe(self, page: Page) -> None:
        """Have the policy learn from a page."""
        self._policy.observe(page)


def with_slice(wire: Wire, limit: int) -> int:
    """What scan_distinct_keys does between its event and its file of keys."""
    slice_ = SegmentSlice(_SCAN, SegmentProgress(), HeldPages(limit), RateLimiter(None, lambda: False))
    return slice_.run(wire.call, lambda: False).keys.count(b"\n")


def with_wire(wire: Wire, limit: int) -> int:
    """The wire's share of that: requests, and their answers as they come."""
    keys: set[str] = set()
    start = None
    while True:
        answer = wire.call("Scan", _SCAN.body(start, limit))
        keys.update([item[PARTITION]["S"] for item in answer["Items"]])
        start = answer.get("LastEvaluatedKey")
        if start is None:
            return len(keys)


def with_table(table: Table, limit: int) -> int:
    """boto3's Table.scan with the same parameters."""
    keys: set[Any] = set()
    start: dict[str, Any] = {}
    while True:
        answer = table.scan(
            Segment=0,
            TotalSegments=1,
            Limit=limit,
            ProjectionExpression="#k0",
            ExpressionAttributeNames={"#k0": PARTITION},
            ReturnConsumedCapacity="TOTAL",
            **start,
        )
        keys.update([item[PARTITION] for item in answer["Items"]])
        if "LastEvaluatedKey" not in answer:
            return len(keys)
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
