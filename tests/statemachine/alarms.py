"""CloudWatch alarms as the template defines them, evaluated on simulated series by CloudWatch's documented rules.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html: an evaluation looks at more
periods than EvaluationPeriods. If they have enough data points, the last ones decide and nothing is filled in. Else the
missing ones count as TreatMissingData says; with none at all, `missing` leads to INSUFFICIENT_DATA and `ignore` keeps
the state. Actions are called when the state changes, so never for the state that an alarm is created in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.statemachine.definitions import template

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
# AWS does not say how many more periods it looks at; its examples have five for three.
EXTRA_PERIODS = 2
STATISTICS: dict[str, Callable[[Iterable[float]], float]] = {"Minimum": min, "Maximum": max, "Sum": sum}
ACTIONS = {OK: "OKActions", ALARM: "AlarmActions", INSUFFICIENT_DATA: "InsufficientDataActions"}
INTERVAL = "60"
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def alarm_properties(logical_id: str) -> dict[str, Any]:
    """An alarm's properties, for hourly exports; the logical ID of a table's alarm is without the table."""
    resources = template()["Resources"]
    _, _, of_table = resources["Fn::ForEach::EachExportedTable"]
    found: dict[str, Any] = (resources | of_table).get(logical_id) or of_table[f"{logical_id}&{{Table}}"]
    assert found["Type"] == "AWS::CloudWatch::Alarm"
    return {name: _found_in_map(value) for name, value in found["Properties"].items()}


def _found_in_map(value: Any) -> Any:
    if isinstance(value, dict) and "Fn::FindInMap" in value:
        name, _, key = value["Fn::FindInMap"]
        return template()["Mappings"][name][INTERVAL][key]
    return value


@dataclass
class Alarm:
    """One alarm over time; `reported` are the states that it called somebody for."""

    properties: Mapping[str, Any]
    state: str = INSUFFICIENT_DATA
    reported: list[str] = field(default_factory=list)
    periods: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def put(self, time: float, value: float) -> None:
        """A data point of the metric."""
        self.periods[int(time // self.properties["Period"])].append(value)

    def evaluate(self, time: float) -> None:
        """The state now. The current period counts with what it has."""
        new = self._state(int(time // self.properties["Period"]))
        if new != self.state and self.properties.get(ACTIONS[new]):
            self.reported.append(new)
        self.state = new

    def _state(self, period: int) -> str:
        wanted = self.properties["EvaluationPeriods"]
        looked_at = range(period - wanted - EXTRA_PERIODS + 1, period + 1)
        found = [self._is_breaching(self.periods[each]) for each in looked_at if self.periods.get(each)]
        if len(found) >= wanted:
            return ALARM if all(found[-wanted:]) else OK
        treatment = self.properties["TreatMissingData"]
        assert treatment in TREATMENTS
        if treatment == "ignore":
            return self.state
        if treatment == "missing":
            return (ALARM if all(found) else OK) if found else INSUFFICIENT_DATA
        return ALARM if all(found) and treatment == "breaching" else OK

    def _is_breaching(self, values: Iterable[float]) -> bool:
        assert self.properties["ComparisonOperator"] == "GreaterThanThreshold"
        threshold: float = self.properties["Threshold"]
        return STATISTICS[self.properties["Statistic"]](values) > threshold
