"""The csv_load input that fits a file, with `keys` and types or with a mapping spelled out."""

from collections.abc import Mapping
from typing import Any

from sluice_cli.exit_code import BadInputError
from sluice_cli.load.columns import Column
from sluice_cli.load.detection import CSV, UTF8, Detected
from sluice_cli.load.dialect import Dialect
from sluice_cli.load.packing import NONE

MAPPED_TYPES = frozenset({"S", "N", "B", "BOOL", "M", "L"})


def source_of(found: Detected, objects: Mapping[str, Any], headers: tuple[str, ...] | None) -> dict[str, Any]:
    """csv_load's `source`: the objects, and how they are to be read."""
    source = {**objects, "format": found.layout}
    if found.compression != NONE:
        source["compression"] = found.compression
    if found.dialect is not None:
        source |= _dialect_fields(found.dialect)
    if headers is not None:
        source["headers"] = list(headers)
        if found.dialect is not None and found.dialect.has_header:
            source["headerRow"] = "replace"
    if found.encoding != UTF8:
        source["encoding"] = found.encoding
    return source


def types_input(
    found: Detected, given: Mapping[str, str], words: frozenset[str], from_table: frozenset[str]
) -> dict[str, Any]:
    """`types` and `omitEmpty` for a CSV. `from_table`: columns whose type the table gives."""
    if found.layout != CSV:
        return {"types": dict(given)} if given else {}
    types = {each.name: each.type for each in found.columns.columns if each.name not in from_table}
    return {"types": {**types, **given}, "omitEmpty": sorted(words) or True}


def with_types(columns: tuple[Column, ...], given: Mapping[str, str]) -> dict[str, str]:
    """Type by column: as `given` says, which may name the rest with *, else as found."""
    rest = given.get("*")
    return {each.name: given.get(each.name, rest or each.type) for each in columns}


def mapping_of(
    found: Detected, types: Mapping[str, str], words: frozenset[str], keys: frozenset[str]
) -> dict[str, Any]:
    """The mapping that makes each column an attribute. Raises BadInputError for one that a mapping cannot spell."""
    return {
        each.name: _attribute(each, types[each.name], words, is_key=each.name in keys) for each in found.columns.columns
    }


def _attribute(column: Column, kind: str, words: frozenset[str], *, is_key: bool) -> str | dict[str, Any]:
    if kind not in MAPPED_TYPES or set("{}") & set(column.name):
        what = f"values of the types {kind}" if kind not in MAPPED_TYPES else "braces in its name"
        raise BadInputError(f"column {column.name} has {what}, which a mapping cannot have; use sluice load --key")
    template = f"{{{column.name}}}"
    omitted: dict[str, Any] = {} if is_key or column.empty == 0 else {"omitEmpty": sorted(words) or True}
    if kind == "S" and not omitted:
        return template
    return {kind: template, **omitted}


def _dialect_fields(dialect: Dialect) -> dict[str, Any]:
    fields: dict[str, Any] = {"delimiter": dialect.delimiter}
    if dialect.quote != Dialect.quote:
        fields["quote"] = dialect.quote
    named = {"escape": dialect.escape, "comment": dialect.comment, "skipRows": dialect.skip_rows, "trim": dialect.trim}
    return fields | {name: value for name, value in named.items() if value}
