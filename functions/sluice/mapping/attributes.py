"""The attributes that a mapping describes. Each one writes itself for a row.

`encode` is exact: it says what is wrong with a row. `form` is the attribute's fixed look, literals and the
cells between them, for those that have one; sluice.mapping.attributes writes ordinary rows with it, many times faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as quote
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from sluice.dynamodb.numbers import ORDINARY_NUMBER, check_number
from sluice.dynamodb.values import binary_text
from sluice.errors import RejectError
from sluice.mapping.templates import CellTemplate
from sluice.rejects import Reason, located, quoted

# One character of text that needs no escapes in JSON.
ORDINARY_TEXT = r'[^"\\\x00-\x1f]'


class Slot(NamedTuple):
    """A cell in a form, and the pattern that it has when it may be written as it is."""

    column: int
    pattern: str


class Form(NamedTuple):
    """A fixed look: literals and slots. It is left out when the cell of the `optional` column is empty."""

    parts: tuple[str | Slot, ...]
    optional: int | None = None


class Attribute(Protocol):
    """One attribute, or one element of a list or map."""

    def encode(self, cells: Sequence[Any]) -> str | None:
        """The value in DynamoDB JSON; None when it is left out. Raises RejectError."""

    def form(self) -> Form | None:
        """The value's fixed look; None when it has none."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The same value in every item; `json` is {"BOOL":true} or the like."""

    json: str

    def encode(self, _cells: Sequence[Any]) -> str:
        """The constant."""
        return self.json

    def form(self) -> Form:
        """The constant."""
        return Form((self.json,))


def place(name: str, columns: Sequence[str]) -> str:
    """Where in an item, for messages."""
    return f"attribute {name} from {', '.join(map(repr, columns))}" if columns else f"attribute {name}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """S, N or B."""

    name: str
    type: str
    template: CellTemplate

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns that the value takes."""
        return self.template.columns

    def encode(self, cells: Sequence[Any]) -> str | None:
        """The text of the template, checked."""
        try:
            text = self.template.read(cells)
            if text is None:
                return None
            if self.type == "S":
                return f'{{"S":{quote(text)}}}'
            if self.type == "B":
                return f'{{"B":"{binary_text(text)}"}}'
            check_number(text)
        except RejectError as error:
            raise located(place(self.name, self.template.names), error) from error
        return f'{{"N":"{text}"}}'

    def form(self) -> Form | None:
        """Numbers have one when they are one column, texts unless words or several empty cells omit them."""
        column, omit = self.template.lone_column, self.template.omit
        optional = column if omit else None
        if self.type == "N" and column is not None:
            return Form(('{"N":"', Slot(column, ORDINARY_NUMBER), '"}'), optional)
        if self.type == "S" and (not omit or (column is not None and omit == ("",))):
            return Form(('{"S":"', *_text_parts(self.template), '"}'), optional)
        return None


def _text_parts(template: CellTemplate) -> list[str | Slot]:
    parts: list[str | Slot] = [quote(template.literals[0])[1:-1]]
    for column, literal in zip(template.columns, template.literals[1:], strict=True):
        parts += (Slot(column, f"{ORDINARY_TEXT}*+"), quote(literal)[1:-1])
    return parts


@dataclass(frozen=True, slots=True)
class Boolean:
    """BOOL: `words` are those the input names, `true` and `false` where it names none."""

    name: str
    template: CellTemplate
    words: Mapping[str, bool]

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns that the value takes."""
        return self.template.columns

    def encode(self, cells: Sequence[Any]) -> str | None:
        """The word's meaning; JSON's own true and false mean themselves."""
        try:
            value = self._value(cells)
        except RejectError as error:
            raise located(place(self.name, self.template.names), error) from error
        if value is None:
            return None
        return '{"BOOL":true}' if value else '{"BOOL":false}'

    def _value(self, cells: Sequence[Any]) -> bool | None:
        column = self.template.lone_column
        if column is not None and isinstance(cells[column], bool):
            return bool(cells[column])
        text = self.template.read(cells)
        if text is None:
            return None
        if text not in self.words:
            known = ", ".join(map(quoted, self.words))
            raise RejectError(Reason.BOOLEAN_UNKNOWN, f"{quoted(text)} is not one of the words {known}")
        return self.words[text]

    def form(self) -> None:
        """None: the words are looked up."""


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
