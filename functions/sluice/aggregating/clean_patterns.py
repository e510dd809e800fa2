"""Records that are clean, as one regular expression that finds the cells that are asked for and checks all others.

Clean are records on one line each, with a cell for each column: one in quotes has none inside, or doubled ones where
nothing is asked of it; one without has neither quote nor delimiter. csv.reader reads them as they stand here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from sluice.aggregating.aggregation import Aggregation, ColumnPart
from sluice.aggregating.cells import BLANKS

# Of what a number consists must not be what stands around it.
_NEWLINE = "\n"
_UNSAFE = frozenset("0123456789+-.eE\r\n")


class Numbers(StrEnum):
    """What all numbers of a block are like."""

    # Whole ten-thousandths, and quickly added.
    SHORT = r"-?+[0-9]{1,14}+(?:\.[0-9]{1,4}+)?+"
    # Within DynamoDB's 38 digits and its range, whatever the exponent.
    LONG = r"[+-]?+(?:[0-9]{1,19}+(?:\.[0-9]{0,19}+)?+|\.[0-9]{1,19}+)(?:[eE][+-]?+[0-9]{1,2}+)?+"


class CellKind(StrEnum):
    """What a cell is looked at as."""

    TEXT = "text"
    PART = "part"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Role:
    """One use of a column; a column may have several."""

    column: str
    kind: CellKind
    characters: int = 0

    @classmethod
    def of_text(cls, column: ColumnPart) -> Role:
        """As a group, or as a text to compare."""
        if column.part:
            return cls(column.column, CellKind.PART, column.part.characters)
        return cls(column.column, CellKind.TEXT)


def roles_of(aggregation: Aggregation) -> tuple[Role, ...] | None:
    """The roles of the conditions, then the groups', then the measures'; None where a row has to be looked at."""
    layout = aggregation.layout
    conditions = []
    for each in aggregation.where:
        is_number = isinstance(each.value, Decimal)
        if is_number and each.column.part:
            return None
        conditions.append(Role(each.column.column, CellKind.NUMBER) if is_number else Role.of_text(each.column))
    if _UNSAFE & {layout.delimiter, layout.quote}:
        return None
    groups = map(Role.of_text, aggregation.key_columns)
    return (*conditions, *groups, *(Role(each.column, CellKind.NUMBER) for each in aggregation.measures))


@dataclass(frozen=True, slots=True)
class Dialect:
    """`missing`: texts that are no number, and stand for none."""

    delimiter: str
    quote: str | None
    missing: frozenset[str]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the records of a block are like: `quoted`, for each column of the header, whether its cells are in quotes.

    `is_strict`: those of each column all are, or none is. Else it is known only of columns with a role; it takes
    re more than twice the time, which is fastest where a set excludes one character only.
    """

    quoted: tuple[bool, ...]
    numbers: Numbers
    is_strict: bool


@dataclass(frozen=True, slots=True)
class CleanPattern:
    """A block is clean if as many records are found in it as it has newlines.

    `quotes`: how many each record has to have besides, None where it need not be counted. `places`: for each role its
    place in what findall yields for a record, which is a tuple.
    """

    records: re.Pattern[str]
    quotes: int | None
    places: tuple[int, ...]
    numbers: Numbers


def clean_pattern(header: Sequence[str], roles: Sequence[Role], dialect: Dialect, shape: Shape) -> CleanPattern:
    """The pattern for records of a shape under a header that has each role's column once."""
    by_column: dict[str, list[int]] = {}
    for index, role in enumerate(roles):
        by_column.setdefault(role.column, []).append(index)
    cells, order = [], []
    for place, (name, is_quoted) in enumerate(zip(header, shape.quoted, strict=True), 1):
        indexes = by_column.get(name, [])
        order += indexes
        cell = _Cell(dialect, shape, is_quoted=is_quoted, is_last=place == len(header))
        cells.append(cell.of_roles([roles[each] for each in indexes]) if indexes else cell.without_role())
    # A line of nothing is no record, not even of one column.
    start = "^(?!\n)" if len(header) == 1 else "^"
    more_groups = "()" * max(2 - len(order), 0)
    text = start + re.escape(dialect.delimiter).join(cells) + more_groups + "\n"
    is_counted = shape.is_strict and dialect.quote is not None and not all(shape.quoted)
    return CleanPattern(
        records=re.compile(text, re.MULTILINE),
        quotes=2 * sum(shape.quoted) if is_counted else None,
        places=tuple(map(order.index, range(len(roles)))),
        numbers=shape.numbers,
    )


