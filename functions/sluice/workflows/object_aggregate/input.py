"""The input of an object_aggregate execution, read and checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

from sluice.fields import Fields, kind_of
from sluice.reading.dialect import CSV, DIALECT_FIELDS, JSON, JSONL, DialectInput, refuse_csv_fields
from sluice.reading.leading_bytes import COMPRESSIONS, NONE
from sluice.reading.source import bucket_name, object_key
from sluice.rejects import quoted_names
from sluice.runs.input import TOLERANCE_FIELDS, ToleratedFailures, rejects_tolerated
from sluice.runs.paths import Run
from sluice.state import FIELD, FORMAT
from sluice.workflows.object_aggregate.aggregation import (
    OTHER_COLUMNS,
    ROWS,
    Aggregation,
    ColumnPart,
    Comparator,
    Condition,
    DatePart,
    Layout,
    Measure,
    MissingTexts,
    Order,
    Statistic,
    Top,
)

_COMPARATORS = tuple(map(str, Comparator))


def read_where(fields: Fields) -> tuple[Condition, ...]:
    """The conditions of `where`, all of which a row has to fulfil. Raises InvalidInputError naming the column."""
    if not fields.has("where"):
        return ()
    raw = fields.raw("where")
    where = Fields(raw, raw if isinstance(raw, dict) else (), "where")
    return tuple(condition for name in raw for condition in _conditions(where, name))


def _conditions(where: Fields, name: str) -> list[Condition]:
    """One value that the column equals, or one or more comparisons with it."""
    column = ColumnPart.parse(name)
    if not isinstance(where.raw(name), dict):
        return [Condition(column, Comparator.EQUALS, _value(where, name, column))]
    comparisons = where.section(name, _COMPARATORS)
    given = [each for each in Comparator if comparisons.has(each)]
    if not given:
        raise where.wrong(name, f"must compare with one of {', '.join(_COMPARATORS)}")
    return [Condition(column, each, _compared(comparisons, each, column)) for each in given]


def _compared(comparisons: Fields, comparator: Comparator, column: ColumnPart) -> str | Decimal | tuple[str, ...]:
    if comparator is not Comparator.IN:
        return _value(comparisons, comparator, column)
    texts = comparisons.texts(comparator)
    if not texts:
        raise comparisons.wrong(comparator, "must list at least one text")
    return texts


def _value(fields: Fields, name: str, column: ColumnPart) -> str | Decimal:
    value: Any = fields.raw(name)
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise fields.wrong(name, f"must be a string or a number, not {kind_of(value)}")
    if column.part is None:
        return Decimal(str(value))
    # Parts of dates are texts, of which a year alone can be written as a number.
    if column.part is not DatePart.YEAR or value != int(value):
        raise fields.wrong(name, f"a {column.part} is compared with a text such as {_EXAMPLES[column.part]}")
    return f"{int(value):04d}"


_EXAMPLES = {
    DatePart.YEAR: "2026",
    DatePart.MONTH: "2026-01",
    DatePart.DAY: "2026-01-31",
    DatePart.HOUR: "2026-01-31T23",
}


WRITE_NOTHING, REPORT = "fail", "report"
TOP_MAX = 1000
# It travels to every child beside the objects, which take up to 128 KiB of the 256 KiB that there are.
AGGREGATION_MAX_BYTES = 64 << 10

_FIELDS = (
    "bucket",
    "prefix",
    "suffix",
    "format",
    "compression",
    *DIALECT_FIELDS,
    "groupBy",
    "measures",
    "missing",
    "where",
    "top",
    "batchSize",
    "maxConcurrency",
    "escapeFormulas",
    "onIncomplete",
    *TOLERANCE_FIELDS,
    "rejectsTolerated",
)
_TOP_FIELDS = ("by", "per", "count", "order")


@dataclass(frozen=True, slots=True)
class AggregationInput:
    """`on_incomplete`: whether a run that lacks objects fails, or reports what it has.

    `rejects_tolerated`: {"count": 5}, {"percentage": 1.5} of the rows, or None for any number.
    """

    aggregation: Aggregation
    batch_size: int
    max_concurrency: int
    on_incomplete: str
    tolerated_failures: ToleratedFailures
    rejects_tolerated: dict[str, float] | None

    @classmethod
    def from_input(cls, raw: object, run: Run, data_bucket: str) -> AggregationInput:
        """Read the execution's input. Raises InvalidInputError naming the field."""
        fields = Fields(raw, _FIELDS)
        on_incomplete = fields.choice("onIncomplete", (WRITE_NOTHING, REPORT), WRITE_NOTHING)
        return cls(
            aggregation=_aggregation(fields, run, data_bucket),
            batch_size=fields.integer("batchSize", 250, low=1, high=1000),
            max_concurrency=fields.integer("maxConcurrency", 100, low=1, high=10_000),
            on_incomplete=on_incomplete,
            tolerated_failures=ToleratedFailures.from_input(fields, 0 if on_incomplete == WRITE_NOTHING else 100),
            rejects_tolerated=rejects_tolerated(fields),
        )

    def to_state(self) -> dict[str, Any]:
        """What the state machine needs of it."""
        return {
            FIELD: FORMAT,
            "aggregation": self.aggregation.to_state(),
            "batchSize": self.batch_size,
            "maxConcurrency": self.max_concurrency,
            "onIncomplete": self.on_incomplete,
            **self.tolerated_failures.to_state(),
            "rejectsTolerated": self.rejects_tolerated,
        }


