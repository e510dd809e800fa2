"""One segment of a scan as requests and answers: what is asked for, what came back, where the next page starts."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeGuard

from sluice.errors import UnexpectedResponseError
from sluice.keys import PARTITION_KEY_MAX_BYTES, KeyAttribute, KeySchema
from sluice.scanning.partition_key import Key, PartitionKey

# No sort key of its type is greater: 1,024 bytes of the last code point, 38 nines, 1,024 bytes of 0xFF.
LARGEST_SORT_KEYS = {
    "S": "\U0010ffff" * 256,
    "N": f"9.{'9' * 37}E+125",
    "B": b64encode(b"\xff" * 1024).decode(),
}

StartKey = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """One answer: the partition key of each item in order, the read units, and LastEvaluatedKey."""

    keys: list[Key]
    units: float
    last_evaluated: StartKey | None


@dataclass(frozen=True, slots=True)
class SegmentScan:
    """`sort` is the table's sort key; None where every page goes on from LastEvaluatedKey.

    That is in a table without sort key, and in an index: the order of items with equal index keys is undefined,
    so a start key that is no item's has no known place among them.
    """

    table: str
    index: str | None
    partition: PartitionKey
    sort: KeyAttribute | None
    segment: int
    total_segments: int

    @classmethod
    def from_state(cls, scan: Mapping[str, Any], segment: int) -> Self:
        """One segment of the scan that PlanScan planned."""
        schema, index = KeySchema.from_state(scan["table"]["keys"]), scan["index"]
        attributes = [schema.partition]
        if index is not None:
            attributes = [
                KeyAttribute(each["name"], each["type"], PARTITION_KEY_MAX_BYTES) for each in index["keys"]["partition"]
            ]
        return cls(
            table=scan["table"]["name"],
            index=index and index["name"],
            partition=PartitionKey(attributes),
            sort=None if index else schema.sort,
            segment=segment,
            total_segments=scan["totalSegments"],
        )

    def body(self, start_key: StartKey | None, limit: int | None) -> bytes:
        """The Scan request of one page."""
        names = {f"#k{number}": each.name for number, each in enumerate(self.partition.attributes)}
        request: dict[str, Any] = {
            "TableName": self.table,
            "Segment": self.segment,
            "TotalSegments": self.total_segments,
            "ProjectionExpression": ", ".join(names),
            "ExpressionAttributeNames": names,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if self.index is not None:
            request["IndexName"] = self.index
        if limit is not None:
            request["Limit"] = limit
        if start_key is not None:
            request["ExclusiveStartKey"] = start_key
        return json.dumps(request, ensure_ascii=False).encode()

    def page(self, start_key: StartKey | None, answer: Mapping[str, Any]) -> ScannedPage:
        """Read Scan's answer. Raises UnexpectedResponseError when it lacks what every answer has.

        And when a jump led nowhere: a scan that went on would read the same collection for ever.
        """
        try:
            keys = self.partition.of_items(answer["Items"])
            units: float = answer["ConsumedCapacity"]["CapacityUnits"]
        except KeyError as error:
            raise UnexpectedResponseError(f"a page of {self.table} has no {error}") from error
        if self._is_jump(start_key) and self.partition.of_items([start_key]) == keys[:1]:
            raise UnexpectedResponseError(f"a page of {self.table} begins in the collection that it should start after")
        return ScannedPage(keys, units, answer.get("LastEvaluatedKey"))

    def start_after(self, page: ScannedPage) -> StartKey | None:
        """Where the next page starts; None when the segment has ended.

        That is past the collection of the page's last key: the next request is needed anyway, and reads less.
        """
        last = page.last_evaluated
        if last is None or self.sort is None:
            return last
        # Only past a collection that the page has shown, which an empty page has not.
        if self.partition.of_items([last]) != page.keys[-1:]:
            return last
        return last | {self.sort.name: _largest(self.sort)}

    def _is_jump(self, start_key: StartKey | None) -> TypeGuard[StartKey]:
        return bool(start_key and self.sort and start_key[self.sort.name] == _largest(self.sort))


def _largest(sort: KeyAttribute) -> dict[str, str]:
    return {sort.type: LARGEST_SORT_KEYS[sort.type]}
