"""Ordinary rows written at once: one pattern admits all cells, and a fixed form takes them as they are.

A row is ordinary when its cells need neither escapes nor a closer look: texts without quotes, backslashes
and control characters, numbers of at most 19 digits on each side of the point. All others are written
attribute by attribute, with the same result; so a pattern may be too strict, never too lax.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as quote
from operator import itemgetter

from sluice.attributes import Form, Slot

# Each combination of optional cells has a form of its own; rows beyond so many combinations are not ordinary.
MAX_FORMS = 64
# No ordinary cell holds it, so that each cell meets its own pattern.
_CELL_END = "\n"

Pick = Callable[[Sequence[str]], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ItemForm:
    """An item's look for one combination of optional cells; every second of `parts` is a cell's place."""

    pick: Pick
    admits: Callable[[str], object]
    parts: list[str]

    @classmethod
    def of(cls, parts: Sequence[str | Slot]) -> ItemForm:
        """Join the literals between the slots and compile the slots' pattern."""
        slots = [part for part in parts if isinstance(part, Slot)]
        texts = [""]
        for part in parts:
            if isinstance(part, Slot):
                texts += ("", "")
            else:
                texts[-1] += part
        pattern = _CELL_END.join(f"(?:{slot.pattern})" for slot in slots)
        return cls(picker([slot.column for slot in slots]), re.compile(pattern).fullmatch, texts)

    def write(self, cells: Sequence[str]) -> str | None:
        """The item's members, or None when the cells are not ordinary."""
        picked = self.pick(cells)
        if self.admits(_CELL_END.join(picked)) is None:
            return None
        parts = self.parts.copy()
        parts[1::2] = picked
        return "".join(parts)


class ItemForms:
    """The forms of a mapping's items, made as rows need them. One attribute at least is never left out."""

    def __init__(self, attributes: Sequence[tuple[str, Form]]) -> None:
        self._attributes = attributes
        self._optional = [form.optional for _, form in attributes if form.optional is not None]
        self._pick_optional = picker(self._optional)
        self._all_present = (True,) * len(self._optional)
        self._forms: dict[tuple[bool, ...], ItemForm] = {}

    def write(self, cells: Sequence[str]) -> str | None:
        """The item's members in JSON, `"a":{"S":"x"},"b":...`; None when the row is not ordinary."""
        present = tuple(map(bool, self._pick_optional(cells))) if "" in cells else self._all_present
        form = self._forms.get(present) or self._add(present)
        return None if form is None else form.write(cells)

    def _add(self, present: tuple[bool, ...]) -> ItemForm | None:
        if len(self._forms) == MAX_FORMS:
            return None
        absent = {
            column for column, is_present in zip(self._optional, present, strict=True) if not is_present
        }
        parts: list[str | Slot] = []
        for name, form in self._attributes:
            if form.optional not in absent:
                parts += ("," if parts else "", f"{quote(name)}:", *form.parts)
        self._forms[present] = ItemForm.of(parts)
        return self._forms[present]


def picker(columns: Sequence[int]) -> Pick:
    """A function that takes these columns' cells out of a row, as a tuple whatever their number."""
    if not columns:
        return lambda _cells: ()
    if len(columns) == 1:
        only = columns[0]
        return lambda cells: (cells[only],)
    return itemgetter(*columns)
