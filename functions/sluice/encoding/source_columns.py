"""The columns that a mapping takes, by name and by place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluice.encoding.cell_templates import MISSING
from sluice.rejects import quoted

_LISTED_NAMES = 100


class SourceColumns:
    """A source's header, or the fields asked for so far where the source has none."""

    def __init__(self, header: Sequence[str] | None) -> None:
        self.is_fixed = header is not None
        self._indexes = {name: index for index, name in enumerate(header or ())}

    @property
    def names(self) -> list[str]:
        """The columns in their order."""
        return list(self._indexes)

    def index(self, name: str) -> int:
        """Where the column stands in a row. Raises ValueError when the header lacks it."""
        if name not in self._indexes:
            if self.is_fixed:
                raise ValueError(f"the source has no column {quoted(name)}; it has {listed(self.names)}")
            self._indexes[name] = len(self._indexes)
        return self._indexes[name]

    def cells(self, record: Mapping[str, Any]) -> list[Any]:
        """The record's values in the columns' order, MISSING where it has none."""
        return [record.get(name, MISSING) for name in self._indexes]


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first hundred of them."""
    more = f" and {len(names) - _LISTED_NAMES} more" if len(names) > _LISTED_NAMES else ""
    return ", ".join(names[:_LISTED_NAMES]) + more if names else "none"
