"""From row to item, by one of three item sources: a mapping, a transform by name, or the keys alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sluice.dynamodb.items import RowEncoder
from sluice.dynamodb.keys import KeySchema
from sluice.errors import InvalidInputError
from sluice.mapping.attributes import Attribute
from sluice.mapping.mapped_rows import MappedRows
from sluice.mapping.mapping import parse_mapping
from sluice.mapping.natural_rows import NaturalRows
from sluice.mapping.row_identity import RowIdentity
from sluice.mapping.templates import SourceColumns, listed
from sluice.mapping.transforms import TransformedRows, load_transform
from sluice.mapping.typed_columns import ColumnOptions, typed_columns

_ITEM_SOURCES = ("mapping", "transform", "keys")


class SourceEncoder(RowEncoder, Protocol):
    """Encodes the rows of a source. `identity` is that of the object whose rows come next."""

    identity: RowIdentity

    @property
    def unseen(self) -> set[str]:
        """Columns that the input names and no row has had so far; always empty for a source with a header."""


def encoder_for(
    load: Mapping[str, Any], columns: Sequence[str] | None, schema: KeySchema, *, has_identity: bool = False
) -> SourceEncoder:
    """The encoder that the input asks for; `columns` is the source's header, None where it has none.

    `has_identity`: rows have numbers and come from an object, which templates may take.
    All that can be known without a row is checked: raises InvalidInputError whose field is the exact path.
    """
    given = [source for source in _ITEM_SOURCES if load.get(source) is not None]
    if len(given) != 1:
        raise InvalidInputError("mapping", f"give one of {', '.join(_ITEM_SOURCES)}; the input has {listed(given)}")
    return _ENCODERS[given[0]](load, SourceColumns(columns, has_identity=has_identity), schema)


def _mapping_encoder(load: Mapping[str, Any], columns: SourceColumns, schema: KeySchema) -> SourceEncoder:
    attributes = parse_mapping(load["mapping"], columns, schema)
    return MappedRows(_written(attributes, "mapping", load, schema), columns, schema)


def _transform_encoder(load: Mapping[str, Any], columns: SourceColumns, schema: KeySchema) -> SourceEncoder:
    header = columns.names if columns.is_fixed else None
    return TransformedRows(load_transform(load["transform"]), header, schema, only_key=_is_delete(load))


def _keys_encoder(load: Mapping[str, Any], columns: SourceColumns, schema: KeySchema) -> SourceEncoder:
    names, expected = load["keys"], [key.name for key in schema.attributes]
    if not isinstance(names, list) or sorted(map(str, names)) != sorted(expected):
        raise InvalidInputError("keys", f"must be the table's key attributes: {listed(expected)}")
    options = ColumnOptions.from_input(load)
    if not columns.is_fixed:
        return NaturalRows(schema, options, only_key=_is_delete(load))
    attributes = _written(typed_columns(columns.names, options, schema), "keys", load, schema)
    unnamed = [] if _is_delete(load) else [index for index, name in enumerate(columns.names) if not name]
    return MappedRows(attributes, columns, schema, unnamed=unnamed)


def _is_delete(load: Mapping[str, Any]) -> bool:
    return load.get("write") == "delete"


def _written(
    attributes: Mapping[str, Attribute], field: str, load: Mapping[str, Any], schema: KeySchema
) -> Mapping[str, Attribute]:
    """The attributes that are sent: of a deletion those of the key."""
    key = {each.name: attributes[each.name] for each in schema.attributes}
    if load.get("write") == "update" and len(attributes) == len(key):
        problem = "has only the key, which an update leaves as it is"
        raise InvalidInputError(field, f'{problem}; add the attributes to set, or use "write": "put"')
    return key if _is_delete(load) else attributes


_ENCODERS: dict[str, Callable[[Mapping[str, Any], SourceColumns, KeySchema], SourceEncoder]] = {
    "mapping": _mapping_encoder,
    "transform": _transform_encoder,
    "keys": _keys_encoder,
}
