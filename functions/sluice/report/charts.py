"""Numbers of a report as shapes: rates over time, and children on a timeline. Shapes are in percent of their chart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sluice.report.facts import Child, Work

Spell = TypeVar("Spell", Work, Child)

BINS = 60
BARS_SHOWN = 40
# A child that took no measurable time is still to be seen.
LEAST_WIDTH = 0.4


@dataclass(frozen=True, slots=True)
class Span:
    """The time that charts cover, in seconds since 1970."""

    start: float
    stop: float

    @property
    def seconds(self) -> float:
        """Its length, never 0."""
        return max(self.stop - self.start, 0.001)

    def percent(self, at: float) -> float:
        """Where a moment is."""
        return round(min(max((at - self.start) / self.seconds, 0.0), 1.0) * 100, 2)


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate over time: `values` per second, one for each of BINS equal parts of the span.

    `limit`: what the run was allowed, None without a limit. `path` and `limit_y` are SVG of a box of 100 by 100.
    """

    title: str
    unit: str
    values: Sequence[float]
    limit: float | None = None

    @property
    def peak(self) -> float:
        """The largest value."""
        return max(self.values, default=0.0)

    @property
    def top(self) -> float:
        """The value at the upper edge of the chart."""
        return max(self.peak, self.limit or 0.0) * 1.08 or 1.0

    @property
    def path(self) -> str:
        """The area below the values."""
        width = 100 / max(len(self.values), 1)
        steps = [f"L{i * width:.2f} {self._y(value):.2f}H{(i + 1) * width:.2f}" for i, value in enumerate(self.values)]
        return f"M0 100{''.join(steps)}L100 100Z"

    @property
    def limit_y(self) -> float | None:
        """The height of the limit's line."""
        return None if self.limit is None else self._y(self.limit)

    def _y(self, value: float) -> float:
        return round(100 - value / self.top * 100, 2)


@dataclass(frozen=True, slots=True)
class Bar:
    """A child on the timeline."""

    child: Child
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """The children of one Map Run: all of them, or those that failed or took longest."""

    title: str
    bars: Sequence[Bar]
    children: int
    failed: int

    @property
    def is_complete(self) -> bool:
        """Whether every child has a bar."""
        return len(self.bars) == self.children


def binned(span: Span, work: Iterable[Spell], measure: Callable[[Spell], float]) -> list[float]:
    """What was done per second in each of BINS equal parts of the span; work counts evenly over its time."""
    width = span.seconds / BINS
    amounts = [0.0] * BINS
    for each in work:
        amount = measure(each)
        if not amount:
            continue
        start, stop = each.start - span.start, each.stop - span.start
        first, last = (min(max(int(at / width), 0), BINS - 1) for at in (start, stop))
        length = max(stop - start, 1e-9)
        for index in range(first, last + 1):
            overlap = min(stop, (index + 1) * width) - max(start, index * width)
            amounts[index] += amount if first == last else amount * max(overlap, 0.0) / length
    return [amount / width for amount in amounts]


def running(span: Span, children: Iterable[Child]) -> list[float]:
    """How many children were at work, on average, in each of BINS equal parts of the span."""
    return binned(span, children, lambda each: each.stop - each.start)


def timelines(span: Span, children: Sequence[Child]) -> list[Timeline]:
    """One for each Map Run, in the order in which they began."""
    by_run: dict[str, list[Child]] = {}
    for child in sorted(children, key=lambda each: each.start):
        by_run.setdefault(child.map_run, []).append(child)
    return [_timeline(span, name, found) for name, found in by_run.items()]


def _timeline(span: Span, name: str, children: Sequence[Child]) -> Timeline:
    notable = sorted(children, key=lambda each: (not each.has_failed, each.start - each.stop))[:BARS_SHOWN]
    bars = [_bar(span, each) for each in sorted(notable, key=lambda each: (each.start, each.name))]
    return Timeline(name, bars, len(children), sum(each.has_failed for each in children))


def _bar(span: Span, child: Child) -> Bar:
    left = span.percent(child.start)
    width = max(span.percent(child.stop) - left, LEAST_WIDTH)
    return Bar(child, min(left, 100 - width), round(width, 2))
