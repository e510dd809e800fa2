"""One segment of a scan that reads whole items."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.encoding.plain_values import Attributes
from sluice.errors import UnexpectedResponseError
from sluice.transforming.update_requests import Where

StartKey = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ItemPage:
    """One answer: the items that the filter lets through, and how many it was applied to."""

    items: list[Attributes]
    scanned: int
    units: float
    last_evaluated: StartKey | None


@dataclass(frozen=True, slots=True)
class ItemScan:
    """`where`: which items to read, None for all."""

    table: str
    segment: int
    total_segments: int
    where: Where | None

    def body(self, start_key: StartKey | None, limit: int | None) -> bytes:
        """The Scan request of one page."""
        request: dict[str, Any] = {
            "TableName": self.table,
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
            raise UnexpectedResponseError(f"a page of {self.table} has no {error}") from error
