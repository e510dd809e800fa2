"""How what was found in a file reads."""

from collections.abc import Mapping, Sequence

from sluice_cli.load.columns import Column, Columns
from sluice_cli.load.detection import CSV, UTF8, Detected
from sluice_cli.load.dialect import Dialect
from sluice_cli.load.packing import NONE
from sluice_cli.load.records import DYNAMODB_JSON, JSON, JSONL

LAYOUTS = {CSV: "CSV", JSONL: "JSON Lines", JSON: "JSON", DYNAMODB_JSON: "DynamoDB JSON"}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
TITLES = ("column", "type", "example", "empty cells")
EXAMPLE_CHARACTERS = 40
COLUMNS_SHOWN = 50


def found_lines(name: str, found: Detected, types: Mapping[str, str], keys: Sequence[str]) -> list[str]:
    """The file in a line, its columns in a table, and what is worth knowing before they are loaded."""
    columns = found.columns.columns
    rows = [_cells(each, types[each.name], each.name in keys) for each in columns[:COLUMNS_SHOWN]]
    more = len(columns) - COLUMNS_SHOWN
    shown = [f"  {line}" for line in table_lines([TITLES, *rows])]
    hidden = [f"  ... {counted(more, 'more column')}"] if more > 0 else []
    return [f"{name}: {', '.join(_parts(found))}", *shown, *hidden, *_notes(found.columns, types)]


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows in columns, each as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in lines]


def counted(count: int, what: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def plain(text: str) -> str:
    """The text on one line, without what a terminal would obey, cut to a cell's width."""
    printable = "".join(each if each.isprintable() else " " for each in text)
    return printable if len(printable) <= EXAMPLE_CHARACTERS else printable[: EXAMPLE_CHARACTERS - 3] + "..."


def _cells(column: Column, kind: str, is_key: bool) -> tuple[str, str, str, str]:
    empty = "?" if column.empty is None else f"{column.empty:,}"
    return (plain(column.name), f"{kind} (key)" if is_key else kind, plain(column.example), empty)


def _parts(found: Detected) -> list[str]:
    parts = [LAYOUTS.get(found.layout, found.layout)]
    if found.dialect is not None:
        parts += _dialect_parts(found.dialect)
    if found.compression != NONE:
        parts.append(found.compression)
    parts.append("UTF-8" if found.encoding == UTF8 else found.encoding)
    rows = counted(found.columns.rows, "row")
    return [*parts, rows if found.columns.is_whole else f"types from the first {rows}"]


def _dialect_parts(dialect: Dialect) -> list[str]:
    parts = [f"delimiter {DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter))}"]
    if dialect.quote != '"':
        parts.append(f"quote {dialect.quote or 'none'}")
    if dialect.escape:
        parts.append(f"escape {dialect.escape}")
    if dialect.comment:
        parts.append(f"comments after {dialect.comment}")
    if dialect.skip_rows:
        parts.append(f"{counted(dialect.skip_rows, 'line')} before the header")
    if not dialect.has_header:
        parts.append("no header row")
    return [*parts, "spaces around cells removed"] if dialect.trim else parts


def _notes(columns: Columns, types: Mapping[str, str]) -> list[str]:
    notes = []
    if columns.ragged:
        fewer = counted(columns.ragged, "row")
        notes.append(f"note: {fewer} with more or fewer cells than the header will be rejected (RowRagged)")
    for each in columns.columns:
        if types[each.name] == "N" and each.other:
            notes.append(f"note: column {each.name} has values that are not plain numbers, such as {plain(each.other)}")
    return notes
