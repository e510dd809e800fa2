"""One segment of a scan that reads whole items."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from sluice.aws.wire import Attempts
from sluice.dynamodb.plain import Attributes
from sluice.errors import ServiceUnavailableError, ThrottledError, UnexpectedResponseError
from sluice.run_item.rate_limiter import RateLimiter, Spending
from sluice.workflows.table_transform.change_sender import Call
from sluice.workflows.table_transform.changes import key_in
from sluice.workflows.table_transform.input import Table
from sluice.workflows.table_transform.progress import StartKey
from sluice.workflows.table_transform.requests import ItemFilter
from sluice.workflows.table_transform.slice_log import Entry

# What a page is made of: an item of a table, or what a journal has about one.
Item = Any


@dataclass(frozen=True, slots=True)
class ItemPage:
    """One answer: the items that the filter lets through, and how many it was applied to."""

    items: list[Item]
    scanned: int
    units: float
    last_evaluated: StartKey | None


@dataclass(frozen=True, slots=True)
class ItemScan:
    """`where`: which items to read, None for all."""

    table: Table
    segment: int
    total_segments: int
    where: ItemFilter | None

    def body(self, start_key: StartKey | None, limit: int | None) -> bytes:
        """The Scan request of one page."""
        request: dict[str, Any] = {
            "TableName": self.table.name,
            "Segment": self.segment,
            "TotalSegments": self.total_segments,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if self.where:
            request["FilterExpression"] = self.where.expression
            if self.where.names:
                request["ExpressionAttributeNames"] = self.where.names
            if self.where.values:
                request["ExpressionAttributeValues"] = self.where.values
        if limit is not None:
            request["Limit"] = limit
        if start_key is not None:
            request["ExclusiveStartKey"] = start_key
        return json.dumps(request, ensure_ascii=False).encode()

    def page(self, answer: Mapping[str, Any]) -> ItemPage:
        """Read Scan's answer. Raises UnexpectedResponseError when it lacks what every answer has."""
        try:
            return ItemPage(
                answer["Items"],
                answer["ScannedCount"],
                answer["ConsumedCapacity"]["CapacityUnits"],
                answer.get("LastEvaluatedKey"),
            )
        except KeyError as error:
            raise UnexpectedResponseError(f"a page of {self.table.name} has no {error}") from error


class Pages:
    """Reads on from `start_key`; `executor` reads ahead. For one thread."""

    def __init__(
        self, scan: ItemScan, start_key: StartKey | None, call: Call, reads: RateLimiter, executor: Executor
    ) -> None:
        self._scan = scan
        self._schema = scan.table.schema
        self._start_key = start_key
        self._call = call
        self._reads = reads
        self._executor = executor
        self._coming: Future[ItemPage] | None = None
        self._units = 0.0

    def first(self) -> ItemPage:
        """The first page, however little time there is. Raises what the wire raises, UnexpectedResponseError."""
        limit = self._reads.bounded(None)
        return self._counted(self._read(limit, self._reads.admit(limit or 1)))

    @property
    def units(self) -> float:
        """The read units of the pages so far."""
        return self._units

    def prepare(self, start_key: StartKey | None) -> None:
        """The next page is to start after this key, None when there is none; it is read ahead unless at a rate."""
        self._start_key = start_key
        if start_key is None or self._reads.bounded(None) is not None:
            return
        if (spending := self._reads.before(None)) is not None:
            self._coming = self._executor.submit(self._read, None, spending)

    def next(self) -> ItemPage | None:
        """The page that was prepared; None when it is not to be had now. Raises what `first` raises else."""
        coming, self._coming = self._coming, None
        try:
            if coming is not None:
                return self._counted(coming.result())
            limit = self._reads.bounded(None)
            spending = self._reads.before(limit)
            return None if spending is None else self._counted(self._read(limit, spending))
        except (ThrottledError, ServiceUnavailableError):
            return None

    def end(self) -> float:
        """The read units of all pages, also of one that was read ahead for nothing."""
        if self._coming is not None:
            self.next()
        return self._units

    def entry(self, item: Attributes) -> Entry:
        """An item's path through the slice."""
        return Entry(key_in(item, self._schema), item)

    def position(self, item: Attributes) -> StartKey:
        """The start key of the items after this one."""
        return key_in(item, self._schema)

    def _read(self, limit: int | None, spending: Spending) -> ItemPage:
        page = self._scan.page(self._call("Scan", self._scan.body(self._start_key, limit), Attempts()))
        spending.ended(page.units, page.scanned)
        return page

    def _counted(self, page: ItemPage) -> ItemPage:
        self._units += page.units
        return page
