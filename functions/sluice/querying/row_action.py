"""What is done with each row, checked, and compiled for the children's JSONata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sluice.encoding.cell_templates import CellTemplate
from sluice.fields import Fields
from sluice.run_input import output_prefix

COPY_OBJECT, FUNCTION = "copyObject", "function"
WHOLE, NAME, BUCKET, WITHOUT = "whole", "name", "bucket", "without"
SOURCE, DESTINATION = "action.copyObject.source", "action.copyObject.destination"

_SOURCE_FIELDS = ("uri", "bucket", "key")
_DESTINATION_FIELDS = ("bucket", "prefix", "keys")
# It travels in each child's input, beside the rows.
_ACTION_MAX_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Destination:
    """Where copies go: `prefix` ends with a slash; `keys` is one of four ways, `without` what the last one cuts off.

    `is_empty`: nothing is there yet, so that no row has to ask.
    """

    bucket: str
    prefix: str
    keys: str
    without: str | None
    is_empty: bool = False

    def to_state(self) -> dict[str, Any]:
        """The destination as the children get it."""
        return {
            "bucket": self.bucket,
            "prefix": self.prefix,
            "keys": self.keys,
            "without": self.without,
            "isEmpty": self.is_empty,
        }


@dataclass(frozen=True, slots=True)
class RowAction:
    """`source`: the texts that name a row's object, by `uri` or by `bucket` and `key`; of copyObject only."""

    type: str
    function: str | None = None
    source: tuple[tuple[str, CellTemplate], ...] = ()
    destination: Destination | None = None

    @property
    def columns(self) -> dict[str, str]:
        """The columns that every row needs, and the field of the input that names each first."""
        fields: dict[str, str] = {}
        for name, template in self.source:
            for column in template.names:
                fields.setdefault(column, f"{SOURCE}.{name}")
        return fields

    def to_state(self) -> dict[str, Any]:
        """The action as the children get it."""
        return {
            "type": self.type,
            "function": self.function,
            "columns": list(self.columns),
            "source": {name: _pieces(template) for name, template in self.source} or None,
            "destination": self.destination and self.destination.to_state(),
        }


def read_action(fields: Fields, data_bucket: str, functions: Sequence[str]) -> RowAction:
    """The input's `action`. Raises InvalidInputError naming the field."""
    given = fields.section("action", (COPY_OBJECT, FUNCTION))
    kinds = [kind for kind in (COPY_OBJECT, FUNCTION) if given.has(kind)]
    if len(kinds) != 1:
        raise fields.wrong("action", f"give one of {COPY_OBJECT} and {FUNCTION}")
    action = _function(given, functions) if kinds[0] == FUNCTION else _copy(given, data_bucket)
    if len(json.dumps(action.to_state(), ensure_ascii=False).encode()) > _ACTION_MAX_BYTES:
        raise fields.wrong("action", f"is too long: {_ACTION_MAX_BYTES:,} bytes travel with each batch at the most")
    return action


def _function(given: Fields, functions: Sequence[str]) -> RowAction:
    name = given.text(FUNCTION)
    if name not in functions:
        allowed = ", ".join(functions) or "there are none"
        raise given.wrong(FUNCTION, f"{name} is not among the stack's ProcessorFunctions: {allowed}")
    return RowAction(FUNCTION, function=name)


def _copy(given: Fields, data_bucket: str) -> RowAction:
    copy = given.section(COPY_OBJECT, ("source", "destination"))
    return RowAction(COPY_OBJECT, source=_source(copy), destination=_destination(copy, data_bucket))


def _source(copy: Fields) -> tuple[tuple[str, CellTemplate], ...]:
    given = copy.section("source", _SOURCE_FIELDS)
    if given.has("uri") == (given.has("bucket") or given.has("key")):
        raise copy.wrong("source", "give either the uri, or bucket and key")
    names = ("uri",) if given.has("uri") else ("bucket", "key")
    source = tuple((name, _template(given, name)) for name in names)
    name, last = source[-1]
    if not last.names:
        raise given.wrong(name, 'names no column, such as "{path}": every row would copy the same object')
    return source


def _template(given: Fields, name: str) -> CellTemplate:
    try:
        return CellTemplate.parse(given.text(name), lambda _: 0)
    except ValueError as error:
        raise given.wrong(name, str(error)) from error


def _pieces(template: CellTemplate) -> list[dict[str, str]]:
    """Literal texts and columns in their order, empty texts left out."""
    pieces: list[dict[str, str]] = []
    for literal, column in zip(template.literals, (*template.names, None), strict=True):
        pieces += [{"text": literal}] if literal else []
        pieces += [] if column is None else [{"column": column}]
    return pieces


def _destination(copy: Fields, data_bucket: str) -> Destination:
    given = copy.section("destination", _DESTINATION_FIELDS)
    bucket = given.text_or("bucket", data_bucket)
    prefix = output_prefix(given, "prefix", bucket, data_bucket)
    if given.has("keys") and not isinstance(given.raw("keys"), str):
        without = given.section("keys", (WITHOUT,)).text(WITHOUT)
        return Destination(bucket, prefix, WITHOUT, without)
    return Destination(bucket, prefix, given.choice("keys", (WHOLE, NAME, BUCKET), WHOLE), None)
