"""What one execution is charged for per request, counted from its history and its children's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.prices import EXPRESS_REQUEST, LAMBDA_REQUEST, STATE_TRANSITION

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

MILLION = 1_000_000
# A state that is tried again has another of these, but is not entered again.
_ATTEMPTS = ("TaskScheduled", "MapStateStarted")


@dataclass(frozen=True, slots=True)
class Requests:
    """What is charged by the piece."""

    state_transitions: float = 0
    express_requests: float = 0
    lambda_invocations: float = 0

    @property
    def dollars(self) -> float:
        """Their price."""
        return (
            self.state_transitions * STATE_TRANSITION
            + self.express_requests * EXPRESS_REQUEST
            + self.lambda_invocations * LAMBDA_REQUEST
        )

    def __add__(self, other: Requests) -> Requests:
        return Requests(
            self.state_transitions + other.state_transitions,
            self.express_requests + other.express_requests,
            self.lambda_invocations + other.lambda_invocations,
        )

    def __mul__(self, times: float) -> Requests:
        return Requests(self.state_transitions * times, self.express_requests * times, self.lambda_invocations * times)

    def to_detail(self) -> dict[str, Any]:
        """As the results show it."""
        return {
            "stateTransitions": round(self.state_transitions, 1),
            "expressRequests": round(self.express_requests, 1),
            "lambdaInvocations": round(self.lambda_invocations, 1),
        }


@dataclass(frozen=True, slots=True)
class RunUsage:
    """A run of so many rows: the execution's own requests, and those of all its children."""

    rows: int
    write_units: float
    children: int
    own: Requests
    children_requests: Requests

    @property
    def per_million(self) -> Requests:
        """Of one execution that loads a million rows."""
        return self.own + self.children_requests * (MILLION / self.rows)

    @property
    def dollars_per_million(self) -> float:
        """Their price."""
        return self.per_million.dollars

    def to_detail(self) -> dict[str, Any]:
        """As the results show it."""
        return {
            "rows": self.rows,
            "children": self.children,
            "counted": {"execution": self.own.to_detail(), "children": self.children_requests.to_detail()},
            "perMillionRows": self.per_million.to_detail(),
            "dollarsPerMillionRows": round(self.dollars_per_million, 6),
        }


def run_usage(stepfunctions: SFNClient, execution_arn: str) -> RunUsage:
    """Count a workflow's run that has ended."""
    summary = json.loads(stepfunctions.describe_execution(executionArn=execution_arn)["output"])
    (map_run,) = stepfunctions.list_map_runs(executionArn=execution_arn)["mapRuns"]
    counts = stepfunctions.describe_map_run(mapRunArn=map_run["mapRunArn"])["executionCounts"]
    started = counts["total"] - counts["pending"]
    return RunUsage(
        rows=summary["counts"]["read"],
        write_units=summary.get("capacity", {}).get("writeUnits", 0.0),
        children=started,
        own=requests_of(_history(stepfunctions, execution_arn)),
        children_requests=_children_requests(stepfunctions, map_run["mapRunArn"], started),
    )


def _children_requests(stepfunctions: SFNClient, map_run_arn: str, started: int) -> Requests:
    """A child's start is a state transition of its parent; an Express child is a request, whatever it does."""
    pages = stepfunctions.get_paginator("list_executions").paginate(mapRunArn=map_run_arn)
    children = [each["executionArn"] for page in pages for each in page["executions"]]
    starts = Requests(state_transitions=started)
    if all(":express:" in arn for arn in children):
        return starts + Requests(express_requests=started)
    if len(children) != started:
        raise AssertionError(f"{len(children)} of {started} children can be listed")
    return sum((requests_of(_history(stepfunctions, arn)) for arn in children), starts)


def requests_of(events: Iterable[Mapping[str, Any]]) -> Requests:
    """The requests in the history of a Standard execution without branches: states entered, and their retries."""
    transitions = invocations = 0
    is_first_attempt = False
    for event in events:
        if event["type"].endswith("StateEntered"):
            transitions += 1
            is_first_attempt = True
        elif event["type"] in _ATTEMPTS:
            transitions += not is_first_attempt
            is_first_attempt = False
        invocations += event.get("taskScheduledEventDetails", {}).get("resourceType") == "lambda"
    return Requests(state_transitions=transitions, lambda_invocations=invocations)


def _history(stepfunctions: SFNClient, execution_arn: str) -> Iterable[Mapping[str, Any]]:
    pages = stepfunctions.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    return (event for page in pages for event in page["events"])
