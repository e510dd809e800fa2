"""The order in which Scan reads a table or an index: by hash slot, hash, partition key, sort key.

An order is made at the first Scan and updated with every write. It holds the partition keys, 8 bytes each, in 4,096
slots that are sorted when a scan first comes to them; the sort keys of a partition are sorted then, too, and are
kept, again 8 bytes each, where there are many. What a page costs depends on the page, not on the table.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ministack.services import dynamodb as service

from local_aws.dynamodb.key_order import SLOTS, Value, key_bytes, key_hash, slot_of, typed_value
from local_aws.dynamodb.ordered_keys import OrderedKeys

Item = dict[str, dict[str, Any]]
Table = dict[str, Any]
PartitionPosition = tuple[int, tuple[Value, ...]]

# So few sort keys are sorted again each time, rather than kept in order.
FEW_SORT_KEYS = 64


class Position(NamedTuple):
    """A place in the order, whether or not an item stands there."""

    partition: PartitionPosition
    sort: Any


class Key(NamedTuple):
    """The name of a key attribute and its type: S, N or B."""

    name: str
    kind: str

    def content(self, item: Item) -> str:
        return str(item[self.name][self.kind])


class Order(ABC):
    """Partitions in hash order, and what each of them holds in its own order."""

    def __init__(self, partitions: Mapping[Any, Collection[Any]]) -> None:
        self._partitions = partitions
        self._sorted_entries: dict[Any, OrderedKeys[Any]] = {}
        slots: list[list[Any]] = [[] for _ in range(SLOTS)]
        for partition in list(partitions):
            slots[self._slot(partition)].append(partition)
        self._slots = [OrderedKeys(slot) for slot in slots]

    def items(self, slots: range, after: Position | None = None) -> Iterator[Item]:
        """The items of these slots, from behind a position."""
        first = slots.start if after is None else max(slots.start, slot_of(after.partition[0]))
        for slot in range(first, slots.stop):
            partitions = self._slots[slot].settled(self._partitions, self._partition_position)
            begin = 0
            if after is not None and slot == first:
                begin = bisect_left(partitions, after.partition, key=self._partition_position)
            for index in range(begin, len(partitions)):
                yield from self._items_of(partitions[index], after if slot == first and index == begin else None)

    def _items_of(self, partition: Any, after: Position | None) -> Iterator[Item]:
        entries = self.entries(partition)
        begin = 0
        if after is not None and self._partition_position(partition) == after.partition:
            begin = bisect_right(entries, after.sort, key=self._entry_position)
        for index in range(begin, len(entries)):
            item = self._item(partition, entries[index])
            if item is not None:
                yield item

    def entries(self, partition: Any) -> list[Any]:
        """What a partition holds, in order; not to be changed."""
        held = self._partitions.get(partition, ())
        if len(held) <= FEW_SORT_KEYS:
            return sorted(held, key=self._entry_position) if len(held) > 1 else list(held)
        ordered = self._sorted_entries.get(partition)
        if ordered is None:
            ordered = self._sorted_entries[partition] = OrderedKeys(held)
        return ordered.settled(held, self._entry_position)

    def _note_partition(self, partition: Any) -> None:
        self._slots[self._slot(partition)].note(partition)
        if partition not in self._partitions:
            self._sorted_entries.pop(partition, None)

    def _slot(self, partition: Any) -> int:
        return slot_of(self._partition_hash(partition))

    def _partition_position(self, partition: Any) -> PartitionPosition:
        return self._partition_hash(partition), self._partition_values(partition)

    @abstractmethod
    def _partition_hash(self, partition: Any) -> int: ...

    @abstractmethod
    def _partition_values(self, partition: Any) -> tuple[Value, ...]: ...

    @abstractmethod
    def _entry_position(self, entry: Any) -> Any: ...

    @abstractmethod
    def _item(self, partition: Any, entry: Any) -> Item | None: ...

    @abstractmethod
    def position(self, key: Item) -> Position:
        """Where an item of this key stands."""


class TableOrder(Order):
    """The order of a table: partitions are partition keys, their entries sort keys."""

    def __init__(self, table: Table) -> None:
        self.source: dict[str, dict[str, Item]] = table["items"]
        self._partition_key, *sort_keys = table_keys(table)
        self._sort_key = sort_keys[0] if sort_keys else None
        super().__init__(self.source)

    def position(self, key: Item) -> Position:
        """Where an item of this key stands."""
        sort = "" if self._sort_key is None else self._entry_position(self._sort_key.content(key))
        return Position(self._partition_position(self._partition_key.content(key)), sort)

    def note(self, partition: str, sort: str) -> None:
        """Say that an item came or went."""
        if len(self.source.get(partition, ())) <= 1:
            self._note_partition(partition)
        if partition in self._sorted_entries:
            self._sorted_entries[partition].note(sort)

    def _partition_hash(self, partition: str) -> int:
        return key_hash(key_bytes(self._partition_key.kind, partition))

    def _partition_values(self, partition: str) -> tuple[Value, ...]:
        return (typed_value(self._partition_key.kind, partition),)

    def _entry_position(self, entry: str) -> Value:
        return "" if self._sort_key is None else typed_value(self._sort_key.kind, entry)

    def _item(self, partition: str, entry: str) -> Item | None:
        return self.source.get(partition, {}).get(entry)


class IndexOrder(Order):
    """The order of an index: its partitions by hash, items by the index's sort keys, then by the table's keys."""

    def __init__(self, table: Table, index_name: str) -> None:
        self.items_by_key: dict[str, dict[str, Item]] = table["items"]
        self.source = service._index_members(table)[index_name]
        self._table_keys = table_keys(table)
        self._partition_keys, self._sort_keys = index_key_lists(table, index_name)
        super().__init__(self.source)

    def position(self, key: Item) -> Position:
        """Where an item of these keys, the index's and the table's, stands."""
        contents = [part.content(key) for part in self._partition_keys]
        return Position(self._partition_position(tuple(contents)), self._sort_position(key))

    def note(self, item: Item) -> None:
        """Say that an item came, went or moved."""
        names = [[key.name for key in keys] for keys in (self._partition_keys, self._sort_keys)]
        partition = service._index_partition(item, *names)
        if partition is not None:
            self._sorted_entries.pop(partition, None)
            self._note_partition(partition)

    def _partition_hash(self, partition: str | tuple[str, ...]) -> int:
        return _hash(self._typed(partition))

    def _partition_values(self, partition: str | tuple[str, ...]) -> tuple[Value, ...]:
        return tuple(typed_value(*content) for content in self._typed(partition))

    def _typed(self, partition: str | tuple[str, ...]) -> list[tuple[str, str]]:
        contents = partition if isinstance(partition, tuple) else (partition,)
        return [(key.kind, content) for key, content in zip(self._partition_keys, contents, strict=True)]

    def _entry_position(self, entry: tuple[str, str]) -> tuple[int | Value, ...]:
        return self._sort_position(self.items_by_key[entry[0]][entry[1]])

    def _sort_position(self, item: Item) -> tuple[int | Value, ...]:
        table_key = [(key.kind, key.content(item)) for key in self._table_keys]
        index_sort = [typed_value(key.kind, key.content(item)) for key in self._sort_keys]
        return (*index_sort, _hash(table_key), *(typed_value(*value) for value in table_key))

    def _item(self, partition: Any, entry: tuple[str, str]) -> Item | None:
        return self.items_by_key.get(entry[0], {}).get(entry[1])


def _hash(typed_contents: list[tuple[str, str]]) -> int:
    return key_hash(*(key_bytes(kind, content) for kind, content in typed_contents))


def table_keys(table: Table) -> list[Key]:
    """The table's key attributes: its partition key and, if it has one, its sort key."""
    return _keys(table, [name for name in (table["pk_name"], table["sk_name"]) if name])


def index_key_lists(table: Table, index_name: str) -> tuple[list[Key], list[Key]]:
    """The partition and the sort key attributes of an index, of which each may have up to four."""
    partition_names, sort_names = service._index_key_lists(service._index_def(table, index_name))
    return _keys(table, partition_names), _keys(table, sort_names)


def _keys(table: Table, names: list[str]) -> list[Key]:
    return [Key(name, service._get_attr_type(table, name)) for name in names]
