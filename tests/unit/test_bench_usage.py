"""What the bench counts of a run, and what that costs."""

from __future__ import annotations

from typing import Any

import pytest

from bench.usage import Requests, RunUsage, requests_of


def scheduled(resource_type: str) -> dict[str, Any]:
    return {"type": "TaskScheduled", "taskScheduledEventDetails": {"resourceType": resource_type}}


def events(*names: str) -> list[dict[str, Any]]:
    return [scheduled(name.removeprefix("call ")) if name.startswith("call ") else {"type": name} for name in names]


def test_each_state_entered_is_a_transition_and_each_call_of_lambda_an_invocation() -> None:
    history = events(
        "ExecutionStarted",
        "TaskStateEntered",
        "call lambda",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "ChoiceStateEntered",
        "ChoiceStateExited",
        "TaskStateEntered",
        "call aws-sdk:sfn",
        "TaskStateExited",
        "SucceedStateEntered",
        "ExecutionSucceeded",
    )
    assert requests_of(history) == Requests(state_transitions=4, lambda_invocations=1)


def test_retry_of_a_task_is_another_transition_and_another_invocation() -> None:
    history = events("TaskStateEntered", "call lambda", "TaskFailed", "call lambda", "TaskSucceeded", "TaskStateExited")
    assert requests_of(history) == Requests(state_transitions=2, lambda_invocations=2)


def test_retry_of_a_map_is_another_transition() -> None:
    assert requests_of(events("MapStateEntered", "MapStateStarted", "MapRunFailed", "MapStateStarted")) == Requests(2)


def test_task_that_fails_before_it_is_scheduled_hides_no_retry_of_another() -> None:
    history = events("TaskStateEntered", "TaskStateEntered", "call lambda", "TaskFailed", "call lambda")
    assert requests_of(history) == Requests(state_transitions=3, lambda_invocations=2)


def test_million_rows_repeat_the_children_but_not_the_execution_itself() -> None:
    usage = RunUsage(200_000, 200_000.0, 4, own=Requests(6, 0, 2), children_requests=Requests(16, 0, 4))
    assert usage.per_million == Requests(86, 0, 22)


@pytest.mark.parametrize(
    ("requests", "dollars"),
    [(Requests(1_000_000, 0, 0), 25.0), (Requests(0, 1_000_000, 0), 1.0), (Requests(0, 0, 1_000_000), 0.2)],
)
def test_each_kind_of_request_has_its_price(requests: Requests, dollars: float) -> None:
    assert requests.dollars == pytest.approx(dollars)
