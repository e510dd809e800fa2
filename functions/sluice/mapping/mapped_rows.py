"""Rows to items by the attributes of a mapping."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring as quote
from operator import itemgetter
from typing import Any

from sluice.dynamodb.items import Item, Row, check_item_size, make_item
from sluice.dynamodb.keys import KeyAttribute, KeySchema, key_identity
from sluice.dynamodb.numbers import normal_form
from sluice.errors import RejectError
from sluice.mapping.attributes import ORDINARY_TEXT, Attribute, Form, ItemForms, Scalar, Slot, picker, place
from sluice.mapping.templates import MISSING, SourceColumns, plain_text
from sluice.rejects import Reason, located

_CHARACTER_MAX_BYTES = 4
# No form admits it: it stands for a value that has no text.
_UNORDINARY = "\x00"


class MappedRows:
    """The row encoder of a mapping: one row, one item. `attributes` holds a Scalar for each key attribute."""

    def __init__(self, attributes: Mapping[str, Attribute], columns: SourceColumns, schema: KeySchema) -> None:
        self._attributes = list(attributes.items())
        self._columns = columns
        self._width = len(columns.names)
        self._keys = [(key, scalar) for key in schema.attributes if isinstance(scalar := attributes[key.name], Scalar)]
        self._key_readers = [_ordinary_key(key, scalar) for key, scalar in self._keys]
        self._forms, self._formless, self._required = self._ordinary_forms()

    def __call__(self, row: Row) -> Sequence[Item]:
        """The row's item. Raises RejectError."""
        # A list is told at once; asking whether it is a Mapping costs as much as writing four cells.
        if not isinstance(row, list) and isinstance(row, Mapping):
            cells = self._columns.cells(row)
            return (self._write_ordinary(self._texts(cells), cells) or self._write_exactly(cells),)
        if len(row) != self._width:
            raise RejectError(Reason.ROW_RAGGED, f"the row has {len(row)} values for {self._width} columns")
        return (self._write_ordinary(row, row) or self._write_exactly(row),)

    def _write_ordinary(self, texts: Sequence[str], cells: Sequence[Any]) -> Item | None:
        members = self._forms.write(texts) if self._forms else None
        if members is None:
            return None
        for name, attribute in self._formless:
            value = attribute.encode(cells)
            if value is not None:
                members += f",{quote(name)}:{value}"
        try:
            body = f"{{{members}}}".encode()
        except UnicodeEncodeError:
            return None
        check_item_size(body)
        return Item(tuple([read(texts) for read in self._key_readers]), body)

    def _write_exactly(self, cells: Sequence[Any]) -> Item:
        key = tuple([_exact_key(key, scalar, cells) for key, scalar in self._keys])
        values = [(name, attribute.encode(cells)) for name, attribute in self._attributes]
        return make_item(key, {name: value for name, value in values if value is not None})

    def _texts(self, cells: Sequence[Any]) -> list[str]:
        """A JSON record's cells as texts, for its form."""
        return [cell if type(cell) is str else self._ordinary_text(cell, column) for column, cell in enumerate(cells)]

    def _ordinary_text(self, cell: object, column: int) -> str:
        text = None if cell is MISSING and column in self._required else plain_text(cell)
        return _UNORDINARY if text is None else text

    def _ordinary_forms(self) -> tuple[ItemForms | None, list[tuple[str, Attribute]], frozenset[int]]:
        """The forms (none where a key has none), attributes without one, columns that may not be missing."""
        forms = {name: attribute.form() for name, attribute in self._attributes}
        forms |= {key.name: _key_form(key, scalar) for key, scalar in self._keys}
        if any(forms[key.name] is None for key, _ in self._keys):
            return None, self._attributes, frozenset()
        formed = [(name, form) for name, form in forms.items() if form is not None]
        formless = [(name, attribute) for name, attribute in self._attributes if forms[name] is None]
        required = [part for _, form in formed if form.optional is None for part in form.parts]
        return (
            ItemForms(formed),
            formless,
            frozenset(part.column for part in required if isinstance(part, Slot)),
        )


def _key_form(key: KeyAttribute, scalar: Scalar) -> Form | None:
    form = scalar.form()
    if form is None or key.type == "N" or not scalar.columns:
        return form
    literal_bytes = sum(len(literal.encode()) for literal in scalar.template.literals)
    most = (key.max_bytes - literal_bytes) // _CHARACTER_MAX_BYTES // len(scalar.columns)
    if most < 1:
        return None
    pattern = f"{ORDINARY_TEXT}{{1,{most}}}+"
    return Form(tuple(Slot(part.column, pattern) if isinstance(part, Slot) else part for part in form.parts))


def _ordinary_key(key: KeyAttribute, scalar: Scalar) -> Callable[[Sequence[str]], str]:
    """The key's identity, taken from cells that the key's form admits."""
    column = scalar.template.lone_column
    if column is None:
        pattern = "%s".join(literal.replace("%", "%%") for literal in scalar.template.literals)
        pick = picker(scalar.columns)
        return lambda cells: pattern % pick(cells)
    if key.type == "N":
        return lambda cells: normal_form(cells[column])
    return itemgetter(column)


def _exact_key(key: KeyAttribute, scalar: Scalar, cells: Sequence[Any]) -> str:
    try:
        return key_identity(key, scalar.template.read(cells) or "")
    except RejectError as error:
        raise located(place(f"{key.name} (a key)", scalar.template.names), error) from error
