"""Ordinary rows written at once: one pattern admits all cells, and a fixed form takes them as they are.

A row is ordinary when its cells need neither escapes nor a closer look: texts without quotes, backslashes
and control characters, numbers of at most 19 digits on each side of the point. All others are written
attribute by attribute, with the same result; so a pattern may be too strict, never too lax.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from json.encoder import encode_basestring as quote
from operator import itemgetter

from sluice.encoding.attributes import Form, Slot

# No ordinary cell holds it, so that each cell meets its own pattern.
_CELL_END = "\n"

Part = str | Slot
Pick = Callable[[Sequence[str]], tuple[str, ...]]


class ItemForms:
    """The forms of a mapping's items, by attribute name. One attribute at least is never left out."""

    def __init__(self, forms: Sequence[tuple[str, Form]]) -> None:
        members = [(f",{quote(name)}:", *form.parts) for name, form in forms]
        fixed = [member for member, (_, form) in zip(members, forms, strict=True) if form.optional is None]
        optional = [member for member, (_, form) in zip(members, forms, strict=True) if form.optional is not None]
        self._complete = _CompleteForm(members)
        self._sparse = _SparseForm(fixed, optional)

    def write(self, cells: Sequence[str]) -> str | None:
        """The item's members in JSON, `"a":{"S":"x"},"b":...`; None when the row is not ordinary."""
        return self._sparse.write(cells) if "" in cells else self._complete.write(cells)


class _CompleteForm:
    """The look of an item that has all its attributes."""

    def __init__(self, members: Sequence[tuple[Part, ...]]) -> None:
        slots = _slots(members)
        self._pick = picker([slot.column for slot in slots])
        self._admits = re.compile(_CELL_END.join(f"(?:{slot.pattern})" for slot in slots)).fullmatch
        self._texts = _texts(members)

    def write(self, cells: Sequence[str]) -> str | None:
        picked = self._pick(cells)
        if self._admits(_CELL_END.join(picked)) is None:
            return None
        texts = self._texts.copy()
        texts[1::2] = picked
        return "".join(texts)


class _SparseForm:
    """The look of an item whose optional attributes, of one cell each, are there when their cells are."""

    def __init__(self, fixed: Sequence[tuple[Part, ...]], optional: Sequence[tuple[Part, ...]]) -> None:
        fixed_slots, optional_slots = _slots(fixed), _slots(optional)
        patterns = [f"(?:{slot.pattern})" for slot in fixed_slots]
        patterns += [f"(?:{slot.pattern})?+" for slot in optional_slots]
        self._fixed_count = len(fixed_slots)
        self._pick = picker([slot.column for slot in fixed_slots + optional_slots])
        self._admits = re.compile(_CELL_END.join(patterns)).fullmatch
        self._texts = _texts(fixed)
        around = [_texts([member]) for member in optional]
        self._around = [(f",{before}", after) for before, _, after in around]

    def write(self, cells: Sequence[str]) -> str | None:
        picked = self._pick(cells)
        if self._admits(_CELL_END.join(picked)) is None:
            return None
        texts = self._texts.copy()
        texts[1::2] = picked[: self._fixed_count]
        optional = zip(self._around, picked[self._fixed_count :], strict=True)
        texts += [f"{before}{cell}{after}" for (before, after), cell in optional if cell]
        return "".join(texts)


def _slots(members: Iterable[tuple[Part, ...]]) -> list[Slot]:
    return [part for member in members for part in member if isinstance(part, Slot)]


def _texts(members: Iterable[tuple[Part, ...]]) -> list[str]:
    """The literals between the slots, no comma at the start; every second entry is a slot's place."""
    texts = [""]
    for part in (part for member in members for part in member):
        if isinstance(part, Slot):
            texts += ("", "")
        else:
            texts[-1] += part
    texts[0] = texts[0].removeprefix(",")
    return texts


def picker(columns: Sequence[int]) -> Pick:
    """A function that takes these columns' cells out of a row, as a tuple whatever their number."""
    if not columns:
        return lambda _cells: ()
    if len(columns) == 1:
        only = columns[0]
        return lambda cells: (cells[only],)
    return itemgetter(*columns)
