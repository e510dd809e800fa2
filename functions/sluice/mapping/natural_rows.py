"""JSON records to items by the keys alone: each field by its own type, or by that of the input or the table."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring as quote
from typing import Any

from sluice.dynamodb.items import Item, Row, make_item
from sluice.dynamodb.keys import KeyAttribute, KeySchema, key_identity
from sluice.dynamodb.values import binary_text, encode_attribute
from sluice.errors import RejectError
from sluice.mapping.attributes import Attribute
from sluice.mapping.row_identity import NOWHERE, RowIdentity
from sluice.mapping.templates import is_empty, json_type
from sluice.mapping.typed_columns import REST, ColumnOptions, column_attribute, column_type
from sluice.rejects import Reason, located, quoted

_ATTRIBUTES_CACHED = 1024


class NaturalRows:
    """The row encoder of JSON records without a mapping. Keys have the table's type: 5 is "5" where a key is S.

    `only_key`: the items have their key attributes alone.
    """

    def __init__(self, schema: KeySchema, options: ColumnOptions | None = None, *, only_key: bool = False) -> None:
        self.identity: RowIdentity = NOWHERE
        self._options = options or ColumnOptions()
        self._schema = schema
        self._sent = {key.name for key in schema.attributes} if only_key else None
        self._keys = {key.name: key for key in (*schema.attributes, *schema.indexed)}
        named = self._options.types.keys() - {REST}
        for column in named:
            column_type(column, self._keys.get(self._options.attribute_name(column)), self._options)
        self.unseen = {*named, *self._options.rename}
        self._typed = lru_cache(_ATTRIBUTES_CACHED)(self._new_attribute)

    def __call__(self, row: Row, _number: int = 0) -> Sequence[Item]:
        """The record as an item. Raises RejectError."""
        if not isinstance(row, Mapping):
            raise TypeError("the row is not a JSON object")
        if self.unseen:
            self.unseen -= row.keys()
        key = tuple([self._key_identity(each, row) for each in self._schema.attributes])
        values: dict[str, str] = {}
        for column, value in row.items():
            name = self._options.attribute_name(column)
            if self._sent is not None and name not in self._sent:
                continue
            encoded = self._encode(name, column, value)
            if name in values:
                raise RejectError(Reason.VALUE_UNSUPPORTED, f"two columns become the attribute {quoted(name)}")
            if encoded is not None:
                values[name] = encoded
        return (make_item(key, values),)

    def _encode(self, name: str, column: str, value: Any) -> str | None:
        if name in self._keys:
            return self._encode_key(self._keys[name], value)
        typed = self._typed(name, column)
        if typed is not None:
            return typed.encode((value,))
        if self._options.omit and is_empty(value, self._options.omit):
            return None
        return encode_attribute(name, value)

    def _new_attribute(self, name: str, column: str) -> Attribute | None:
        kind = self._options.type_of(column, None)
        return column_attribute(name, kind, 0, column, self._options.omit) if kind else None

    def _key_identity(self, key: KeyAttribute, row: Mapping[str, Any]) -> str:
        column = next((each for each, name in self._options.rename.items() if name == key.name), key.name)
        if column not in row:
            raise RejectError(Reason.KEY_MISSING, f"attribute {key.name} (a key): the record has no {quoted(column)}")
        return self._checked(key, row[column])[0]

    def _encode_key(self, key: KeyAttribute, value: Any) -> str | None:
        if key.index is not None and self._options.omit and is_empty(value, self._options.omit):
            return None
        text = self._checked(key, value)[1]
        return f'{{"{key.type}":{quote(binary_text(text) if key.type == "B" else text)}}}'

    def _checked(self, key: KeyAttribute, value: Any) -> tuple[str, str]:
        """The key's identity, and its text."""
        try:
            text = _key_text(key, value)
            return key_identity(key, "" if text in self._options.omit else text), text
        except RejectError as error:
            raise located(f"attribute {key.name} (a key)", error) from error


def _key_text(key: KeyAttribute, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes) and key.type == "B":
        return base64.b64encode(value).decode()
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and key.type != "B":
        return str(value)
    raise RejectError(Reason.KEY_TYPE_MISMATCH, f"{json_type(value)}, where {key.owner} is {key.type}")
