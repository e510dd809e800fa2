"""The result as result.csv and result.json, in its order, or only the top groups."""

from __future__ import annotations

import json
from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sluice.workflows.object_aggregate.aggregation import ROWS, Aggregation, Measure, Order, Statistic, Top
from sluice.workflows.object_aggregate.cells import EXACT, ZERO, GroupTally, Key, MeasureTally
from sluice.workflows.object_aggregate.tally import from_line, to_line

_QUOTED = frozenset('",\r\n')
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class ResultFormat:
    """How groups are written. `names`: the result's columns. `indexes`: where the columns of `groupBy` are in a key.

    `missing`: objects that the result lacks, None if it has all. `escape_formulas`: see Aggregation.
    """

    names: tuple[str, ...]
    indexes: tuple[int, ...]
    measures: tuple[Measure, ...]
    missing: Mapping[str, int] | None
    json_names: tuple[str, ...]
    escape_formulas: bool = False

    @classmethod
    def of(cls, aggregation: Aggregation, missing: Mapping[str, int] | None) -> ResultFormat:
        """The columns of groupBy, the rows, and each measure's statistics, in the input's order."""
        groups, measures = aggregation.groups, aggregation.measures
        statistics = [each.name(statistic) for each in measures for statistic in each.statistics]
        indexes = tuple(map(aggregation.key_columns.index, groups))
        names = (*(each.name for each in groups), ROWS, *statistics)
        json_names = tuple(json.dumps(each, ensure_ascii=False) for each in names)
        return cls(names, indexes, measures, missing, json_names, aggregation.escape_formulas)

    @property
    def csv_head(self) -> bytes:
        """The header row."""
        return _csv_line(map(self._csv_text, self.names))

    @property
    def json_head(self) -> bytes:
        """The beginning of the document: whether the groups have all objects, and if not, how many are missing."""
        head: dict[str, Any] = {"complete": self.missing is None, "missing": self.missing, "columns": self.names}
        return json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "groups": ['

    def rows(self, key: Key, tally: GroupTally) -> tuple[bytes, bytes]:
        """One group as a row of the CSV, and as an object on a line; a statistic of no values is empty, and null."""
        cells, values = [key[index] for index in self.indexes], self._values(tally)
        texts = [*(json.dumps(each, ensure_ascii=False) for each in cells), *(each or "null" for each in values)]
        members = ", ".join(f"{name}: {text}" for name, text in zip(self.json_names, texts, strict=True))
        csv_cells = [*map(self._csv_text, cells), *(each or "" for each in values)]
        return _csv_line(csv_cells), f"{{{members}}}".encode()

    def _csv_text(self, text: str) -> str:
        return "'" + text if self.escape_formulas and text.startswith(_FORMULA_BEGINNINGS) else text

    def _values(self, tally: GroupTally) -> list[str | None]:
        values: list[str | None] = [str(tally.rows)]
        for measure, found in zip(self.measures, tally.measures, strict=True):
            values += [_statistic(found, each) for each in measure.statistics]
        return values


def plain(value: Decimal) -> str:
    """A number without an exponent and without trailing zeros."""
    if not value:
        return "0"
    text = str(value)
    if "E" in text:
        return format(value.normalize(EXACT), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _statistic(found: MeasureTally, statistic: Statistic) -> str | None:
    if statistic is Statistic.COUNT:
        return str(found.count)
    if not found.count:
        return None
    if statistic is Statistic.MEAN:
        return plain(Decimal(repr(found.mean)))
    return plain(value_of(found, statistic))


def value_of(found: MeasureTally, statistic: Statistic) -> Decimal:
    """The sum, the least or the greatest of values that there are."""
    value = {Statistic.SUM: found.total, Statistic.MIN: found.low, Statistic.MAX: found.high}[statistic]
    return value or ZERO


def _csv_line(cells: Any) -> bytes:
    return ",".join(map(_csv_cell, cells)).encode() + b"\n"


def _csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _QUOTED.intersection(text) else text


Group = tuple[Key, GroupTally]
Ranked = tuple[Fraction, Key, GroupTally]


class Ranking:
    """Ranks groups in the order of their keys, which begin with `top.per`. Holds at most `top.count` of them."""

    def __init__(self, top: Top, candidates: Iterable[str] = ()) -> None:
        """`candidates`: what `state` of an earlier slice has been."""
        self._top = top
        self._ranked: list[Ranked] = []
        for line in candidates:
            self._enter(*from_line(line.encode()))

    @property
    def state(self) -> list[str]:
        """The groups that are ahead so far, as lines."""
        return [to_line(key, tally).decode() for _, key, tally in self._ranked]

    def take(self, key: Key, tally: GroupTally) -> list[Group]:
        """One more group; returns those of the combination before it, if it ended that."""
        length = len(self._top.per)
        is_over = bool(self._ranked) and self._ranked[0][1][:length] != key[:length]
        ended = self.end() if is_over else []
        self._enter(key, tally)
        return ended

    def end(self) -> list[Group]:
        """The groups of the top, in their order."""
        ended = [(key, tally) for _, key, tally in self._ranked]
        self._ranked = []
        return ended

    def _enter(self, key: Key, tally: GroupTally) -> None:
        value = statistic(tally.measures[self._top.measure], self._top.statistic)
        if value is None:
            return
        rank = -value if self._top.order is Order.HIGHEST else value
        if len(self._ranked) == self._top.count and (rank, key) > self._ranked[-1][:2]:
            return
        insort(self._ranked, (rank, key, tally), key=lambda ranked: ranked[:2])
        del self._ranked[self._top.count :]


def statistic(found: MeasureTally, name: Statistic) -> Fraction | None:
    """The exact value, also of means; None if there are no values."""
    if name is Statistic.COUNT:
        return Fraction(found.count)
    if not found.count:
        return None
    if name is Statistic.MEAN:
        return Fraction(found.total) / found.count
    return Fraction(value_of(found, name))
