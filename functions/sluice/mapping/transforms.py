"""User transforms, by name, and the items of plain Python values that they return."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import transforms
from sluice.dynamodb.items import Item, Row, make_item
from sluice.dynamodb.keys import KeySchema, plain_key
from sluice.dynamodb.values import encode_attributes
from sluice.errors import InvalidInputError, RejectError
from sluice.mapping.row_identity import NOWHERE, RowIdentity, SourceRow
from sluice.mapping.templates import listed
from sluice.rejects import Reason, shortened

_MESSAGE_CHARACTERS = 500

# Takes a record, and for csv_load a SourceRow as `row` if it has such a parameter.
Transform = Callable[..., Any]


class TransformedRows:
    """The row encoder of a user's transform: None is no item, a list any number of them.

    A transform with a second parameter `row` gets the row's number, object and UUID there.
    `only_key`: the items have their key attributes alone.
    """

    def __init__(
        self, transform: Transform, header: Sequence[str] | None, schema: KeySchema, *, only_key: bool = False
    ) -> None:
        self.identity: RowIdentity = NOWHERE
        self.unseen: set[str] = set()
        self._transform = transform
        self._takes_row = takes_row(transform)
        self._header = header
        self._schema = schema
        self._to_item = to_key if only_key else to_item

    def __call__(self, row: Row, number: int = 0) -> Sequence[Item]:
        """What the transform makes of the record. Raises RejectError."""
        items = self._items(_record(row, self._header), number)
        return tuple([self._to_item(item, self._schema) for item in items])

    def _items(self, record: dict[str, Any], number: int) -> Sequence[Any]:
        more = (self.identity.row(number),) if self._takes_row else ()
        result = call_transform(self._transform, record, *more)
        if result is None:
            return ()
        return result if isinstance(result, list | tuple) else (result,)


def takes_row(transform: Transform) -> bool:
    """Whether the transform has a second parameter named `row`."""
    return list(inspect.signature(transform).parameters)[1:2] == ["row"]


def call_transform(transform: Transform, record: dict[str, Any], *more: SourceRow) -> Any:
    """What the transform returns. Raises RejectError for whatever it raises."""
    try:
        return transform(record, *more)
    # The user's own code can raise anything; it rejects this row and leaves the others alone.
    except (Exception, SystemExit) as error:
        raise transform_failed(error) from error


def transform_failed(error: BaseException) -> RejectError:
    """The rejection of a row over which a transform has raised."""
    problem = "".join(traceback.format_exception_only(error)).strip()
    return RejectError(Reason.TRANSFORM_FAILED, shortened(problem, _MESSAGE_CHARACTERS))


def to_item(item: object, schema: KeySchema) -> Item:
    """An item of plain values, ready for the wire. Raises RejectError."""
    if not isinstance(item, Mapping):
        raise RejectError(Reason.VALUE_UNSUPPORTED, f"the transform returned a {type(item).__name__} for an item")
    return make_item(plain_key(schema, item), encode_attributes(item))


def to_key(item: object, schema: KeySchema) -> Item:
    """The key attributes of an item of plain values. Raises RejectError."""
    if not isinstance(item, Mapping):
        return to_item(item, schema)
    return to_item({key.name: item[key.name] for key in schema.attributes if key.name in item}, schema)


def _record(row: Row, header: Sequence[str] | None) -> dict[str, Any]:
    if isinstance(row, Mapping):
        return dict(row)
    names = header or ()
    if len(row) != len(names):
        raise RejectError(Reason.ROW_RAGGED, f"the row has {len(row)} values for {len(names)} columns")
    return dict(zip(names, row, strict=True))


def load_transform(name: object, package: ModuleType = transforms) -> Transform:
    """The `transform` of the named module. Raises InvalidInputError for the field transform."""
    known = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    if name not in known:
        raise InvalidInputError("transform", f"there is no transform {name!r:.80}; there are {listed(known)}")
    function: object = getattr(_import(f"{package.__name__}.{name}"), "transform", None)
    if not callable(function):
        raise InvalidInputError("transform", f"transforms/{name}.py has no function named transform")
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        raise InvalidInputError(
            "transform", f"transforms/{name}.py: transform must return its items, not yield or await"
        )
    return function


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    # The user's own code can raise anything as it is imported; the run must end with an error that names it.
    except Exception as error:
        raise InvalidInputError("transform", f"{name} cannot be imported: {type(error).__name__}: {error}") from error
