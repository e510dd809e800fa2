"""From an item to its change in place: by the user's transform, or by a mapping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from sluice.encoding.attributes import Attribute
from sluice.encoding.cell_templates import MISSING
from sluice.encoding.mapping import parse_attributes
from sluice.encoding.named_transforms import load_transform
from sluice.encoding.plain_rows import Transform, transform_failed
from sluice.encoding.plain_values import Attributes, plain_item, plain_value
from sluice.encoding.source_columns import SourceColumns
from sluice.encoding.values import encode_attribute
from sluice.errors import InvalidInputError, RejectError
from sluice.keys import KeySchema
from sluice.rejects import Reason
from sluice.transforming.changes import Change, Removal, Update, difference
from sluice.transforming.delete import DELETE

# What is still the object that was given is as it was given.
_IMMUTABLE = frozenset({str, Decimal, bytes, bool, type(None)})

# Changes an item in DynamoDB JSON; None leaves it as it is. Raises RejectError.
InPlace = Callable[[Attributes], Change | None]


def in_place(way: Mapping[str, Any], schema: KeySchema) -> InPlace:
    """The change that the input asks for. Raises InvalidInputError whose field is the exact place."""
    if "transform" in way:
        return TransformedInPlace(load_transform(way["transform"]), schema)
    return MappedInPlace(way["mapping"], schema)


class TransformedInPlace:
    """Gives the transform an item of plain values, its own to change, and finds out what it has changed."""

    def __init__(self, transform: Transform, schema: KeySchema) -> None:
        self._transform = transform
        self._schema = schema

    def __call__(self, before: Attributes) -> Change | None:
        """What becomes of the item. Raises RejectError for whatever the transform raises or returns wrongly."""
        try:
            return self._change(before)
        except RejectError:
            raise
        # Not only the transform can raise anything, but also what it returns, as it is looked at.
        except (Exception, SystemExit) as error:
            raise transform_failed(error) from error

    def _change(self, before: Attributes) -> Change | None:
        given = plain_item(before)
        known = given.copy()
        result = self._transform(given)
        if result is None:
            return None
        if result is DELETE:
            return Removal(before)
        if isinstance(result, list | tuple):
            raise RejectError(Reason.SEVERAL_ITEMS, f"the transform returned {len(result)} items for one in its place")
        if not isinstance(result, Mapping):
            raise RejectError(Reason.VALUE_UNSUPPORTED, f"the transform returned a {type(result).__name__} for an item")
        values = {
            name: encode_attribute(name, value)
            for name, value in result.items()
            if not (type(value) in _IMMUTABLE and name in known and known[name] is value)
        }
        return difference(before, values, known.keys() - result.keys(), self._schema)


class MappedInPlace:
    """Sets the attributes that a mapping names; those that it leaves out stay as they are."""

    def __init__(self, mapping: object, schema: KeySchema) -> None:
        self._columns = SourceColumns(None)
        self._attributes: Mapping[str, Attribute] = parse_attributes(mapping, self._columns)
        self._schema = schema
        for key in schema.attributes:
            if key.name in self._attributes:
                raise InvalidInputError(f"mapping.{key.name}", "is the table's key, which stays as it is")

    def __call__(self, before: Attributes) -> Update | None:
        """What becomes of the item. Raises RejectError."""
        cells = _cells(before, self._columns)
        encoded = {name: attribute.encode(cells) for name, attribute in self._attributes.items()}
        values = {name: value for name, value in encoded.items() if value is not None}
        return difference(before, values, set(), self._schema)


def _cells(item: Attributes, columns: SourceColumns) -> list[Any]:
    """The values of these columns."""
    return [cell(item[name]) if name in item else MISSING for name in columns.names]


def cell(typed: Mapping[str, Any]) -> Any:
    """A value that a mapping takes; binaries are base64, as in every text."""
    return typed["B"] if "B" in typed else plain_value(typed)
