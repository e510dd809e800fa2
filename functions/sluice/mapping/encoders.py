"""From row to item, in one of three ways: a mapping, a transform by name, or keys alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluice.dynamodb.items import RowEncoder
from sluice.dynamodb.keys import KeySchema
from sluice.errors import InvalidInputError
from sluice.mapping.attributes import Attribute, Scalar
from sluice.mapping.mapped_rows import MappedRows
from sluice.mapping.mapping import parse_mapping
from sluice.mapping.templates import CellTemplate, SourceColumns, listed
from sluice.mapping.transforms import NaturalRows, TransformedRows, load_transform

_WAYS = ("mapping", "transform", "keys")


def encoder_for(load: Mapping[str, Any], columns: Sequence[str] | None, schema: KeySchema) -> RowEncoder:
    """The encoder that the input asks for; `columns` is the source's header, None where it has none.

    All that can be known without a row is checked: raises InvalidInputError whose field is the exact place.
    """
    given = [way for way in _WAYS if load.get(way) is not None]
    if len(given) != 1:
        raise InvalidInputError("mapping", f"give one of {', '.join(_WAYS)}; the input has {listed(given)}")
    return _ENCODERS[given[0]](load[given[0]], columns, schema)


def _mapping_encoder(mapping: object, header: Sequence[str] | None, schema: KeySchema) -> RowEncoder:
    columns = SourceColumns(header)
    return MappedRows(parse_mapping(mapping, columns, schema), columns, schema)


def _transform_encoder(name: object, header: Sequence[str] | None, schema: KeySchema) -> RowEncoder:
    return TransformedRows(load_transform(name), header, schema)


def _keys_encoder(names: object, header: Sequence[str] | None, schema: KeySchema) -> RowEncoder:
    expected = [key.name for key in schema.attributes]
    if not isinstance(names, list) or sorted(map(str, names)) != sorted(expected):
        raise InvalidInputError("keys", f"must be the table's key attributes: {listed(expected)}")
    return NaturalRows(schema) if header is None else _text_encoder(header, schema)


def _text_encoder(header: Sequence[str], schema: KeySchema) -> RowEncoder:
    for key in schema.attributes:
        if key.name not in header:
            raise InvalidInputError("keys", f"the source has no column {key.name}; it has {listed(header)}")
        if key.type != "S":
            raise InvalidInputError(
                "keys",
                f"every column is loaded as S, and the table's key {key.name} is {key.type}: use a mapping",
            )
    if "" in header:
        raise InvalidInputError(
            "keys", f"column {header.index('') + 1} has no name to be an attribute's: use a mapping"
        )
    attributes: dict[str, Attribute] = {
        name: Scalar(name, "S", CellTemplate.of_column(index, name)) for index, name in enumerate(header)
    }
    return MappedRows(attributes, SourceColumns(header), schema)


_ENCODERS: dict[str, Callable[[object, Sequence[str] | None, KeySchema], RowEncoder]] = {
    "mapping": _mapping_encoder,
    "transform": _transform_encoder,
    "keys": _keys_encoder,
}
