"""What DynamoDB would refuse of a change, found out beforehand: a dry run and an applied run ask the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.dynamodb.items import value_size
from sluice.dynamodb.keys import PARTITION_KEY_MAX_BYTES, SORT_KEY_MAX_BYTES
from sluice.errors import RejectError
from sluice.rejects import Reason
from sluice.state import State
from sluice.workflows.table_transform.changes import Change, Side, Transfer, Update
from sluice.workflows.table_transform.requests import ChangeBodies


@dataclass(frozen=True, slots=True)
class IndexKey(State):
    """A key attribute of secondary indexes: an item may lack it, but where it has it, DynamoDB checks it."""

    index: str
    type: str
    max_bytes: int

    def check(self, name: str, value: Mapping[str, Any]) -> None:
        """Raise RejectError for a value in DynamoDB JSON that the index cannot take."""
        where = f"attribute {name}, a key of index {self.index}"
        ((kind, content),) = value.items()
        if kind != self.type:
            raise RejectError(Reason.KEY_TYPE_MISMATCH, f"{where}, must be {self.type}, not {kind}")
        if not content:
            raise RejectError(Reason.KEY_EMPTY, f"{where}, must not be empty")
        if kind != "N" and (size := value_size(value)) > self.max_bytes:
            raise RejectError(Reason.KEY_TOO_LONG, f"{where}, has {size} bytes, and DynamoDB takes {self.max_bytes}")


IndexKeys = Mapping[str, IndexKey]


def index_keys(described: Mapping[str, Any]) -> dict[str, IndexKey]:
    """The key attributes of a table's secondary indexes by name, from DescribeTable's `Table`.

    The table's own key attributes are left out: no change in place touches them, and encoders check them.
    """
    types = {each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]}
    own = {each["AttributeName"] for each in described["KeySchema"]}
    found: dict[str, IndexKey] = {}
    for index in (*described.get("GlobalSecondaryIndexes", ()), *described.get("LocalSecondaryIndexes", ())):
        for each in index["KeySchema"]:
            name = each["AttributeName"]
            most = PARTITION_KEY_MAX_BYTES if each["KeyType"] == "HASH" else SORT_KEY_MAX_BYTES
            if name not in own and (name not in found or most < found[name].max_bytes):
                found[name] = IndexKey(index["IndexName"], types[name], most)
    return found


@dataclass(frozen=True, slots=True)
class Checks:
    """The requests and the indexes of both tables."""

    requests: Mapping[Side, ChangeBodies]
    indexes: Mapping[Side, IndexKeys]

    def check(self, change: Change) -> None:
        """Raise RejectError for a change that DynamoDB would not take."""
        if isinstance(change, Update):
            self._check_update(change)
        else:
            self._check_transfer(change)

    def _check_update(self, change: Update) -> None:
        self.requests[Side.TABLE].check_update(change)
        indexes = self.indexes[Side.TABLE]
        for name in change.values.keys() & indexes.keys():
            indexes[name].check(name, json.loads(change.values[name]))

    def _check_transfer(self, change: Transfer) -> None:
        for item in change.deletions:
            self.requests[change.deletes_on].check_delete(item)
        if change.puts and (indexes := self.indexes[change.puts_on]):
            _check_puts((json.loads(each.body) for each in change.puts), indexes)


def _check_puts(items: Iterable[Mapping[str, Any]], indexes: IndexKeys) -> None:
    for item in items:
        for name in item.keys() & indexes.keys():
            indexes[name].check(name, item[name])
