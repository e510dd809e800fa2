"""The top groups of each combination, chosen as the groups come by in the order of their keys."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from fractions import Fraction

from sluice.aggregating.aggregation import Order, Statistic, Top
from sluice.aggregating.group_lines import from_line, to_line
from sluice.aggregating.group_tally import GroupTally, Key, MeasureTally
from sluice.reducing.result_format import value_of

Group = tuple[Key, GroupTally]
Ranked = tuple[Fraction, Key, GroupTally]


class Ranking:
    """What competes stands together: `top.per` is what keys begin with. Holds `top.count` groups at the most."""

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
        """The groups that have won, in their order."""
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
    """The exact value, None where there are no values; means that differ in the last digit are told apart."""
    if name is Statistic.COUNT:
        return Fraction(found.count)
    if not found.count:
        return None
    if name is Statistic.MEAN:
        return Fraction(found.total) / found.count
    return Fraction(value_of(found, name))
