"""How a CSV is written: delimiter, quote and the like, found by DuckDB's sniffer in the first lines."""

import csv
import io
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from sluice_cli.exit_code import BadInputError

DELIMITER_NAMES = {"tab": "\t", "\\t": "\t"}
# DuckDB's sniffer knows the first four.
DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x01", "\x1f")
SNIFFED_ROWS = 20_480
# DuckDB's sniffer takes a minute for a hundred thousand columns.
SNIFFED_COLUMNS_MAX = 2_000
ROWS_COMPARED = 1_000
CELLS_SHOWN = 5
# A field may be as long as an item.
FIELD_CHARACTERS_MAX = 1 << 30
EXCEL_HINT = re.compile(r"sep=(.)\r?\n")
NONE_FOUND = "(empty)"
# A number, a date, a time: a name has a letter.
LOOKS_LIKE_DATA = re.compile(r"[^a-zA-Z]*[0-9][^a-zA-Z]*")
# A private character, which stands for a delimiter of several: csv.reader takes one.
STAND_IN = "\uf8ff"
SNIFF = """
    SELECT Delimiter, Quote, Escape, SkipRows, HasHeader, Comment, len(Columns)
    FROM sniff_csv($path, sample_size={rows}{given})
"""


@dataclass(frozen=True)
class Dialect:
    """`skip_rows`: lines before the header. `has_header`: whether a row names the columns."""

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    comment: str | None = None
    skip_rows: int = 0
    has_header: bool = True
    trim: bool = False

    @property
    def is_usual(self) -> bool:
        """Whether every CSV reader agrees on what its records are."""
        return len(self.delimiter) == 1 and self.quote == '"' and not (self.escape or self.comment or self.trim)

    def rows(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The records of the text, the header included, without blank lines."""
        csv.field_size_limit(FIELD_CHARACTERS_MAX)
        kept: Iterable[str] = islice(lines, self.skip_rows, None)
        if self.comment:
            kept = (line for line in kept if not line.startswith(str(self.comment)))
        if len(self.delimiter) > 1:
            kept = (line.replace(self.delimiter, STAND_IN) for line in kept)
        rows = filter(None, csv.reader(kept, **self._reader_options()))
        return ([cell.strip() for cell in row] for row in rows) if self.trim else rows

    def _reader_options(self) -> dict[str, Any]:
        return {
            "delimiter": self.delimiter if len(self.delimiter) == 1 else STAND_IN,
            "quotechar": self.quote,
            "quoting": csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
            "escapechar": self.escape,
            "skipinitialspace": self.trim,
        }


def delimiter_of(text: str) -> str:
    """The delimiter that an option names: `tab`, `\\t`, or the characters themselves."""
    return DELIMITER_NAMES.get(text, text)


def lines_of(text: str) -> Iterator[str]:
    """The lines as a file gives them to csv.reader."""
    return io.StringIO(text, newline="")


def sniff(head: str, given: Mapping[str, Any]) -> Dialect:
    """The dialect of a CSV whose first lines are `head`. `given`: fields of Dialect that the user has set.

    Raises BadInputError for a first row that looks like data, unless `given` says whether there is a header.
    """
    if hint := EXCEL_HINT.match(head):
        found = sniff(head[hint.end() :], {"delimiter": hint[1], **given})
        return replace(found, skip_rows=found.skip_rows + 1)
    dialect = replace(_sniffed(head, given), **given)
    if not dialect.has_header and "has_header" not in given:
        first = next(dialect.rows(lines_of(head)), [])
        if any(map(LOOKS_LIKE_DATA.fullmatch, first)):
            raise BadInputError(_headless(first))
        dialect = replace(dialect, has_header=True)
    return _with_trim(dialect, head, given)


def _sniffed(head: str, given: Mapping[str, Any]) -> Dialect:
    is_wide = max(map(head.partition("\n")[0].count, DELIMITERS)) > SNIFFED_COLUMNS_MAX
    found = None if is_wide else _duckdb(head, given)
    if found is None or found[1] == 1:
        by_widths = None if "delimiter" in given else _by_widths(head)
        if by_widths or found is None:
            return Dialect(by_widths or ",")
    dialect, _ = found
    skipped = islice(lines_of(head), dialect.skip_rows)
    if not dialect.has_header and any(dialect.delimiter in line for line in skipped):
        # The header is narrower than the rows: that is for the rows to be rejected for.
        return replace(dialect, skip_rows=0, has_header=True)
    return dialect


def _duckdb(head: str, given: Mapping[str, Any]) -> tuple[Dialect, int] | None:
    """The dialect and the number of columns; None where DuckDB finds none."""
    import duckdb

    names = {"delimiter": "delim", "quote": "quote", "escape": "escape", "comment": "comment", "skip_rows": "skip"}
    settings = {names[name]: value for name, value in given.items() if name in names and value is not None}
    more = "".join(f", {name}=${name}" for name in settings)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as database:
        path = Path(folder) / "head.csv"
        path.write_text(head, encoding="utf-8", newline="")
        try:
            query = SNIFF.format(rows=SNIFFED_ROWS, given=more)
            row = database.execute(query, {"path": str(path), **settings}).fetchone()
        except duckdb.Error:
            return None
    return None if row is None else _read_sniffed(row)


def _read_sniffed(row: tuple[Any, ...]) -> tuple[Dialect, int]:
    delimiter, quote, escape, skip_rows, has_header, comment, columns = row
    quote = '"' if quote == NONE_FOUND else quote
    escape = None if escape in (NONE_FOUND, quote) else escape
    comment = None if comment == NONE_FOUND else comment
    return Dialect(delimiter, quote, escape, comment, skip_rows, has_header), columns


def _by_widths(head: str) -> str | None:
    """The delimiter that divides the first line, and most lines into as many cells as that one."""
    scores: Counter[str] = Counter()
    for delimiter in DELIMITERS:
        widths = [len(row) for row in islice(Dialect(delimiter).rows(lines_of(head)), ROWS_COMPARED)]
        if widths and widths[0] > 1 and widths.count(widths[0]) * 2 >= len(widths):
            scores[delimiter] = widths.count(widths[0]) * widths[0]
    return scores.most_common(1)[0][0] if scores else None


def _with_trim(dialect: Dialect, head: str, given: Mapping[str, Any]) -> Dialect:
    """Names with spaces around them were not meant to have them, nor were the cells below."""
    header = next(dialect.rows(lines_of(head)), [])
    has_spaces = dialect.has_header and any(name != name.strip() for name in header)
    return replace(dialect, trim=True) if has_spaces and "trim" not in given else dialect


def _headless(row: list[str]) -> str:
    shown = ", ".join(row[:CELLS_SHOWN]) + (", ..." if len(row) > CELLS_SHOWN else "")
    return (
        f"the first row looks like data, not like a header: {shown}. If the file has no header row, name its columns "
        f"with --headers, such as --headers {','.join('abcde'[: len(row)])}; if this row is the header, add --header"
    )
