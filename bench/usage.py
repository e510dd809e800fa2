"""What one execution is charged for per request, counted from its history and its children's."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bench.prices import (
    EXPRESS_GIGABYTE_SECOND,
    EXPRESS_REQUEST,
    LAMBDA_REQUEST,
    S3_COPY_REQUEST,
    S3_HEAD_REQUEST,
    STATE_TRANSITION,
)

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

MILLION = 1_000_000
# Two chunks: what an execution takes beside its definition and its payload, nobody says.
EXPRESS_MEMORY_GB = 2 * 64 / 1024
# A state that is tried again has another of these, but is not entered again.
_ATTEMPTS = ("TaskScheduled", "MapStateStarted")


@dataclass(frozen=True, slots=True)
class Requests:
    """What is charged by the piece, and how long Express executions take."""

    state_transitions: float = 0
    express_requests: float = 0
    lambda_invocations: float = 0
    copies: float = 0
    heads: float = 0
    express_gigabyte_seconds: float = 0

    @property
    def dollars(self) -> float:
        """Their price."""
        return sum(float(getattr(self, name)) * price for name, price in _PRICES.items())

    def __add__(self, other: Requests) -> Requests:
        return Requests(*(getattr(self, name) + getattr(other, name) for name in _PRICES))

    def __mul__(self, times: float) -> Requests:
        return Requests(*(getattr(self, name) * times for name in _PRICES))

    def to_detail(self) -> dict[str, Any]:
        """As the results show it: without zeros, except for the first three."""
        return {
            _camel_case(name): round(getattr(self, name), 1)
            for index, name in enumerate(_PRICES)
            if index < _ALWAYS_SHOWN or getattr(self, name)
        }


_PRICES = {
    "state_transitions": STATE_TRANSITION,
    "express_requests": EXPRESS_REQUEST,
    "lambda_invocations": LAMBDA_REQUEST,
    "copies": S3_COPY_REQUEST,
    "heads": S3_HEAD_REQUEST,
    "express_gigabyte_seconds": EXPRESS_GIGABYTE_SECOND,
}
_ALWAYS_SHOWN = 3


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


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
        write_units=(summary.get("capacity") or {}).get("writeUnits", 0.0),
        children=started,
        own=requests_of(_history(stepfunctions, execution_arn)),
        children_requests=_children_requests(stepfunctions, map_run["mapRunArn"], started),
    )


def _children_requests(stepfunctions: SFNClient, map_run_arn: str, started: int) -> Requests:
    """A child's start is a state transition of its parent; an Express child is a request, whatever it does."""
    pages = stepfunctions.get_paginator("list_executions").paginate(mapRunArn=map_run_arn)
    children = [each for page in pages for each in page["executions"]]
    starts = Requests(state_transitions=started)
    if all(":express:" in each["executionArn"] for each in children):
        seconds = sum(_billed_seconds(each) for each in children) * started / max(len(children), 1)
        return starts + Requests(express_requests=started, express_gigabyte_seconds=seconds * EXPRESS_MEMORY_GB)
    if len(children) != started:
        raise AssertionError(f"{len(children)} of {started} children can be listed")
    return sum((requests_of(_history(stepfunctions, each["executionArn"])) for each in children), starts)


def _billed_seconds(execution: Mapping[str, Any]) -> float:
    """How long an Express execution took, in whole tenths of a second."""
    took: timedelta = execution["stopDate"] - execution["startDate"]
    return math.ceil(took.total_seconds() * 10) / 10


def requests_of(events: Iterable[Mapping[str, Any]]) -> Requests:
    """The requests in the history of a Standard execution without branches: states entered, and their retries."""
    transitions = 0
    called: Counter[tuple[str, str | None]] = Counter()
    is_first_attempt = False
    for event in events:
        if event["type"].endswith("StateEntered"):
            transitions += 1
            is_first_attempt = True
        elif event["type"] in _ATTEMPTS:
            transitions += not is_first_attempt
            is_first_attempt = False
        if scheduled := event.get("taskScheduledEventDetails"):
            called[scheduled["resourceType"], scheduled.get("resource")] += 1
    return Requests(
        state_transitions=transitions,
        lambda_invocations=sum(times for (kind, _), times in called.items() if kind == "lambda"),
        copies=called["aws-sdk:s3", "copyObject"],
        heads=called["aws-sdk:s3", "headObject"],
    )


def _history(stepfunctions: SFNClient, execution_arn: str) -> Iterable[Mapping[str, Any]]:
    pages = stepfunctions.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    return (event for page in pages for event in page["events"])