def _aggregation(fields: Fields, run: Run, data_bucket: str) -> Aggregation:
    bucket = bucket_name(fields, fields.text_or("bucket", data_bucket))
    suffix = fields.text_or("suffix", "")
    groups, measures, where = _groups(fields), _measures(fields), read_where(fields)
    _check_names(fields, groups, measures)
    aggregation = Aggregation(
        bucket=bucket,
        prefix=_prefix(fields, run if bucket == data_bucket else None),
        suffix=suffix,
        layout=_layout(fields, suffix),
        groups=groups,
        measures=measures,
        missing=_missing(fields, [each.column for each in measures], where),
        where=where,
        top=_top(fields, groups, measures),
        escape_formulas=fields.boolean("escapeFormulas", default=False),
    )
    _check_headers(fields, aggregation)
    if len(json.dumps(aggregation.to_state()).encode()) > AGGREGATION_MAX_BYTES:
        raise fields.wrong("where", f"with the other fields this is more than {AGGREGATION_MAX_BYTES >> 10} KiB")
    return aggregation


def _prefix(fields: Fields, run: Run | None) -> str:
    """`run` is given where the run writes into the same bucket: it must not read what it writes."""
    prefix = object_key(fields, "prefix")
    if run and run.prefix.startswith(prefix):
        raise fields.wrong("prefix", f"this run itself writes below {run.prefix}, which begins with {prefix}")
    return prefix


# A rejects file is read as the JSON Lines that it is.
FORMATS_READ = (CSV, JSONL, JSON)


def _layout(fields: Fields, suffix: str) -> Layout:
    layout = fields.choice("format", FORMATS_READ, None)
    refuse_csv_fields(fields, layout)
    is_tsv = suffix.lower().removesuffix(".gz").endswith(".tsv")
    given = DialectInput.from_fields(fields, layout or CSV, "\t" if is_tsv else ",")
    headers = given.headers
    if headers and (twice := _repeated(headers)) is not None:
        raise fields.wrong("headers", f"the column {twice} appears twice")
    compression = fields.choice("compression", (NONE, *COMPRESSIONS), None)
    return Layout.of(given, layout, compression)


def _groups(fields: Fields) -> tuple[ColumnPart, ...]:
    names = fields.texts("groupBy") if fields.has("groupBy") else ()
    return _columns(fields, "groupBy", names)


def _columns(fields: Fields, field: str, names: Sequence[str]) -> tuple[ColumnPart, ...]:
    if "" in names:
        raise fields.wrong(f"{field}[{names.index('')}]", "must not be empty")
    if (twice := _repeated(names)) is not None:
        raise fields.wrong(field, f"{twice} appears twice")
    return tuple(map(ColumnPart.parse, names))


