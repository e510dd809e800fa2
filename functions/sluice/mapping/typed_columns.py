"""With `keys` every column becomes an attribute: its type, its name, and whether it is left out when it is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.dynamodb.keys import KeyAttribute, KeySchema
from sluice.errors import InvalidInputError
from sluice.mapping.attributes import UNNAMED_WORDS, Attribute, Boolean, Scalar
from sluice.mapping.mapping import JsonValue, check_name
from sluice.mapping.templates import CellTemplate, listed, repeated
from sluice.rejects import quoted

# The fields of an input that belong to `keys`.
OPTIONS = ("types", "omitEmpty", "rename")
TYPES = ("S", "N", "B", "BOOL", "M", "L")
# In `types`: all columns that are not named there.
REST = "*"


@dataclass(frozen=True, slots=True)
class ColumnOptions:
    """`types` and `rename` by column; cells that are one of the words `omit` are left out, none without words."""

    types: Mapping[str, str] = field(default_factory=dict)
    omit: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_input(cls, load: Mapping[str, Any]) -> ColumnOptions:
        """Read `types`, `omitEmpty` and `rename`, all optional. Raises InvalidInputError."""
        types, rename = load.get("types") or {}, load.get("rename") or {}
        _check_types(types)
        _check_rename(rename)
        return cls(types, _omitted_words(load.get("omitEmpty")), rename)

    def attribute_name(self, column: str) -> str:
        """The name of the attribute that the column becomes."""
        return self.rename.get(column, column)

    def type_of(self, column: str, default: str | None) -> str | None:
        """The type that `types` gives to the column, else `default`."""
        return self.types.get(column, self.types.get(REST, default))


def _check_types(types: object) -> None:
    if not isinstance(types, Mapping):
        raise InvalidInputError("types", 'must be an object such as {"price": "N"}')
    for column, kind in types.items():
        if kind not in TYPES:
            raise InvalidInputError(f"types.{column}", f"must be one of {', '.join(TYPES)}, not {kind}")


def _check_rename(rename: object) -> None:
    if not isinstance(rename, Mapping):
        raise InvalidInputError("rename", 'must be an object such as {"column": "attribute"}')
    targets: dict[str, str] = {}
    for column, name in rename.items():
        if not isinstance(name, str):
            raise InvalidInputError(f"rename.{column}", "must be the name of an attribute")
        check_name(f"rename.{column}", name)
        if targets.setdefault(name, column) != column:
            raise InvalidInputError(f"rename.{column}", f"is {quoted(name)}, as rename.{targets[name]} is")


def _omitted_words(value: object) -> tuple[str, ...]:
    if value is None or isinstance(value, bool):
        return ("",) if value else ()
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise InvalidInputError("omitEmpty", "must be true, false, or a list of words that count as empty too")
    return ("", *value)


def typed_columns(header: Sequence[str], options: ColumnOptions, schema: KeySchema) -> dict[str, Attribute]:
    """The attributes of these columns; a column without a name is none. Raises InvalidInputError."""
    _check_named("types", [each for each in options.types if each != REST], header)
    _check_named("rename", list(options.rename), header)
    keys = {key.name: key for key in (*schema.attributes, *schema.indexed)}
    attributes: dict[str, Attribute] = {}
    for index, column in enumerate(header):
        if not column:
            continue
        name = options.attribute_name(column)
        if header.count(column) > 1 if name in attributes else False:
            raise InvalidInputError("keys", f"takes all columns, and {repeated(header, column)}; or use a mapping")
        if name in attributes:
            raise InvalidInputError(f"rename.{_source_of(name, options)}", f"is {quoted(name)}, which is a column too")
        kind = column_type(column, keys.get(name), options)
        attributes[name] = column_attribute(name, kind, index, column, options.omit)
    _check_key_columns(attributes, header, schema)
    return attributes


def column_type(column: str, key: KeyAttribute | None, options: ColumnOptions, default: str = "S") -> str:
    """The type of a column's attribute; keys of the table and of indexes have the table's. Raises InvalidInputError."""
    if key is None:
        return options.type_of(column, default) or default
    given = options.types.get(column)
    if given not in (None, key.type):
        raise InvalidInputError(f"types.{column}", f"must be {key.type}, as {key.owner} is, or be omitted")
    return key.type


def column_attribute(name: str, kind: str, index: int, column: str, omit: tuple[str, ...]) -> Attribute:
    """The attribute of one column."""
    if kind in ("M", "L"):
        return JsonValue(name, kind, index, column, 1, omit)
    template = CellTemplate.of_column(index, column, omit)
    return Boolean(name, template, UNNAMED_WORDS) if kind == "BOOL" else Scalar(name, kind, template)


def _source_of(name: str, options: ColumnOptions) -> str:
    return next(column for column, target in options.rename.items() if target == name)


def _check_named(option: str, columns: Sequence[str], header: Sequence[str]) -> None:
    for column in columns:
        if column not in header:
            raise InvalidInputError(
                f"{option}.{column}", f"the source has no column {quoted(column)}; it has {listed(header)}"
            )


def _check_key_columns(attributes: Mapping[str, Attribute], header: Sequence[str], schema: KeySchema) -> None:
    for key in schema.attributes:
        if key.name not in attributes:
            raise InvalidInputError("keys", f"the source has no column {key.name}; it has {listed(header)}")