def are_quoted(line: str, columns: int, dialect: Dialect) -> tuple[bool, ...] | None:
    """For each cell of a clean line, its newline included, whether it is in quotes; None for a line that is not."""
    cell = re.compile(f"({_any_cell(dialect)})(?:{re.escape(dialect.delimiter)}|\n)")
    found, position = [], 0
    while position < len(line) and (match := cell.match(line, position)):
        found.append(dialect.quote is not None and match[1].startswith(dialect.quote))
        position = match.end()
    return tuple(found) if position == len(line) and len(found) == columns else None


def _any_cell(dialect: Dialect) -> str:
    bare = rf"{_none_of(dialect.quote, dialect.delimiter, _NEWLINE)}*+"
    if dialect.quote is None:
        return bare
    quote, inside = re.escape(dialect.quote), rf"{_none_of(dialect.quote)}*+"
    return rf"(?:{quote}{inside}(?:{quote}{quote}{inside})*+{quote}|{bare})"


def _none_of(*characters: str | None) -> str:
    return f"[^{''.join(re.escape(each) for each in characters if each is not None)}]"


class _Cell:
    """A cell's pattern. In quotes it may hold the delimiter; newlines are left to those who count them."""

    def __init__(self, dialect: Dialect, shape: Shape, *, is_quoted: bool, is_last: bool) -> None:
        self._dialect = dialect
        self._shape = shape
        self._is_quoted = is_quoted
        if is_quoted:
            excluded: tuple[str | None, ...] = (dialect.quote,)
        elif not shape.is_strict:
            excluded = (dialect.quote, dialect.delimiter, _NEWLINE)
        elif is_last:
            excluded = (dialect.delimiter, _NEWLINE)
        else:
            excluded = (dialect.delimiter,)
        self._character = _none_of(*excluded)
        self._quote = re.escape(dialect.quote) if is_quoted and dialect.quote else ""
        self._end = self._quote or rf"(?=[{re.escape(dialect.delimiter)}\n])"

    def without_role(self) -> str:
        """A cell that nothing is asked of."""
        return f"{self._quote}{self._character}*+{self._quote}" if self._shape.is_strict else _any_cell(self._dialect)

    def of_roles(self, roles: Iterable[Role]) -> str:
        """All roles look at the same cell, and the last one goes on to its end."""
        *ahead, last = map(self._of_role, roles)
        return self._quote + "".join(f"(?={each}{self._end})" for each in ahead) + last + self._quote

    def _of_role(self, role: Role) -> str:
        if role.kind is CellKind.TEXT:
            return f"({self._character}*+)"
        if role.kind is CellKind.PART:
            return f"({self._character}{{{role.characters}}}){self._character}*+"
        return self._number()

    def _number(self) -> str:
        blanks = "".join(each for each in BLANKS if self._may_hold(each))
        around = f"[{blanks}]*+" if blanks else ""
        texts = sorted(filter(self._may_hold, self._dialect.missing), key=len, reverse=True)
        none = f"(?:{'|'.join(map(re.escape, texts))})(?={around}{self._end})|" if texts else ""
        return f"{around}(?:{none}({self._shape.numbers})|){around}"

    def _may_hold(self, text: str) -> bool:
        """Whether a clean cell may have the text in it."""
        dialect = self._dialect
        excluded = [dialect.quote, "\r", _NEWLINE, None if self._is_quoted else dialect.delimiter]
        return not any(each in text for each in excluded if each is not None)
