"""What requests on single items have in common, as long as they are plainly valid.

A request that is out of the ordinary raises NotPlainError before anything is changed; ministack serves it.
"""

from dataclasses import dataclass
from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb.expressions.texts import Names, ParsedCondition, condition_of
from local_aws.dynamodb.expressions.tokens import NotPlainError
from local_aws.dynamodb.plain_items import Item, PlainKeys, item_size, plain, plain_keys
from local_aws.dynamodb.scan_order import Table

Key = tuple[str, str]

CAPACITY_FORMS = ("NONE", "TOTAL", "INDEXES")
WRITE_CAPACITY_BYTES = 1024
MAXIMUM_ITEM_BYTES = 400 * 1024
INDEX_KINDS = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes", "VectorIndexes")


@dataclass(frozen=True, slots=True)
class PlainTable:
    """A table without indexes, whose keys are strings or numbers."""

    name: str
    table: Table
    keys: PlainKeys

    def item(self, key: Key) -> Item | None:
        """What stands under a key."""
        found: Item | None = self.table["items"].get(key[0], {}).get(key[1])
        return found

    def key(self, data: dict[str, Any]) -> tuple[Key, Item]:
        """The values in a request's Key, and the Key as it is stored. Raises NotPlainError."""
        found = self.keys.of_key(data.get("Key"))
        if found is None:
            raise NotPlainError("Key")
        return found

    def new_item(self, data: dict[str, Any]) -> tuple[Key, Item, int]:
        """The key of a request's Item, the Item as it is stored, and its size in bytes. Raises NotPlainError."""
        given = data.get("Item")
        found = plain(given) if type(given) is dict else None
        key = None if found is None else self.keys.of(found[0])
        if found is None or key is None or found[1] > MAXIMUM_ITEM_BYTES:
            raise NotPlainError("Item")
        return key, *found

    def put(self, key: Key, old: Item | None, new: Item) -> None:
        """Store an item and replace the old one."""
        service._set_item(self.table, *key, new)
        service._emit_stream_event(self.name, "MODIFY" if old else "INSERT", old, new)

    def remove(self, key: Key, old: Item) -> None:
        """Remove the item that stands there."""
        service._remove_item(self.table, *key)
        service._emit_stream_event(self.name, "REMOVE", old, None)


def plain_table(name: Any) -> PlainTable:
    """The table of this name. Raises NotPlainError."""
    table = service._tables.get(name) if type(name) is str else None
    keys = None if table is None or any(table.get(kind) for kind in INDEX_KINDS) else plain_keys(table)
    if table is None or keys is None:
        raise NotPlainError("TableName")
    return PlainTable(name, table, keys)


def check_members(data: dict[str, Any], known: frozenset[str]) -> None:
    """Raises NotPlainError for members that are not known, and for a form of ConsumedCapacity that is not."""
    if not data.keys() <= known or data.get("ReturnConsumedCapacity", "NONE") not in CAPACITY_FORMS:
        raise NotPlainError("members")


def plain_values(data: dict[str, Any]) -> tuple[Item, int]:
    """The request's ExpressionAttributeValues and their size in bytes. Raises NotPlainError."""
    given = data.get("ExpressionAttributeValues")
    if given is None:
        return {}, 0
    found = plain(given) if type(given) is dict and given else None
    if found is None:
        raise NotPlainError("ExpressionAttributeValues")
    return found


def plain_condition(data: dict[str, Any], slot: str, names: Names) -> ParsedCondition | None:
    """The condition in this member, if there is one. Raises NotPlainError."""
    if slot not in data:
        return None
    text = data[slot]
    if type(text) is not str or not text.strip():
        raise NotPlainError(slot)
    return condition_of(text, names, slot)


def write_units(*sizes: int) -> float:
    """What a write costs, given the sizes before and after: a unit for each started 1 KB of the larger one."""
    return float(max(1, -(-max(sizes) // WRITE_CAPACITY_BYTES)))


def consumed(name: str, units: float, form: str) -> dict[str, Any]:
    """The ConsumedCapacity of writes to a table, in the requested form."""
    capacity: dict[str, Any] = {"TableName": name, "CapacityUnits": units}
    if form == "INDEXES":
        capacity["Table"] = {"CapacityUnits": units}
    return capacity


def add_write_capacity(answer: dict[str, Any], data: dict[str, Any], name: str, *sizes: int) -> None:
    """Add what a write costs, if requested."""
    form = data.get("ReturnConsumedCapacity", "NONE")
    if form != "NONE":
        answer["ConsumedCapacity"] = consumed(name, write_units(*sizes), form)


def size_of(item: Item | None) -> int:
    """The bytes of an item; 0 of none."""
    return 0 if item is None else item_size(item)
