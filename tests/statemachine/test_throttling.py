"""What a task does when all of the account's Lambda concurrency is in use."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_aws.stepfunctions.errors import state_error
from local_aws.stepfunctions.retries import with_retries
from local_aws.stepfunctions.scope import Scope
from tests.statemachine.definitions import NAMES
from tests.statemachine.throttling import (
    EVENTS_PER_ATTEMPT,
    EXPRESS,
    EXPRESS_SECONDS,
    HISTORY_EVENTS,
    STANDARD,
    THROTTLED,
    invocations,
    mean_waits,
)

TASKS = [(name, *task) for name in NAMES for task in invocations(name)]
DAYS = 86_400


def test_throttling_has_one_retrier_per_type_of_execution() -> None:
    retriers: dict[str, list[Any]] = {EXPRESS: [], STANDARD: []}
    for machine, execution, name, state in TASKS:
        first, *others = state["Retry"]
        assert first["ErrorEquals"] == [THROTTLED], f"{machine}: {name}"
        assert not any(THROTTLED in each["ErrorEquals"] for each in others), f"{machine}: {name}"
        retriers[execution].append(first)
    for each in retriers.values():
        assert each
        assert all(retrier == each[0] for retrier in each)


def test_failures_of_lambda_have_one_retrier() -> None:
    retriers = [
        each for *_, state in TASKS for each in state["Retry"] if "Lambda.ServiceException" in each["ErrorEquals"]
    ]
    assert len(retriers) == len(TASKS)
    assert all(each == retriers[0] for each in retriers)


def test_standard_executions_wait_for_days_before_their_history_is_full() -> None:
    retrier = next(state for _, execution, _, state in TASKS if execution == STANDARD)["Retry"][0]
    assert retrier["MaxAttempts"] > HISTORY_EVENTS
    assert sum(islice(mean_waits(retrier), HISTORY_EVENTS // EVENTS_PER_ATTEMPT)) > 10 * DAYS


def test_express_executions_leave_time_for_the_task() -> None:
    (state,) = (
        state for machine, execution, _, state in TASKS if machine == "object_aggregate" and execution == EXPRESS
    )
    waits = sum(mean_waits(state["Retry"][0]))
    assert EXPRESS_SECONDS / 4 < waits < EXPRESS_SECONDS - state["TimeoutSeconds"]


def test_express_functions_of_users_are_tried_for_most_of_five_minutes() -> None:
    for machine, execution, _, state in TASKS:
        if machine == "athena_map" and execution == EXPRESS:
            assert EXPRESS_SECONDS / 2 < 2 * sum(mean_waits(state["Retry"][0])) < EXPRESS_SECONDS


@pytest.mark.parametrize(("machine", "execution", "name", "state"), TASKS)
def test_throttling_uses_up_no_attempts_of_failures(
    machine: str, execution: str, name: str, state: dict[str, Any]
) -> None:
    """As many throttles as there is patience for, then failures until the last attempt succeeds."""
    patience = 45 if execution == EXPRESS else 500
    failures = ["Lambda.ServiceException"] * 5
    errors = [*[THROTTLED] * (patience // 2), *failures, *[THROTTLED] * (patience // 2)]
    slept: Counter[str] = Counter()
    scope = SimpleNamespace(
        state={}, entered_event_id=1, run=SimpleNamespace(sleep=lambda seconds: slept.update(["times"]))
    )

    def attempt() -> tuple[str, None]:
        if errors:
            raise state_error(errors.pop(0), "planned")
        return "done", None

    only_retries = {"Type": "Task", "Retry": state["Retry"]}
    assert with_retries(only_retries, None, cast("Scope", scope), attempt) == ("done", None), (machine, name)
    assert slept["times"] == 2 * (patience // 2) + 5
