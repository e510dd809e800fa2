"""What a run does to items: attributes of one item change, or items go into a table and out of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sluice.dynamodb.items import MAX_ITEM_BYTES, Item, comparable, item_size, utf8_value
from sluice.dynamodb.keys import KeySchema, key_identity
from sluice.dynamodb.plain import Attributes
from sluice.errors import RejectError
from sluice.limits import WRITE_UNIT_BYTES
from sluice.rejects import Reason

# Less than this is measured only where the size is needed anyway: DynamoDB refuses an item that just exceeds its limit.
MEASURED_BYTES = 4096


class Side(StrEnum):
    """The tables of a run: the one that the input names as `table`, and its `target`."""

    TABLE = "table"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Update:
    """`values`: the attributes that get one, each in DynamoDB JSON, UTF-8. `removed`: those that go.

    `before` is the item as it was read: the whole item, or its key and the attributes that change. `old` has values
    that the attributes lose, and `key` the primary key, as far as they are known as they go over the wire.
    """

    before: Attributes
    values: Mapping[str, bytes]
    removed: tuple[str, ...] = ()
    old: Mapping[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    key: bytes = field(default=b"", compare=False, repr=False)

    def after(self) -> dict[str, Any]:
        """The item as it becomes."""
        kept = {name: value for name, value in self.before.items() if name not in self.removed}
        return kept | {name: json.loads(value) for name, value in self.values.items()}

    @property
    def names(self) -> set[str]:
        """The attributes that change."""
        return {*self.values, *self.removed}

    def write_units(self) -> float:
        """What the change takes. Raises RejectError when the item becomes too large."""
        after = item_size(self.after())
        if after > MAX_ITEM_BYTES:
            raise RejectError(
                Reason.ITEM_TOO_LARGE, f"the item would have {after} bytes, DynamoDB accepts at most {MAX_ITEM_BYTES}"
            )
        return write_units(max(item_size(self.before), after))


@dataclass(frozen=True, slots=True)
class Removal:
    """One item goes."""

    before: Attributes

    def write_units(self) -> float:
        """What the deletion takes."""
        return write_units(item_size(self.before))


@dataclass(frozen=True, slots=True)
class Transfer:
    """Items are put into the table on one side; when they are there, others are deleted on another.

    A deletion in place has no puts, a copy no deletions, a move both. `withdrawn`: items that the run put on the side
    of the puts before another writer changed their source; they are taken back first, where they are unchanged.
    """

    puts: Sequence[Item] = ()
    puts_on: Side = Side.TARGET
    deletions: Sequence[Attributes] = ()
    deletes_on: Side = Side.TABLE
    withdrawn: Sequence[Attributes] = ()

    def after(self) -> Any:
        """The item that is put, all of several, or None."""
        items = [json.loads(each.body) for each in self.puts]
        return items if len(items) > 1 else next(iter(items), None)

    def write_units(self) -> float:
        """What it takes where nothing is replaced that is larger."""
        put = sum(write_units(item_size(json.loads(each.body))) for each in self.puts)
        return put + sum(write_units(item_size(each)) for each in self.deletions)


Change = Update | Transfer


def difference(before: Attributes, values: Mapping[str, str], removed: set[str], schema: KeySchema) -> Update | None:
    """The change to these values, each in DynamoDB JSON, as far as they are others; None when none is.

    Raises RejectError for a change that the table cannot take.
    """
    changed: dict[str, bytes] = {}
    old: dict[str, bytes] = {}
    for name, value in values.items():
        if name in before:
            text = compact(before[name])
            if _is_same(before[name], text, value):
                continue
            old[name] = text.encode()
        changed[name] = utf8_value(name, value)
    if not changed and not removed:
        return None
    for key in schema.attributes:
        if key.name in changed or key.name in removed:
            raise RejectError(Reason.KEY_CHANGED, f"attribute {key.name} is the item's key, which stays instead")
    key_body = compact(key_in(before, schema)).encode()
    update = Update(before, changed, tuple(sorted(removed)), old, key_body)
    if sum(map(len, changed.values())) > MEASURED_BYTES:
        update.write_units()
    return update


def deletion(item: Attributes) -> Transfer:
    """The item goes from the run's own table."""
    return Transfer(deletions=(item,))


def write_units(item_bytes: int) -> float:
    """Write units of an item of this size."""
    return float(max(1, -(-item_bytes // WRITE_UNIT_BYTES)))


# JSON as the encoders write it.
compact: Callable[[object], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def key_in(item: Attributes, schema: KeySchema) -> dict[str, Any]:
    """The item's primary key in DynamoDB JSON."""
    return {each.name: item[each.name] for each in schema.attributes}


def stored_item(item: Attributes, schema: KeySchema) -> Item:
    """An item that a table held, ready to be put back."""
    key = tuple(key_identity(each, item[each.name][each.type]) for each in schema.attributes)
    return Item(key, compact(item).encode())


def _is_same(before: Mapping[str, Any], text: str, value: str) -> bool:
    """Whether DynamoDB holds the same for both; nearly always the texts are the same then."""
    return text == value or comparable(before) == comparable(json.loads(value))
