"""What one item becomes in another table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sluice.encoding.item import Item
from sluice.encoding.sizes import item_size
from sluice.transforming.changes import write_units


@dataclass(frozen=True, slots=True)
class Puts:
    """The items that one becomes in another table."""

    items: Sequence[Item]

    def after(self) -> Any:
        """The item, all of several, or None."""
        items = [json.loads(each.body) for each in self.items]
        return items if len(items) > 1 else next(iter(items), None)

    def write_units(self) -> float:
        """What the puts take where nothing is replaced that is larger."""
        return sum(write_units(item_size(json.loads(each.body))) for each in self.items)
