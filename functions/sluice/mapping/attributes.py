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

from sluice.dynamodb.keys import KeyAttribute, key_identity
from sluice.dynamodb.numbers import ORDINARY_NUMBER, check_number, normal_form
from sluice.dynamodb.values import binary_text
from sluice.errors import RejectError
from sluice.mapping.number_texts import NumberText
from sluice.mapping.templates import CellTemplate
from sluice.rejects import Reason, located, quoted

# One character of text that needs no escapes in JSON.
ORDINARY_TEXT = r'[^"\\\x00-\x1f]'
# No ordinary cell holds it, so that each cell meets its own pattern.
_CELL_END = "\n"
_CHARACTER_MAX_BYTES = 4


class Slot(NamedTuple):
    """A cell in a form, and the pattern that it has when it may be written as it is, and is none of `words`."""

    column: int
    pattern: str
    words: tuple[str, ...] = ()

    @property
    def full_pattern(self) -> str:
        """The pattern with the words excluded."""
        excluded = _alternatives(self.words)
        return f"(?:(?!{excluded})(?:{self.pattern}))" if excluded else f"(?:{self.pattern})"

    @property
    def optional_pattern(self) -> str:
        """The pattern of a cell that may also be empty, or one of the words."""
        words = _alternatives(self.words)
        return f"(?:{words}|{self.pattern})?+" if words else f"(?:{self.pattern})?+"


def _alternatives(words: tuple[str, ...]) -> str:
    """A pattern that matches a cell that is one of the words. A cell with a line break has no form in any case."""
    known = "|".join(re.escape(word) for word in words if word and _CELL_END not in word)
    return rf"(?:{known})(?=\n|\Z)" if known else ""


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


def label(name: str, columns: Sequence[str]) -> str:
    """An attribute and the columns that it takes, for messages."""
    return f"attribute {name} from {', '.join(map(repr, columns))}" if columns else f"attribute {name}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """S, N or B. `number_text` makes the number of a cell that is spelled otherwise.

    `allow_empty`: a key is made of a template even where columns of it are empty.
    """

    name: str
    type: str
    template: CellTemplate
    number_text: NumberText | None = None
    allow_empty: bool = False

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns that the value takes."""
        return self.template.columns

    def text(self, cells: Sequence[Any]) -> str | None:
        """The value as it is in DynamoDB JSON, not checked; None when it is left out. Raises RejectError."""
        text = self.template.read(cells)
        return text if text is None or self.number_text is None else self.number_text(text)

    def encode(self, cells: Sequence[Any]) -> str | None:
        """The text of the template, checked."""
        try:
            text = self.text(cells)
            if text is None:
                return None
            if self.type == "S":
                return f'{{"S":{quote(text)}}}'
            if self.type == "B":
                return f'{{"B":"{binary_text(text)}"}}'
            check_number(text)
        except RejectError as error:
            raise located(label(self.name, self.template.names), error) from error
        return f'{{"N":"{text}"}}'

    def form(self) -> Form | None:
        """Numbers have one when they are one column as it is, texts unless several empty cells omit them."""
        column, omit = self.template.lone_column, self.template.omit
        optional = column if omit else None
        if self.type == "N" and column is not None and self.number_text is None:
            return Form(('{"N":"', Slot(column, ORDINARY_NUMBER, omit), '"}'), optional)
        if self.type == "S" and (not omit or column is not None):
            return Form(('{"S":"', *_text_parts(self.template), '"}'), optional)
        return None


@dataclass(frozen=True, slots=True)
class KeyValue:
    """An attribute that is a key of the table, or of an index, which DynamoDB does not take empty or too long."""

    key: KeyAttribute
    scalar: Scalar

    def identity(self, cells: Sequence[Any]) -> str | None:
        """The key's value, equal for equal keys; None when it is left out. Raises RejectError."""
        try:
            text = self._text(cells)
            return None if text is None else key_identity(self.key, text)
        except RejectError as error:
            raise located(label(f"{self.key.name} (a key)", self.scalar.template.names), error) from error

    def _text(self, cells: Sequence[Any]) -> str | None:
        text, is_own = self.scalar.text(cells), self.key.index is None
        if text is None:
            return "" if is_own else None
        if not self.scalar.allow_empty and self.scalar.template.lone_column is None:
            empty = self.scalar.template.empty_column(cells)
            if empty is not None:
                raise RejectError(
                    Reason.KEY_EMPTY, f'column {quoted(empty)} is empty ("allowEmpty": true loads the row)'
                )
        return text

    def encode(self, cells: Sequence[Any]) -> str | None:
        """The value, checked as a key."""
        return None if self.identity(cells) is None else self.scalar.encode(cells)

    def form(self) -> Form | None:
        """The scalar's form, with cells that make no key empty or too long."""
        form = self.scalar.form()
        if form is not None and self.key.index is None:
            form = form._replace(optional=None)
        if form is None or self.key.type == "N" or not self.scalar.columns:
            return form
        literal_bytes = sum(len(literal.encode()) for literal in self.scalar.template.literals)
        most = (self.key.max_bytes - literal_bytes) // _CHARACTER_MAX_BYTES // len(self.scalar.columns)
        if most < 1:
            return None
        pattern = f"{ORDINARY_TEXT}{{1,{most}}}+"
        parts = [part._replace(pattern=pattern) if isinstance(part, Slot) else part for part in form.parts]
        return form._replace(parts=tuple(parts))

    def ordinary_identity(self) -> Callable[[Sequence[str]], str]:
        """The key's value, taken from cells that its form admits."""
        column, template = self.scalar.template.lone_column, self.scalar.template
        if column is None:
            pattern = "%s".join(literal.replace("%", "%%") for literal in template.literals)
            pick = picker(template.columns)
            return lambda cells: pattern % pick(cells)
        if self.key.type == "N":
            return lambda cells: normal_form(cells[column])
        return itemgetter(column)


