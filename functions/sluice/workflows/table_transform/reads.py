"""Items by their keys, as they are now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sluice.aws.retry import Backoff
from sluice.aws.wire import Attempts, Wire
from sluice.dynamodb.items import key_of
from sluice.dynamodb.plain import Attributes
from sluice.errors import ThrottledError
from sluice.run_item.rate_limiter import RateLimiter
from sluice.workflows.table_transform.announced import item_of
from sluice.workflows.table_transform.changes import Change, Side, Transfer, Update
from sluice.workflows.table_transform.input import Table

# What BatchGetItem takes.
KEYS_MAX = 100


class ConsistentReads:
    """Reads from one table after the other, as `reads` admits it; `read_units` is what that took."""

    def __init__(self, wire: Wire, reads: RateLimiter) -> None:
        self._wire = wire
        self._reads = reads
        self.read_units = 0.0

    @property
    def is_limited(self) -> bool:
        """Whether reads are at a rate."""
        return self._reads.bounded(None) is not None

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


class CurrentItems:
    """Items of both tables that changes are about, as they were at the last `read`."""

    def __init__(self, reads: ConsistentReads, tables: Mapping[Side, Table]) -> None:
        self._reads = reads
        self._tables = tables
        self._found: dict[Side, dict[tuple[Any, ...], Attributes]] = {}

    @property
    def read_units(self) -> float:
        """What reading took."""
        return self._reads.read_units

    @property
    def is_limited(self) -> bool:
        """Whether the run has a limit on read units."""
        return self._reads.is_limited

    def read(self, changes: Iterable[Change | None]) -> None:
        """Read all items of these changes consistently. Raises what the wire raises."""
        wanted: dict[Side, list[Attributes]] = {side: [] for side in self._tables}
        for change in changes:
            if isinstance(change, Update):
                wanted[Side.TABLE].append(change.before)
            elif change is not None:
                for item in change.deletions:
                    wanted[change.deletes_on].append(item)
                for put in change.puts:
                    wanted[change.puts_on].append(item_of(put))
        self._found = {side: self._reads.items(self._tables[side], items) for side, items in wanted.items()}

    def item(self, side: Side, item: Attributes) -> Attributes | None:
        """The item with the key of this one."""
        return self._found[side].get(key_of(item, self._tables[side].schema))

    def deletions(self, transfer: Transfer) -> list[Attributes | None]:
        """Those that the transfer deletes, in its order."""
        return [self.item(transfer.deletes_on, each) for each in transfer.deletions]

    def puts(self, transfer: Transfer) -> list[Attributes | None]:
        """The keys at which the transfer puts items, in its order."""
        return [self.item(transfer.puts_on, item_of(each)) for each in transfer.puts]
