"""What a transform or a mapping makes of an item: a change in place, or items of a target table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from sluice.dynamodb.items import Item
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.plain import Attributes, plain_item, plain_value
from sluice.dynamodb.values import encode_attribute
from sluice.errors import InvalidInputError, RejectError
from sluice.mapping.attributes import Attribute
from sluice.mapping.delete import DELETE, Delete
from sluice.mapping.encoders import SourceEncoder, encoder_for
from sluice.mapping.mapping import parse_attributes
from sluice.mapping.templates import SourceColumns
from sluice.mapping.transforms import Transform, load_transform, to_item, transform_failed
from sluice.rejects import Reason
from sluice.runs.columns_found import ALL_COLUMNS, ColumnsFound
from sluice.workflows.table_transform.changes import Change, Update, deletion, difference

# What is still the object that was given is as it was given.
_IMMUTABLE = frozenset({str, Decimal, bytes, bool, type(None)})


class InPlace(Protocol):
    """Changes an item in place. `columns`: which of the attributes that it takes the items so far have had."""

    @property
    def columns(self) -> ColumnsFound: ...

    def __call__(self, before: Attributes) -> Change | None:
        """The change of an item in DynamoDB JSON; None leaves it as it is. Raises RejectError."""


def in_place(item_source: Mapping[str, Any], schema: KeySchema) -> InPlace:
    """The change that the input asks for. Raises InvalidInputError whose field is the exact path."""
    if "transform" in item_source:
        return TransformedInPlace(load_transform(item_source["transform"]), schema)
    return MappedInPlace(item_source["mapping"], schema)


class TransformedInPlace:
    """Gives the transform an item of plain values, its own to change, and finds out what it has changed."""

    # A function takes what it likes.
    columns = ALL_COLUMNS

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
            return deletion(before)
        if isinstance(result, list | tuple):
            raise RejectError(Reason.SEVERAL_ITEMS, f"the transform returned {len(result)} items for one instead")
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
        self._first: Attributes | None = None
        # The member b of the attribute a is the column "a.b", unless an attribute has that name.
        self._names = {part for name in self._columns.names for part in (name, name.partition(".")[0])}
        self._schema = schema
        for key in schema.attributes:
            if key.name in self._attributes:
                raise InvalidInputError(f"mapping.{key.name}", "is part of the table's key, which must not change")

    @property
    def columns(self) -> ColumnsFound:
        """Those that the mapping takes."""
        return _columns_found(self._columns.unseen, self._first)

    def __call__(self, before: Attributes) -> Update | None:
        """What becomes of the item. Raises RejectError."""
        self._first = self._first or before
        cells = self._columns.cells({name: cell(before[name]) for name in self._names if name in before})
        encoded = {name: attribute.encode(cells) for name, attribute in self._attributes.items()}
        values = {name: value for name, value in encoded.items() if value is not None}
        return difference(before, values, set(), self._schema)


def _columns_found(unseen: Iterable[str], first: Attributes | None) -> ColumnsFound:
    """`unseen`: columns that no item has had. `first`: the first item, None where there was none."""
    return ColumnsFound() if first is None else ColumnsFound.of_rows(unseen, first)


def cell(typed: Mapping[str, Any]) -> Any:
    """A value that a mapping takes; binaries are base64, as in every text."""
    return typed["B"] if "B" in typed else plain_value(typed)


class IntoTarget(Protocol):
    """Makes items of a target. `columns`: which of the attributes that it takes the items so far have had."""

    @property
    def columns(self) -> ColumnsFound: ...

    def __call__(self, before: Attributes) -> Sequence[Item] | Delete:
        """Any number of items, or the marker. Raises RejectError."""


def into_target(item_source: Mapping[str, Any], target: KeySchema, *, deletes: bool) -> IntoTarget:
    """What the input requests; `deletes`: deletions are allowed. Raises InvalidInputError that names the place."""
    if "transform" in item_source:
        return TransformedForTarget(load_transform(item_source["transform"]), target, deletes=deletes)
    return MappedForTarget(encoder_for(item_source, None, target))


class TransformedForTarget:
    """Gives the transform an item of plain values, its own to change."""

    # A function takes what it likes.
    columns = ALL_COLUMNS

    def __init__(self, transform: Transform, target: KeySchema, *, deletes: bool) -> None:
        self._transform = transform
        self._target = target
        self._deletes = deletes

    def __call__(self, before: Attributes) -> Sequence[Item] | Delete:
        """The items that the transform returns. Raises RejectError for whatever it raises or returns wrongly."""
        try:
            return self._items(self._transform(plain_item(before)))
        except RejectError:
            raise
        # Not only the transform can raise anything, but also what it returns, as it is looked at.
        except (Exception, SystemExit) as error:
            raise transform_failed(error) from error

    def _items(self, result: Any) -> Sequence[Item] | Delete:
        if result is None:
            return ()
        if result is DELETE:
            if not self._deletes:
                raise RejectError(Reason.VALUE_UNSUPPORTED, "DELETE means nothing for a target without deleteSource")
            return Delete.DELETE
        items = result if isinstance(result, list | tuple) else (result,)
        return [to_item(each, self._target) for each in items]


class MappedForTarget:
    """The mapping is the whole item."""

    def __init__(self, encode: SourceEncoder) -> None:
        self._encode = encode
        self._first: Attributes | None = None

    @property
    def columns(self) -> ColumnsFound:
        """Those that the mapping takes."""
        return _columns_found(self._encode.unseen, self._first)

    def __call__(self, before: Attributes) -> Sequence[Item]:
        """The item that the mapping describes. Raises RejectError."""
        self._first = self._first or before
        return self._encode({name: cell(typed) for name, typed in before.items()})
