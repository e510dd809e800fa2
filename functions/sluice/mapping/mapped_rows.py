"""Rows to items by the attributes of a mapping."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring as quote
from typing import Any

from sluice.dynamodb.items import Item, Row, check_item_size, make_item
from sluice.dynamodb.keys import KeyAttribute, KeySchema
from sluice.errors import RejectError
from sluice.mapping.attributes import Attribute, Boolean, Form, ItemForms, KeyValue, Scalar, Slot, Unnamed
from sluice.mapping.row_identity import NOWHERE, RowIdentity
from sluice.mapping.templates import MISSING, SourceColumns, plain_text
from sluice.rejects import Reason

# No form admits it: it stands for a value that has no text.
_UNORDINARY = "\x00"


class MappedRows:
    """The row encoder of a mapping: one row, one item. `attributes` holds a Scalar for each key attribute.

    `unnamed`: columns that must be empty, because they have no name to be an attribute's.
    """

    def __init__(
        self,
        attributes: Mapping[str, Attribute],
        columns: SourceColumns,
        schema: KeySchema,
        *,
        unnamed: Sequence[int] = (),
    ) -> None:
        self.identity: RowIdentity = NOWHERE
        self._columns = columns
        self._width = columns.width - len(columns.identity) if columns.is_fixed else 0
        self._keys = [_key_value(key, attributes[key.name]) for key in schema.attributes]
        checked = {key.name: _key_value(key, attributes[key.name]) for key in schema.indexed if key.name in attributes}
        self._attributes = [(name, checked.get(name, attribute)) for name, attribute in attributes.items()]
        self._attributes += [("", Unnamed(column)) for column in unnamed]
        self._forms, self._formless, self._required, self._key_readers = self._ordinary_forms()

    @property
    def unseen(self) -> set[str]:
        """Columns of a source without header that no row has had so far."""
        return self._columns.unseen

    def __call__(self, row: Row, number: int = 0) -> Sequence[Item]:
        """The row's item. Raises RejectError."""
        names = self._columns.identity
        identity = self.identity.cells(names, number) if names else ()
        # A list is known at once; asking whether it is a Mapping costs as much as writing four cells.
        if not isinstance(row, list) and isinstance(row, Mapping):
            cells = self._columns.cells(row, identity)
            return (self._write_ordinary(self._texts(cells), cells) or self._write_exactly(cells),)
        if len(row) != self._width:
            raise RejectError(Reason.ROW_RAGGED, f"the row has {len(row)} values for {self._width} columns")
        if identity:
            row = [*row, *identity]
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
            body = f"{{{members.removeprefix(',')}}}".encode()
        except UnicodeEncodeError:
            return None
        check_item_size(body)
        return Item(tuple([read(texts) for read in self._key_readers]), body)

    def _write_exactly(self, cells: Sequence[Any]) -> Item:
        key = tuple([each.identity(cells) or "" for each in self._keys])
        values = [(name, attribute.encode(cells)) for name, attribute in self._attributes]
        return make_item(key, {name: value for name, value in values if value is not None})

    def _texts(self, cells: Sequence[Any]) -> list[str]:
        """A JSON record's cells as texts, for its form."""
        return [cell if type(cell) is str else self._ordinary_text(cell, column) for column, cell in enumerate(cells)]

    def _ordinary_text(self, cell: object, column: int) -> str:
        text = None if cell is MISSING and column in self._required else plain_text(cell)
        return _UNORDINARY if text is None else text

    def _ordinary_forms(self) -> tuple[ItemForms | None, list[tuple[str, Attribute]], frozenset[int], _KeyReaders]:
        """The forms (none where a key has none), attributes without one, columns that may not be missing."""
        forms = [(name, attribute, self._form(attribute)) for name, attribute in self._attributes]
        key_forms = {each.key.name: each.form() for each in self._keys}
        if any(form is None for form in key_forms.values()):
            return None, self._attributes, frozenset(), []
        forms = [(name, attribute, key_forms.get(name, form)) for name, attribute, form in forms]
        formed = [(name, form) for name, _, form in forms if form is not None]
        formless = [(name, attribute) for name, attribute, form in forms if form is None]
        required = [part for _, form in formed if form.optional is None for part in form.parts]
        return (
            ItemForms(formed),
            formless,
            frozenset(part.column for part in required if isinstance(part, Slot)),
            [each.ordinary_identity() for each in self._keys],
        )

    def _form(self, attribute: Attribute) -> Form | None:
        # JSON's booleans are no texts.
        return None if isinstance(attribute, Boolean) and not self._columns.is_fixed else attribute.form()


_KeyReaders = list[Callable[[Sequence[str]], str]]


def _key_value(key: KeyAttribute, attribute: Attribute) -> KeyValue:
    if not isinstance(attribute, Scalar):
        raise TypeError(f"{key.name} is a key, and no Scalar")
    return KeyValue(key, attribute)
