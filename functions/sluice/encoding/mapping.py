"""A run's mapping, checked and taken apart: JSON that says what an item looks like.

{"pk": "{icao}", "name": "{name}, {city}", "elevation": {"N": "{elevation}", "omitEmpty": true},
 "isOpen": {"BOOL": "{open}", "true": ["yes"], "false": ["no"]}, "tags": {"SS": "{tags}", "separator": "|"},
 "place": {"M": {"lat": {"N": "{lat}"}, "lon": {"N": "{lon}"}}}}

A plain text is S. omitEmpty leaves out empty cells, and those that hold a word it lists: ["NA", "null"].
A column whose name has braces cannot be taken by a template.
"""

from __future__ import annotations

from collections.abc import Mapping

from sluice.encoding.attributes import Attribute, Scalar
from sluice.encoding.item_keys import key_identity
from sluice.encoding.mapping_attributes import Where, parse_attribute
from sluice.encoding.source_columns import SourceColumns
from sluice.errors import InvalidInputError, RejectError
from sluice.keys import KeyAttribute, KeySchema

_MAX_NAME_BYTES = 65535


def parse_mapping(mapping: object, columns: SourceColumns, schema: KeySchema) -> dict[str, Attribute]:
    """The attributes of whole items by name. Raises InvalidInputError, whose field is the place: mapping.lat.N."""
    attributes = parse_attributes(mapping, columns)
    _check_keys(attributes, schema)
    return attributes


def parse_attributes(mapping: object, columns: SourceColumns) -> dict[str, Attribute]:
    """The attributes by name, be they an item or not. Raises InvalidInputError."""
    if not isinstance(mapping, Mapping) or not mapping:
        raise InvalidInputError("mapping", "must be an object with an entry for each attribute")
    for name in mapping:
        if not 1 <= len(name.encode("utf-8", "surrogatepass")) <= _MAX_NAME_BYTES:
            raise InvalidInputError("mapping", f"an attribute name has 1 to {_MAX_NAME_BYTES} bytes")
    return {name: parse_attribute(spec, Where(f"mapping.{name}", name, 1), columns) for name, spec in mapping.items()}


def _check_keys(attributes: Mapping[str, Attribute], schema: KeySchema) -> None:
    for key in schema.attributes:
        attribute, place = attributes.get(key.name), f"mapping.{key.name}"
        if attribute is None:
            raise InvalidInputError("mapping", f"yields no {key.name}, which is a key attribute of the table")
        if not isinstance(attribute, Scalar) or attribute.type != key.type:
            raise InvalidInputError(place, f"must be of type {key.type}, as the table's key is")
        if attribute.template.omit:
            raise InvalidInputError(f"{place}.omitEmpty", "a key attribute cannot be left out")
        if not attribute.columns:
            _check_constant_key(key, attribute.template.literals[0], place)


def _check_constant_key(key: KeyAttribute, text: str, place: str) -> None:
    try:
        key_identity(key, text)
    except RejectError as error:
        raise InvalidInputError(place, str(error)) from error
