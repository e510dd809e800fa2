"""Records that are clean, as one regular expression that finds the cells that are asked for and checks all others.

Clean are records on one line each, with a cell for each column: a cell in quotes has none inside, one without has
neither quote nor delimiter. csv.reader reads them as they stand here; cells that no row may have do not match.
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
_UNSAFE = frozenset("0123456789+-.eE\r\n")


class Numbers(StrEnum):
    """What all numbers of a block are like."""

    # At most 15 digits: one double for each of them, and no other number has it.
    SHORT = r"-?+[0-9]{1,11}+(?:\.[0-9]{1,4}+)?+"
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
class CleanPattern:
    """`places`: for each role its place in what findall yields for a record, which is a tuple."""

    records: re.Pattern[str]
    places: tuple[int, ...]
    numbers: Numbers


def clean_pattern(
    header: Sequence[str], roles: Sequence[Role], dialect: Dialect, quoted: Sequence[bool], numbers: Numbers
) -> CleanPattern:
    """`quoted`: for each column with a role, in the header's order, whether its cells are in quotes."""
    by_column: dict[str, list[int]] = {}
    for index, role in enumerate(roles):
        by_column.setdefault(role.column, []).append(index)
    are_quoted = iter(quoted)
    cells, order = [], []
    for name in header:
        indexes = by_column.get(name, [])
        if not indexes:
            cells.append(_any_cell(dialect))
            continue
        order += indexes
        writer = _QuotedCell(dialect, numbers) if next(are_quoted) else _BareCell(dialect, numbers)
        cells.append(writer.pattern([roles[each] for each in indexes]))
    # A line of nothing is no record, not even of one column.
    start = "^(?!\n)" if len(header) == 1 else "^"
    more_groups = "()" * max(2 - len(order), 0)
    text = start + re.escape(dialect.delimiter).join(cells) + more_groups + "\n"
    return CleanPattern(re.compile(text, re.MULTILINE), tuple(map(order.index, range(len(roles)))), numbers)


def first_cells(line: str, columns: int, dialect: Dialect) -> list[str] | None:
    """The cells of a clean line as they stand, quotes included; None where it is none."""
    pattern = re.compile(f"({_any_cell(dialect)})(?:{re.escape(dialect.delimiter)}|\n)")
    found, position = [], 0
    while position < len(line) and (match := pattern.match(line, position)):
        found.append(match[1])
        position = match.end()
    return found if position == len(line) and len(found) == columns else None


def _any_cell(dialect: Dialect) -> str:
    bare = rf"[^{_escaped(dialect.quote, dialect.delimiter)}\n]*+"
    if dialect.quote is None:
        return bare
    quote, inside = re.escape(dialect.quote), rf"[^{_escaped(dialect.quote)}\n]*+"
    return rf"(?:{quote}{inside}(?:{quote}{quote}{inside})*+{quote}|{bare})"


def _escaped(*characters: str | None) -> str:
    """As they stand in a class of characters."""
    return "".join(re.escape(each) for each in characters if each is not None)


class _BareCell:
    """A cell without quotes."""

    def __init__(self, dialect: Dialect, numbers: Numbers) -> None:
        self._numbers = numbers
        self._excluded: tuple[str | None, ...] = (dialect.quote, dialect.delimiter)
        self._missing = [each for each in dialect.missing if not self._has_excluded(each)]
        self._before = ""
        self._end = rf"(?=[{_escaped(dialect.delimiter)}\n])"
        self._after = ""

    def pattern(self, roles: Iterable[Role]) -> str:
        """All roles look at the same cell, and the last one goes on to its end."""
        *ahead, last = map(self._cell, roles)
        return self._before + "".join(f"(?={each}{self._end})" for each in ahead) + last + self._after

    def _has_excluded(self, text: str) -> bool:
        return any(each in text for each in (*self._excluded, "\r", "\n") if each)

    def _cell(self, role: Role) -> str:
        any_character = rf"[^{_escaped(*self._excluded)}\n]"
        if role.kind is CellKind.TEXT:
            return f"({any_character}*+)"
        if role.kind is CellKind.PART:
            return f"({any_character}{{{role.characters}}}){any_character}*+"
        return self._number()

    def _number(self) -> str:
        allowed = "".join(each for each in BLANKS if each not in self._excluded)
        blanks = f"[{allowed}]*+" if allowed else ""
        missing = "|".join(re.escape(each) for each in sorted(self._missing, key=len, reverse=True))
        none = f"(?:{missing})(?={blanks}{self._end})|" if missing else ""
        return f"{blanks}(?:{none}({self._numbers})|){blanks}"


class _QuotedCell(_BareCell):
    """A cell in quotes, which may hold the delimiter."""

    def __init__(self, dialect: Dialect, numbers: Numbers) -> None:
        super().__init__(dialect, numbers)
        quote = re.escape(dialect.quote or "")
        self._excluded = (dialect.quote,)
        self._missing = [each for each in dialect.missing if not self._has_excluded(each)]
        self._before = self._end = self._after = quote
