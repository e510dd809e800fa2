"""Which columns that a run names its rows have: a column that no row has is nearly always misspelt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from sluice.errors import ColumnNotFoundError
from sluice.rejects import quoted_names
from sluice.runs.summary import RunError
from sluice.state import State

# Names that a message about a missing column lists; they travel in state.
KNOWN_COLUMNS_MAX = 30
_COLUMN_MAX_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class ColumnsFound(State):
    """Which of the requested columns the rows have. A row of JSON may lack a column; that all rows do is an error.

    `absent`: requested columns that no row has, None if there are no rows. `known`: names that rows have, at most
    KNOWN_COLUMNS_MAX; empty if no requested column is absent.
    """

    absent: frozenset[str] | None = None
    known: tuple[str, ...] = ()

    @classmethod
    def in_rows(cls, rows: Sequence[Mapping[str, Any]], requested: Iterable[str]) -> ColumnsFound:
        """The columns of JSON objects."""
        absent = frozenset(name for name in requested if not any(name in row for row in rows))
        return cls(absent, _known(chain.from_iterable(rows)) if absent else ()) if rows else cls()

    @classmethod
    def of_rows(cls, absent: Iterable[str], row: Iterable[str]) -> ColumnsFound:
        """Those of rows that all lack the columns `absent`; `row` has the names of one of them."""
        missing = frozenset(absent)
        return cls(missing, _known(row) if missing else ())

    def __add__(self, other: ColumnsFound) -> ColumnsFound:
        """The columns of more rows."""
        if self.absent is None or other.absent is None:
            return other if self.absent is None else self
        absent = self.absent & other.absent
        return ColumnsFound(absent, _known((*self.known, *other.known)) if absent else ())


# Rows of CSV have all columns of their header, which is checked before any row is read.
ALL_COLUMNS = ColumnsFound(frozenset())


def column_not_found(columns: ColumnsFound, problem: str) -> RunError | None:
    """The error of a run whose rows all lack a column; `problem` is how its message begins: "no item has"."""
    if not columns.absent:
        return None
    noun = "columns" if len(columns.absent) > 1 else "column"
    absent, known = quoted_names(sorted(columns.absent)), quoted_names(columns.known)
    return RunError(ColumnNotFoundError.__name__, f"{problem} the {noun} {absent}; their columns are {known}")


def _known(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(dict.fromkeys(each[:_COLUMN_MAX_CHARACTERS] for each in names), KNOWN_COLUMNS_MAX))
