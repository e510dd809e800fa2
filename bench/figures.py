"""The figures that are measured: what each is called, what it should be, and how to measure it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# One module per topic; importing it registers its figures.
TOPICS = (
    "bench.write_path",
    "bench.cold_start",
    "bench.package_size",
    "bench.peak_memory",
    "bench.server_growth",
    "bench.local_s3",
    "bench.local_lambda",
    "bench.local_map",
    "bench.local_start",
    "bench.load_overhead",
    "bench.plan_speed",
    "bench.plan_parallel",
    "bench.plan_many",
    "bench.load_many",
    "bench.object_overhead",
    "bench.orchestration_cost",
    "bench.copy_cost",
    "bench.object_map_cost",
    "bench.distinct_policy",
    "bench.distinct_local",
    "bench.distinct_cpu",
    "bench.distinct_parallel",
    "bench.rate_limit",
    "bench.run_item_cost",
    "bench.export_replay",
    "bench.export_peak",
    "bench.transform_path",
    "bench.journal",
    "bench.aggregate_path",
    "bench.aggregate_peak",
    "bench.local_dynamodb",
    "bench.demo_speed",
    "bench.local_deploy",
    "bench.draft",
)


class Better(StrEnum):
    """The direction in which a figure improves."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured; `detail` holds what the value was computed from."""

    value: float
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure and its goal."""

    name: str
    goal: float
    better: Better
    unit: str
    measure: Callable[[], Measurement]

    def is_met_by(self, value: float) -> bool:
        """Whether a value reaches the goal."""
        return value >= self.goal if self.better is Better.HIGHER else value <= self.goal

    def to_result(self, measured: Measurement) -> dict[str, Any]:
        """The figure's entry in the results file."""
        return {
            "value": float(f"{measured.value:.4g}"),
            "goal": self.goal,
            "better": self.better.value,
            "unit": self.unit,
            "detail": measured.detail,
        }


_figures: dict[str, Figure] = {}


def figure(
    name: str, *, goal: float, better: Better, unit: str
) -> Callable[[Callable[[], Measurement]], Callable[[], Measurement]]:
    """Register the function that measures a figure."""

    def register(measure: Callable[[], Measurement]) -> Callable[[], Measurement]:
        _figures[name] = Figure(name, goal, better, unit, measure)
        return measure

    return register


def all_figures() -> dict[str, Figure]:
    """Every figure by name, in the order of the topics."""
    for topic in TOPICS:
        importlib.import_module(topic)
    return _figures
