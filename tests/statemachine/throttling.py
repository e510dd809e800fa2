"""The retriers of the tasks that invoke Lambda functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.statemachine.definitions import definition

THROTTLED = "Lambda.TooManyRequestsException"
EXPRESS, STANDARD = "EXPRESS", "STANDARD"
# An Express execution's five minutes; no task that invokes a function has more than this as its own time in one that
# hands its batch over.
EXPRESS_SECONDS = 300
HISTORY_EVENTS = 25_000
EVENTS_PER_ATTEMPT = 3


def invocations(name: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Every task that invokes a function: the type of its execution, its name, the state."""
    return list(_invocations(definition(name), STANDARD))


def _invocations(machine: dict[str, Any], execution: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, state in machine["States"].items():
        if state.get("Resource", "").endswith(":lambda:invoke"):
            yield execution, name, state
        if "ItemProcessor" in state:
            inner = state["ItemProcessor"]
            yield from _invocations(inner, inner["ProcessorConfig"].get("ExecutionType", execution))


def mean_waits(retrier: dict[str, Any]) -> Iterator[float]:
    """How long the retrier waits on average before each attempt: FULL jitter draws from the whole delay."""
    for attempt in range(retrier["MaxAttempts"]):
        delay = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** min(attempt, 60)
        yield min(delay, retrier["MaxDelaySeconds"]) / 2
