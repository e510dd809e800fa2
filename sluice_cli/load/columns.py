"""The columns of a CSV and their types, from every row that there is."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from sluice_cli.exit_code import BadInputError
from sluice_cli.load.dialect import Dialect

S, N, BOOL = "S", "N", "BOOL"
BATCH_CELLS = 20_000
DIGITS_MAX = 38
MAGNITUDE_MIN, MAGNITUDE_MAX = -130, 125
BOOLEANS = frozenset({"true", "false"})
# JSON's numbers without an exponent: a text that DynamoDB's number would not change, but for zeros at its end.
NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+"
_match_number = re.compile(NUMBER).fullmatch
_match_numbers = re.compile(rf"(?:(?:{NUMBER})?+\n)*+").fullmatch


@dataclass(frozen=True)
class Column:
    """A column. `example` is its first value, "" where it has none; `other`: the first value that is not a number.

    `empty` counts cells; it is None where only a sample was read.
    """

    name: str
    type: str = S
    example: str = ""
    empty: int | None = 0
    other: str = ""


@dataclass(frozen=True)
class Columns:
    """What was found. `ragged`: rows with more or fewer cells than the header, which none of the columns count."""

    columns: tuple[Column, ...]
    rows: int = 0
    ragged: int = 0
    is_whole: bool = True

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return [each.name for each in self.columns]


def merged(found: Sequence[Columns]) -> Columns:
    """What several objects have together, of which there are more: a type that all values have, else S."""
    columns: dict[str, Column] = {}
    for each in (column for one in found for column in one.columns):
        known = columns.setdefault(each.name, each)
        if not known.example:
            columns[each.name] = each
        elif each.example and each.type != known.type:
            columns[each.name] = replace(known, type=S, other=known.other or each.other)
    seen = tuple(replace(each, empty=None) for each in columns.values())
    return Columns(seen, sum(one.rows for one in found), sum(one.ragged for one in found), is_whole=False)


def is_number(text: str) -> bool:
    """Whether it is a number as a person would write it, and DynamoDB stores all of its digits."""
    if _match_number(text) is None:
        return False
    if len(text) <= DIGITS_MAX:
        return True
    whole, _, fraction = text.removeprefix("-").partition(".")
    digits = (whole + fraction).strip("0")
    leading = len(fraction) - len(fraction.lstrip("0"))
    magnitude = len(whole) - 1 if whole != "0" else -1 - leading
    return not digits or (len(digits) <= DIGITS_MAX and MAGNITUDE_MIN <= magnitude <= MAGNITUDE_MAX)


class ColumnScan:
    """One column, batch by batch. `words` are the texts that count as empty."""

    __slots__ = ("_empty", "_example", "_is_boolean", "_is_number", "_name", "_other", "_words")

    def __init__(self, name: str, words: frozenset[str]) -> None:
        self._name = name
        self._words = words
        self._example = self._other = ""
        self._empty = 0
        self._is_number = self._is_boolean = True

    def read(self, cells: Sequence[str]) -> None:
        """Take the cells of some rows."""
        words = self._words
        for word in words:
            self._empty += cells.count(word)
        if not self._example:
            self._example = next((cell for cell in cells if cell not in words), "")
        if self._is_number and not _are_numbers(cells):
            self._other = next((cell for cell in cells if cell not in words and not is_number(cell)), "")
            self._is_number = not self._other
        if self._is_boolean:
            self._is_boolean = all(cell in BOOLEANS or cell in words for cell in cells)

    def column(self) -> Column:
        """What it is: N, BOOL, or S also where all cells are empty."""
        kind = N if self._is_number else BOOL if self._is_boolean else S
        return Column(self._name, kind if self._example else S, self._example, self._empty, self._other)


def _are_numbers(cells: Sequence[str]) -> bool:
    """Whether all of them are numbers of few digits, or empty: the quick answer to the usual question."""
    text = "\n".join(cells) + "\n"
    is_short = max(map(len, cells)) <= DIGITS_MAX
    return is_short and text.count("\n") == len(cells) and _match_numbers(text) is not None


def scan(
    lines: Iterable[str], dialect: Dialect, headers: Sequence[str] | None, words: frozenset[str], *, is_whole: bool
) -> Columns:
    """Read all records. `is_whole` False: the text is a beginning, whose last record may be cut.

    Raises BadInputError for a header that cannot be one.
    """
    rows = dialect.rows(lines)
    header = header_of(rows, dialect, headers)
    scans = [ColumnScan(name, words) for name in header]
    counted = ragged = 0
    for batch in _batches(rows if is_whole else _without_last(rows), max(1, BATCH_CELLS // max(1, len(header)))):
        fitting = [row for row in batch if len(row) == len(header) and (row != header or len(header) == 1)]
        ragged += sum(len(row) != len(header) for row in batch)
        counted += len(fitting)
        if fitting:
            for each, cells in zip(scans, zip(*fitting, strict=True), strict=True):
                each.read(cells)
    columns = tuple(each.column() for each in scans)
    if not is_whole:
        columns = tuple(replace(each, empty=None) for each in columns)
    return Columns(_without_unnamed(columns), counted, ragged, is_whole)


def header_of(rows: Iterator[list[str]], dialect: Dialect, headers: Sequence[str] | None) -> list[str]:
    """The columns' names: the first row, or what the user says. Raises BadInputError."""
    first = next(rows, None) if dialect.has_header else None
    if dialect.has_header and first is None:
        raise BadInputError("the file is empty: it has no header row")
    names = list(headers) if headers is not None else first
    if names is None:
        raise BadInputError("the file has no header row: name its columns with --headers")
    if first is not None and len(first) != len(names):
        raise BadInputError(f"--headers has {len(names)} names, and the file {len(first)} columns: {', '.join(first)}")
    name, count = Counter(filter(None, names)).most_common(1)[0] if any(names) else ("", 0)
    if count > 1:
        raise BadInputError(f"{count} columns are named {name}; give each its own name with --headers and --header")
    return names


def _without_unnamed(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    for number, each in enumerate(columns, 1):
        if not each.name and each.example:
            raise BadInputError(
                f"column {number} has no name, and values such as {each.example[:40]}; "
                "name it with --headers and --header"
            )
    return tuple(each for each in columns if each.name)


def _batches(rows: Iterator[list[str]], size: int) -> Iterator[list[list[str]]]:
    while batch := list(islice(rows, size)):
        yield batch


def _without_last(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    before = next(rows, None)
    for row in rows:
        if before is not None:
            yield before
        before = row
