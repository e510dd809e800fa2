"""A segment's pages as distinct keys, and the start key that jumps past the last one."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from json.encoder import encode_basestring as quote
from typing import Any, Self, TypeGuard

from sluice.dynamodb.keys import PARTITION_KEY_MAX_BYTES, KeyAttribute, KeySchema
from sluice.errors import UnexpectedResponseError

# The values of a partition key's attributes as DynamoDB spells them: one text each, in the key's order.
Key = tuple[str, ...]


class PartitionKey:
    """A table has one partition attribute, an index up to four.

    Values stay the texts that DynamoDB sent: it spells equal numbers and equal binaries the same.
    """

    def __init__(self, attributes: Sequence[KeyAttribute]) -> None:
        self.attributes = tuple(attributes)
        members = (f"{quote(each.name)}: {{{quote(each.type)}: ".replace("%", "%%") for each in attributes)
        self._line = f"{{{', '.join(f'{member}%s}}' for member in members)}}}\n"

    def of_items(self, items: Sequence[Mapping[str, Any]]) -> list[Key]:
        """The key of each item in DynamoDB JSON. Raises KeyError where an attribute is missing or of another type."""
        columns = ([item[each.name][each.type] for item in items] for each in self.attributes)
        return list(zip(*columns, strict=True))

    def to_state(self, key: Key) -> dict[str, dict[str, str]]:
        """The key in DynamoDB JSON."""
        return {each.name: {each.type: value} for each, value in zip(self.attributes, key, strict=True)}

    def to_lines(self, keys: Sequence[Key]) -> str:
        """The keys in DynamoDB JSON, one line each."""
        return self._line * len(keys) % tuple(map(quote, chain.from_iterable(keys)))


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
    """`sort` is the table's sort key; None where every page continues from LastEvaluatedKey.

    That is in a table without sort key, and in an index: the order of items with equal index keys is undefined,
    so a start key that is no item's has no known position among them.
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

        And when a jump led nowhere: a scan that continued would read the same collection for ever.
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