def _measures(fields: Fields) -> tuple[Measure, ...]:
    if not fields.has("measures"):
        return ()
    raw = fields.raw("measures")
    measures = Fields(raw, raw if isinstance(raw, dict) else (), "measures")
    return tuple(Measure(column, _statistics(measures, column)) for column in raw)


def _statistics(measures: Fields, column: str) -> tuple[Statistic, ...]:
    names, known = measures.texts(column), tuple(map(str, Statistic))
    wrong = next((each for each in names if each not in known), None)
    if not names or wrong is not None:
        found = "the list is empty" if wrong is None else f"{wrong} is not one of them"
        raise measures.wrong(column, f"must list some of {', '.join(known)}; {found}")
    if (twice := _repeated(names)) is not None:
        raise measures.wrong(column, f"{twice} appears twice")
    return tuple(map(Statistic, names))


def _check_names(fields: Fields, groups: Sequence[ColumnPart], measures: Sequence[Measure]) -> None:
    """The result's columns have a name each."""
    names = [ROWS, *(each.name for each in groups)]
    names += [each.name(statistic) for each in measures for statistic in each.statistics]
    if (twice := _repeated(names)) is not None:
        raise fields.wrong("groupBy", f"the result would have two columns {twice}")


def _missing(fields: Fields, measures: Sequence[str], where: Sequence[Condition]) -> MissingTexts:
    """A list of texts for all columns, or an object of such lists by column. Only columns of numbers can be named."""
    if not fields.has("missing") or not isinstance(fields.raw("missing"), dict):
        return MissingTexts(_texts(fields, "missing")) if fields.has("missing") else MissingTexts()
    numbers = [*measures, *(each.column.column for each in where if isinstance(each.value, Decimal))]
    by_column = Fields(fields.raw("missing"), fields.raw("missing"), "missing")
    for name in fields.raw("missing"):
        if name not in (*numbers, OTHER_COLUMNS):
            known = quoted_names([*dict.fromkeys(numbers)])
            raise by_column.wrong(name, f"is not a column of measures or of numbers in where; these are {known}")
    return MissingTexts.from_state({name: _texts(by_column, name) for name in fields.raw("missing")})


def _texts(fields: Fields, name: str) -> frozenset[str]:
    return frozenset(each.strip() for each in fields.texts(name))


def _top(fields: Fields, groups: Sequence[ColumnPart], measures: Sequence[Measure]) -> Top | None:
    if not fields.has("top"):
        return None
    top = fields.section("top", _TOP_FIELDS)
    ranked = {each.name(stat): (index, stat) for index, each in enumerate(measures) for stat in each.statistics}
    by = top.text("by")
    if by not in ranked:
        raise top.wrong("by", f"{by} is not one of the measures: {', '.join(ranked) or 'there are none'}")
    per = _columns(top, "per", top.texts("per") if top.has("per") else ())
    other = next((each.name for each in per if each not in groups), None)
    if other is not None:
        raise top.wrong("per", f"{other} is not among groupBy")
    orders = tuple(map(str, Order))
    measure, statistic = ranked[by]
    count = top.integer("count", 1, low=1, high=TOP_MAX)
    return Top(measure, statistic, per, count, Order(top.choice("order", orders, Order.HIGHEST)))


def _check_headers(fields: Fields, aggregation: Aggregation) -> None:
    """If the input names the columns, the requested columns are among them."""
    headers = aggregation.layout.headers
    if headers is None:
        return
    request = [("groupBy", each.column) for each in aggregation.groups]
    request += [("measures", each.column) for each in aggregation.measures]
    request += [("where", each.column.column) for each in aggregation.where]
    for field, column in request:
        if column not in headers:
            raise fields.wrong(field, f"{column} is not among headers: {', '.join(headers)}")


def _repeated(names: Sequence[str]) -> str | None:
    return next((each for index, each in enumerate(names) if each in names[:index]), None)
