"""What an export holds: a table's items as of a time, or what a window of time made of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local_aws.exports.journal import Item, Journal, Key


@dataclass(frozen=True)
class ChangedItem:
    """An item before and after a window, and the time of the last write inside of it."""

    keys: Item
    write_micros: int
    old: Item | None
    new: Item | None


def items_as_of(journal: Journal, moment: int) -> list[Item]:
    """The items after all changes before this time (microseconds), and none of the later ones."""
    before = _before_later_changes(journal, moment)
    items = [item for key, item in _current(journal) if key not in before]
    return items + [item for item in before.values() if item is not None]


def changed_items(journal: Journal, start: int, end: int) -> list[ChangedItem]:
    """One entry per item changed at or after `start` and before `end`; none for those that came and went."""
    at_end = _before_later_changes(journal, end)
    at_start: dict[Key, Item | None] = {}
    last_write: dict[Key, int] = {}
    for moment, partition, sort, old in reversed(journal.changes):
        if moment < start:
            break
        if moment < end:
            at_start[partition, sort] = old
            last_write.setdefault((partition, sort), moment)
    found = []
    for key, old in at_start.items():
        new = at_end[key] if key in at_end else journal.table["items"].get(key[0], {}).get(key[1])
        existing = new or old
        if existing is not None:
            found.append(ChangedItem(_keys(journal.table, existing), last_write[key], old, new))
    return found


def _before_later_changes(journal: Journal, moment: int) -> dict[Key, Item | None]:
    """What stood at this time under each key that was changed since."""
    before: dict[Key, Item | None] = {}
    for changed, partition, sort, old in reversed(journal.changes):
        if changed < moment:
            break
        before[partition, sort] = old
    return before


def _current(journal: Journal) -> Iterator[tuple[Key, Item]]:
    for partition, collection in journal.table["items"].items():
        for sort, item in collection.items():
            yield (partition, sort), item


def _keys(table: dict[str, Any], item: Item) -> Item:
    return {name: item[name] for name in (table["pk_name"], table["sk_name"]) if name}
