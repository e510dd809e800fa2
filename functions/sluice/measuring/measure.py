"""What there is to know about one item collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.encoding.sizes import item_size
from sluice.measuring.item_collections import Item, ItemCollections


@dataclass(frozen=True, slots=True)
class Measure:
    """`bytes` are those of the items, as DynamoDB counts them; `oldest` and `newest` the first and last sort key."""

    items: int = 0
    bytes: int = 0
    oldest: Any = None
    newest: Any = None

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Measure:
        """Read what `to_state` returns."""
        return cls(state["items"], state["bytes"], state["oldest"], state["newest"])

    def to_state(self) -> dict[str, Any]:
        """The measure as it travels in state and stands in the report."""
        return {"items": self.items, "bytes": self.bytes, "oldest": self.oldest, "newest": self.newest}

    def plus(self, page: Sequence[Item], collections: ItemCollections) -> Measure:
        """With the collection's next page, in key order."""
        if not page:
            return self
        return Measure(
            items=self.items + len(page),
            bytes=self.bytes + sum(map(item_size, page)),
            oldest=self.oldest if self.items else collections.sort_key(page[0]),
            newest=collections.sort_key(page[-1]),
        )
