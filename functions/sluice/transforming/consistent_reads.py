"""Items by their keys, as they are now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sluice.encoding.plain_values import Attributes
from sluice.errors import ThrottledError
from sluice.pacing.allowance import Allowance
from sluice.retry import Backoff
from sluice.transforming.transform_job import Table
from sluice.writing.stored_items import key_of
from sluice.writing.wire import Attempts, Wire

# What BatchGetItem takes.
KEYS_MAX = 100


class ConsistentReads:
    """Reads from one table after the other, as `reads` admits it; `read_units` is what that took."""

    def __init__(self, wire: Wire, reads: Allowance) -> None:
        self._wire = wire
        self._reads = reads
        self.read_units = 0.0

    def items(self, table: Table, keys: Sequence[Attributes]) -> dict[tuple[Any, ...], Attributes]:
        """The items that are there, by their primary keys as key_of makes them. Raises what the wire raises."""
        names = [each.name for each in table.schema.attributes]
        wanted = {key_of(each, table.schema): {name: each[name] for name in names} for each in keys}
        found = []
        left: list[Attributes] = list(wanted.values())
        while left:
            size = self._reads.bounded(KEYS_MAX) or KEYS_MAX
            part, left = left[:size], left[size:]
            found += self._read(table.name, part)
        return {key_of(each, table.schema): each for each in found}

    def _read(self, table: str, keys: list[Attributes]) -> list[Attributes]:
        found: list[Attributes] = []
        backoff = Backoff(self._wire.retries)
        while True:
            answer = self._call(table, keys)
            # Both are by the table's name or its ARN, and there is one table.
            found += [item for items in answer["Responses"].values() for item in items]
            unprocessed = [key for left in answer.get("UnprocessedKeys", {}).values() for key in left["Keys"]]
            if not unprocessed:
                return found
            if len(unprocessed) < len(keys):
                backoff.made_progress()
            elif backoff.is_used_up():
                raise ThrottledError(f"BatchGetItem gave back all of {len(keys)} keys until the retries were used up")
            keys = unprocessed
            backoff.pause()

    def _call(self, table: str, keys: list[Attributes]) -> Mapping[str, Any]:
        spending = self._reads.admit(len(keys))
        request = {
            "RequestItems": {table: {"Keys": keys, "ConsistentRead": True}},
            "ReturnConsumedCapacity": "TOTAL",
        }
        answer = self._wire.call("BatchGetItem", json.dumps(request, ensure_ascii=False).encode(), Attempts())
        units = sum(each["CapacityUnits"] for each in answer.get("ConsumedCapacity", []))
        spending.ended(units)
        self.read_units += units
        return answer
