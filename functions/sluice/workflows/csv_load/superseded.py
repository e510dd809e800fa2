"""Rows that were superseded: each of their items was replaced by that of a later row with the same key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

from sluice.dynamodb.items import Item

# What a slice remembers: about 100 MB with keys of usual length.
SUPERSEDED_KEYS_MAX = 500_000

RowId = Hashable


class SupersededRows:
    """Counts the superseded rows of one slice. Of more than KEYS_MAX keys it counts some, and is not exact."""

    def __init__(self, keys_max: int = SUPERSEDED_KEYS_MAX) -> None:
        self.is_exact = True
        self._keys_max = keys_max
        self._last: dict[Hashable, RowId] = {}
        self._items_left: dict[RowId, int] = {}
        self._replaced_by: dict[RowId, RowId] = {}
        self._replaced: defaultdict[RowId, list[RowId]] = defaultdict(list)

    @property
    def count(self) -> int:
        """Rows that were superseded so far."""
        return len(self._replaced_by)

    def take(self, row: RowId, items: Sequence[Item]) -> None:
        """A row's items are written next."""
        keys = {item.key for item in items}
        if len(keys) > 1:
            self._items_left[row] = len(keys)
        for key in keys:
            before = self._last.get(key)
            if before is not None:
                self._replace(before, row)
            elif len(self._last) >= self._keys_max:
                self.is_exact = False
                continue
            self._last[key] = row

    def refuse(self, row: RowId) -> None:
        """The table did not take an item of the row, so that the row is a reject: what replaced it replaces others."""
        later, earlier = self._replaced_by.pop(row, None), self._replaced.pop(row, [])
        for each in earlier:
            if self._replaced_by.pop(each, None) is not None and later is not None:
                self._note(each, later)

    def _replace(self, before: RowId, row: RowId) -> None:
        left = self._items_left.get(before, 1) - 1
        if left:
            self._items_left[before] = left
            return
        self._items_left.pop(before, None)
        if len(self._replaced_by) < self._keys_max:
            self._note(before, row)
        else:
            self.is_exact = False

    def _note(self, before: RowId, row: RowId) -> None:
        self._replaced_by[before] = row
        self._replaced[row].append(before)
