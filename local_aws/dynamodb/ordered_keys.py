"""Keys in order, kept up to date at little cost to writes."""

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")

# Up to this share of changed keys each is inserted; beyond it, sorting everything again is quicker.
FEW = 1 / 16


class OrderedKeys(Generic[Key]):
    """The keys that a container holds, in order: changes are noted when made, and settled when the order is read."""

    __slots__ = ("_changed", "_keys")

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys: list[Key] = []
        self._changed = list(keys)

    def note(self, key: Key) -> None:
        """Say that the key came or went."""
        self._changed.append(key)

    def settled(self, held: Container[Key], position: Callable[[Key], Any]) -> list[Key]:
        """The keys that are held, ordered by position; not to be changed."""
        if self._changed:
            if len(self._changed) > len(self._keys) * FEW + 1:
                present = {key for key in (*self._keys, *self._changed) if key in held}
                self._keys = sorted(present, key=position)
            else:
                for key in self._changed:
                    self._insert(key, key in held, position)
            self._changed = []
        return self._keys

    def _insert(self, key: Key, is_held: bool, position: Callable[[Key], Any]) -> None:
        index = bisect_left(self._keys, position(key), key=position)
        is_placed = index < len(self._keys) and self._keys[index] == key
        if is_held and not is_placed:
            self._keys.insert(index, key)
        elif is_placed and not is_held:
            del self._keys[index]