def _text_parts(template: CellTemplate) -> list[str | Slot]:
    parts: list[str | Slot] = [quote(template.literals[0])[1:-1]]
    for column, literal in zip(template.columns, template.literals[1:], strict=True):
        parts += (Slot(column, f"{ORDINARY_TEXT}*+", template.omit), quote(literal)[1:-1])
    return parts


UNNAMED_WORDS: Mapping[str, bool] = {"true": True, "false": False}


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
            raise located(label(self.name, self.template.names), error) from error
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

    def form(self) -> Form | None:
        """JSON's own words are written as they are; others are looked up."""
        column, omit = self.template.lone_column, self.template.omit
        if column is None or self.words is not UNNAMED_WORDS:
            return None
        return Form(('{"BOOL":', Slot(column, "true|false", omit), "}"), column if omit else None)


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A column without a name: it is no attribute, so a value in it rejects the row."""

    column: int

    def encode(self, cells: Sequence[Any]) -> None:
        """Nothing."""
        if cells[self.column]:
            problem = f"column {self.column + 1} has no name, and the value {quoted(str(cells[self.column]))}"
            raise RejectError(Reason.COLUMN_UNNAMED, f"{problem}: name it with source.headers, or use a mapping")

    def form(self) -> Form:
        """Nothing but the empty cell."""
        return Form(("", Slot(self.column, "(?!)"), ""), self.column)


Part = str | Slot
Pick = Callable[[Sequence[str]], tuple[str, ...]]


class ItemForms:
    """The forms of a mapping's attributes, by name. `write` begins with a comma when all are optional."""

    def __init__(self, forms: Sequence[tuple[str, Form]]) -> None:
        members = [_member(name, form) for name, form in forms]
        fixed = [member for member, (_, form) in zip(members, forms, strict=True) if form.optional is None]
        optional = [member for member, (_, form) in zip(members, forms, strict=True) if form.optional is not None]
        self._complete = _CompleteForm(members)
        self._sparse = _SparseForm(fixed, optional)
        self._has_words = any(any(slot.words) for slot in _slots(optional))

    def write(self, cells: Sequence[str]) -> str | None:
        """The item's members in JSON, `"a":{"S":"x"},"b":...`; None when the row is not ordinary."""
        if "" in cells:
            return self._sparse.write(cells)
        written = self._complete.write(cells)
        return self._sparse.write(cells) if written is None and self._has_words else written


def _member(name: str, form: Form) -> tuple[Part, ...]:
    """An attribute's name and form; one without a name is never written."""
    return (f",{quote(name)}:", *form.parts) if name else form.parts


class _CompleteForm:
    """The look of an item that has all its attributes."""

    def __init__(self, members: Sequence[tuple[Part, ...]]) -> None:
        slots = _slots(members)
        self._pick = picker([slot.column for slot in slots])
        self._admits = re.compile(_CELL_END.join(slot.full_pattern for slot in slots)).fullmatch
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
        patterns = [slot.full_pattern for slot in fixed_slots] + [slot.optional_pattern for slot in optional_slots]
        self._fixed_count = len(fixed_slots)
        self._pick = picker([slot.column for slot in fixed_slots + optional_slots])
        self._admits = re.compile(_CELL_END.join(patterns)).fullmatch
        self._texts = _texts(fixed)
        around = [_texts([member]) for member in optional]
        words = [frozenset(("", *slot.words)) for slot in optional_slots]
        self._around = [(f",{before}", after, empty) for (before, _, after), empty in zip(around, words, strict=True)]

    def write(self, cells: Sequence[str]) -> str | None:
        picked = self._pick(cells)
        if self._admits(_CELL_END.join(picked)) is None:
            return None
        texts = self._texts.copy()
        texts[1::2] = picked[: self._fixed_count]
        optional = zip(self._around, picked[self._fixed_count :], strict=True)
        texts += [f"{before}{cell}{after}" for (before, after, empty), cell in optional if cell not in empty]
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
