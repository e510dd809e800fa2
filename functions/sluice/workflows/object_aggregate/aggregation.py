"""What a run does with its rows: groups, measures, conditions and the top, as they travel in state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from sluice.reading.dialect import Dialect, DialectInput, HeaderRow
from sluice.state import Named, VersionedState, encode

ROWS = "rows"


class Statistic(StrEnum):
    """A statistic of the values of a measure. Missing values count in none."""

    COUNT = "count"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    MEAN = "mean"


class DatePart(StrEnum):
    """A part of a date in ISO 8601: 2026, 2026-01, 2026-01-31, 2026-01-31T23."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"

    @property
    def characters(self) -> int:
        """How many of the date's characters those are."""
        return {DatePart.YEAR: 4, DatePart.MONTH: 7, DatePart.DAY: 10, DatePart.HOUR: 13}[self]


@dataclass(frozen=True, slots=True)
class ColumnPart:
    """A column, or a part of the dates in it: written DATE, or DATE:month."""

    column: str
    part: DatePart | None = None

    @classmethod
    def parse(cls, name: str) -> ColumnPart:
        """Read what `name` returns; a colon before anything but a date part is the column's own."""
        column, _, part = name.rpartition(":")
        return cls(column, DatePart(part)) if column and part in tuple(DatePart) else cls(name)

    @classmethod
    def from_state(cls, name: str) -> ColumnPart:
        """Read what `to_state` returns."""
        return cls.parse(name)

    def to_state(self) -> str:
        """The name."""
        return self.name

    @property
    def name(self) -> str:
        """As it is in the input and in the result."""
        return f"{self.column}:{self.part}" if self.part else self.column


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of numbers, and the statistics of it in the input's order."""

    column: str
    statistics: tuple[Statistic, ...]

    def name(self, statistic: Statistic) -> str:
        """The name in the header of result.csv, and in `top`: TEMP.mean."""
        return f"{self.column}.{statistic}"


class Comparator(StrEnum):
    """How a cell is compared: as a number with a number, as text (by code points) with a text."""

    EQUALS = "equals"
    NOT_EQUALS = "notEquals"
    IN = "in"
    AT_LEAST = "atLeast"
    AT_MOST = "atMost"
    MORE_THAN = "moreThan"
    LESS_THAN = "lessThan"


@dataclass(frozen=True, slots=True)
class Condition:
    """A row is taken only if the cell fulfils it. `value`: a text or a number; for IN a tuple of texts.

    A missing cell fulfils no comparison with a number; a cell that is not a number rejects its row.
    """

    column: ColumnPart
    comparator: Comparator
    value: str | Decimal | tuple[str, ...]

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Condition:
        """Read what `to_state` returns."""
        value = state["value"]
        if isinstance(value, Mapping):
            value = Decimal(value["number"])
        elif isinstance(value, list):
            value = tuple(value)
        return cls(ColumnPart.parse(state["column"]), Comparator(state["comparator"]), value)

    def to_state(self) -> dict[str, Any]:
        """The condition as it travels in state; a number to compare with is {"number": text}, to be exact."""
        value = {"number": str(self.value)} if isinstance(self.value, Decimal) else encode(self.value)
        return {"column": self.column.name, "comparator": str(self.comparator), "value": value}


class Order(StrEnum):
    """Which end of the groups is the top."""

    HIGHEST = "highest"
    LOWEST = "lowest"


@dataclass(frozen=True, slots=True)
class Top:
    """The result has only these groups: for each combination of `per`, the first `count` of `order` by a statistic.

    Of equal groups the one with the lesser key comes first; a group without a value is left out.
    """

    measure: int
    statistic: Statistic
    per: tuple[ColumnPart, ...]
    count: int
    order: Order


@dataclass(frozen=True, slots=True)
class Layout:
    """How objects are read: the fields of a Dialect, see there.

    `format` and `compression` None: by each key's ending. `headers`: the columns, where the input names them.
    """

    format: str | None
    delimiter: str
    quote: str | None
    headers: tuple[str, ...] | None
    encoding: str
    escape: str | None = None
    skip_rows: int = 0
    comment: str | None = None
    trim: bool = False
    replaces_header: bool = False
    compression: str | None = None

    @classmethod
    def of(cls, given: DialectInput, layout: str | None, compression: str | None) -> Layout:
        """What the input says."""
        of = given.dialect
        return cls(
            format=layout,
            delimiter=of.delimiter,
            quote=of.quote,
            headers=given.headers,
            encoding=of.encoding,
            escape=of.escape,
            skip_rows=of.skip_rows,
            comment=of.comment,
            trim=of.trim,
            replaces_header=of.header_row is HeaderRow.REPLACED,
            compression=compression,
        )

    def dialect(self, layout: str) -> Dialect:
        """The dialect of an object in this format."""
        return Dialect(
            format=layout,
            delimiter=self.delimiter,
            quote=self.quote,
            encoding=self.encoding,
            escape=self.escape,
            skip_rows=self.skip_rows,
            comment=self.comment,
            trim=self.trim,
            header_row=HeaderRow.REPLACED if self.replaces_header else HeaderRow.NONE,
        )


OTHER_COLUMNS = "*"


@dataclass(frozen=True, slots=True)
class MissingTexts:
    """Cells that mean no value, besides the empty one; they are compared without the blanks around them.

    `by_column` is for the columns that it names, `others` for all other columns.
    """

    others: frozenset[str] = frozenset()
    by_column: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, column: str) -> frozenset[str]:
        """The texts that mean no value in this column."""
        return self.by_column.get(column, self.others)

    @classmethod
    def from_state(cls, state: Any) -> MissingTexts:
        """Read what `to_state` returns: {"*": texts, "WDSP": texts}, or a list of texts for all columns."""
        if isinstance(state, list):
            return cls(frozenset(state))
        by_column = {name: frozenset(texts) for name, texts in state.items()}
        return cls(by_column.pop(OTHER_COLUMNS, frozenset()), by_column)

    def to_state(self) -> Any:
        """The texts as they travel in state, and as the input has them."""
        if not self.by_column:
            return sorted(self.others)
        texts = {OTHER_COLUMNS: self.others, **self.by_column}
        return {name: sorted(each) for name, each in texts.items()}


@dataclass(frozen=True, slots=True)
class Aggregation(VersionedState):
    """What the run does with the rows of every object below a prefix.

    `groups` may be empty: all rows are one group then. `escape_formulas`: in result.csv, texts that a spreadsheet
    would take for a formula begin with an apostrophe.
    """

    what: ClassVar = "the run's plan"

    bucket: str
    prefix: str
    suffix: str
    layout: Layout
    groups: Annotated[tuple[ColumnPart, ...], Named("groupBy")]
    measures: tuple[Measure, ...]
    missing: MissingTexts
    where: tuple[Condition, ...]
    top: Top | None
    escape_formulas: bool = False

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read what `to_state` returns; an earlier version escaped nothing."""
        # super() without arguments knows the class as it was before it had slots.
        return super(Aggregation, cls).from_state(
            {"escapeFormulas": False, **state} if isinstance(state, Mapping) else state
        )

    @property
    def key_columns(self) -> tuple[ColumnPart, ...]:
        """The groups' columns in the order of a key: those of `top.per` first, for what competes to stand together."""
        per = self.top.per if self.top else ()
        return (*per, *(each for each in self.groups if each not in per))
