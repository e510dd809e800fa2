"""distinct_keys' page policy over 126 shapes of tables, against the best plan, a full scan and one skip per key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from statistics import geometric_mean
from typing import Any

from bench.figures import Better, Measurement, figure
from bench.scan_simulator import Segment, full_cost, least_total, policy_cost, skip_cost
from sluice.workflows.distinct_keys.page_policy import Optimize

REQUEST_UNITS = Optimize.BALANCED.request_units


@dataclass(frozen=True, slots=True)
class Compared:
    """One shape: the policy's total cost over that of the best plan, and over the better of full scan and skip."""

    name: str
    family: str
    over_best: float
    over_better: float


@figure("distinct_sim_geomean", goal=1.20, better=Better.LOWER, unit="ratio")
def over_best_mean() -> Measurement:
    """Geometric mean over the best plan."""
    shapes = compared()
    families = {shape.family: [each for each in shapes if each.family == shape.family] for shape in shapes}
    detail = {
        name: {"shapes": len(of_family), "mean": _mean(of_family), "worst": _worst(of_family).over_best}
        for name, of_family in families.items()
    }
    return Measurement(geometric_mean(shape.over_best for shape in shapes), _rounded(detail))


@figure("distinct_sim_worst", goal=5, better=Better.LOWER, unit="ratio")
def over_best_worst() -> Measurement:
    """The worst shape over the best plan."""
    worst = _worst(compared())
    return Measurement(worst.over_best, {"shape": worst.name, "family": worst.family})


@figure("distinct_sim_vs_better", goal=1.10, better=Better.LOWER, unit="ratio")
def over_better_worst() -> Measurement:
    """The worst shape over the better of a full scan and one skip per key."""
    worst = max(compared(), key=lambda shape: shape.over_better)
    mean = geometric_mean(shape.over_better for shape in compared())
    return Measurement(worst.over_better, _rounded({"shape": worst.name, "family": worst.family, "mean": mean}))


@cache
def compared() -> tuple[Compared, ...]:
    """All shapes, computed once for the three figures."""
    from bench.scan_shapes import all_shapes  # numpy is there for benchmarks only

    return tuple(compare(segment) for segment in all_shapes())


def compare(segment: Segment, request_units: float = REQUEST_UNITS) -> Compared:
    """One shape's ratios."""
    total = policy_cost(segment, request_units).total(request_units)
    better = min(cost.total(request_units) for cost in (full_cost(segment), skip_cost(segment)))
    return Compared(segment.name, segment.family, total / least_total(segment, request_units), total / better)


def _mean(shapes: Iterable[Compared]) -> float:
    return geometric_mean(shape.over_best for shape in shapes)


def _worst(shapes: Iterable[Compared]) -> Compared:
    return max(shapes, key=lambda shape: shape.over_best)


def _rounded(detail: Any) -> Any:
    if isinstance(detail, dict):
        return {name: _rounded(value) for name, value in detail.items()}
    return round(detail, 3) if isinstance(detail, float) else detail
