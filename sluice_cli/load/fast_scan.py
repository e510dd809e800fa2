"""The columns of a usual CSV by DuckDB, several times as fast as `columns.scan`, with which it agrees."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from sluice_cli.load.columns import BOOL, DIGITS_MAX, Column, Columns, N, S
from sluice_cli.load.dialect import Dialect

GLOB_CHARACTERS = frozenset("*?[]{}")
LINE_BYTES_MAX = 8 << 20
# DuckDB takes five gigabytes for the figures of a thousand columns.
COLUMNS_MAX = 100
# columns.NUMBER, in DuckDB's grammar, of a length that cannot have too many digits.
IS_NUMBER = "(len({cell}) <= " + str(DIGITS_MAX) + " AND regexp_full_match({cell}, '-?(0|[1-9][0-9]*)(\\.[0-9]+)?'))"
IS_BOOLEAN = "({cell} IN ('true', 'false'))"
SCAN = """
    SELECT count(*), {figures} FROM (
        SELECT {cells} FROM read_csv(
            $path, auto_detect = false, header = $header, skip = $skip, delim = $delimiter, quote = '"', escape = '"',
            max_line_size = {line_bytes}, columns = {{{names}}}
        )
    ) WHERE NOT ({is_header})
"""


class Figures(NamedTuple):
    """Of a column: how many cells are not empty, one of these, how many are numbers and booleans, one that is not."""

    filled: int
    first: str | None
    numbers: int
    booleans: int
    other: str | None


def fast_scan(
    path: Path, dialect: Dialect, header: list[str], sample: Columns, words: frozenset[str]
) -> Columns | None:
    """Read all rows of an uncompressed file in UTF-8. `sample`: what its first rows have.

    None where DuckDB may not read the file as Python does: a record of another width, a quote that is out of order,
    a number of many digits.
    """
    import duckdb

    if not is_eligible(path, dialect, header, sample):
        return None
    names = {f"n{number}": name for number, name in enumerate(header)} if dialect.has_header else {}
    empty = {f"w{number}": word for number, word in enumerate(sorted(words - {""}))}
    settings = {
        "path": str(path.resolve()),
        "header": dialect.has_header,
        "skip": dialect.skip_rows,
        "delimiter": dialect.delimiter,
    }
    with duckdb.connect() as database:
        try:
            row = database.execute(_query(sample, names, empty), {**settings, **names, **empty}).fetchone()
        except duckdb.Error:
            return None
    return None if row is None else _columns(sample, row)


def is_eligible(path: Path, dialect: Dialect, header: list[str], sample: Columns) -> bool:
    """Whether DuckDB can be asked at all."""
    is_plain_path = not GLOB_CHARACTERS & set(str(path.resolve()))
    # A blank line is a cell of the only column to DuckDB, and nothing to Python.
    is_table = 1 < len(header) <= COLUMNS_MAX and header == sample.names and not sample.ragged
    return dialect.is_usual and is_plain_path and is_table


def _query(sample: Columns, names: Mapping[str, str], empty: Mapping[str, str]) -> str:
    cells = [f"c{number}" for number in range(len(sample.columns))]
    return SCAN.format(
        figures=", ".join(chain.from_iterable(map(_figures, sample.columns, cells))),
        cells=", ".join(_cell(name, empty) for name in cells),
        names=", ".join(f"'{name}': 'VARCHAR'" for name in cells),
        is_header=" AND ".join(map("{} IS NOT DISTINCT FROM ${}".format, cells, names)) or "false",
        line_bytes=LINE_BYTES_MAX,
    )


def _cell(name: str, empty: Mapping[str, str]) -> str:
    """The cell, NULL where it counts as empty."""
    if not empty:
        return name
    return f"CASE WHEN {name} IN ({', '.join(f'${word}' for word in empty)}) THEN NULL ELSE {name} END AS {name}"


def _figures(column: Column, cell: str) -> tuple[str, ...]:
    """Figures of a column as SQL; only those that its first rows leave open."""
    is_open = not column.example
    number, boolean = IS_NUMBER.format(cell=cell), IS_BOOLEAN.format(cell=cell)
    may_be_number = is_open or column.type == N
    return (
        f"count({cell})",
        f"min({cell})" if is_open else "NULL",
        f"count(*) FILTER ({number})" if may_be_number else "0",
        f"count(*) FILTER ({boolean})" if is_open or column.type == BOOL else "0",
        f"min({cell}) FILTER (NOT {number})" if may_be_number else "NULL",
    )


def _columns(sample: Columns, row: tuple[Any, ...]) -> Columns | None:
    rows, values = row[0], row[1:]
    width = len(Figures._fields)
    found = []
    for position, column in enumerate(sample.columns):
        figures = Figures(*values[width * position : width * (position + 1)])
        if figures.other and len(figures.other) > DIGITS_MAX:
            return None
        found.append(_column(column, figures, rows))
    return Columns(tuple(found), rows)


def _column(sample: Column, figures: Figures, rows: int) -> Column:
    column = replace(sample, empty=rows - figures.filled)
    if not figures.filled:
        return column
    if not sample.example:
        column = replace(column, example=figures.first or "", type=N)
    if column.type == N and figures.numbers < figures.filled:
        is_boolean = figures.booleans == figures.filled
        return replace(column, type=BOOL if is_boolean else S, other=figures.other or "")
    if column.type == BOOL and figures.booleans < figures.filled:
        return replace(column, type=S)
    return column
