"""Retry and Catch of Task, Parallel and Map states."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from local_aws.stepfunctions.data_flow import catch
from local_aws.stepfunctions.errors import RUNTIME, StateError, error_output, is_matched
from local_aws.stepfunctions.scope import Scope, State

Attempt = Callable[[], tuple[Any, str | None]]
# The largest MaxDelaySeconds that Step Functions accepts: 366 days.
LONGEST_DELAY_SECONDS = 31_622_400


def with_retries(state: State, data: Any, scope: Scope, attempt: Attempt) -> tuple[Any, str | None]:
    """Attempt until it succeeds, no retrier is left, or a catcher takes the error."""
    entered, event_id = scope.state, scope.entered_event_id
    tried: Counter[int] = Counter()
    while True:
        scope.state = {**entered, "RetryCount": tried.total()}
        scope.entered_event_id = event_id
        try:
            return attempt()
        except StateError as error:
            scope.state, scope.entered_event_id = {**entered, "RetryCount": tried.total()}, event_id
            index = _retrier(state.get("Retry", []), error, tried)
            if index is None:
                _give_up(state, scope, error)
                return _catch(state, data, scope, error)
            scope.run.sleep(delay_seconds(state["Retry"][index], tried[index]))
            tried[index] += 1


def delay_seconds(retrier: State, tried: int) -> float:
    """How long to wait before the next attempt; FULL jitter draws from the whole interval."""
    longest = retrier.get("MaxDelaySeconds", LONGEST_DELAY_SECONDS)
    try:
        delay = min(retrier.get("IntervalSeconds", 1) * float(retrier.get("BackoffRate", 2.0)) ** tried, longest)
    except OverflowError:
        delay = longest
    if retrier.get("JitterStrategy") == "FULL":
        return random.uniform(0, delay)  # noqa: S311
    return float(delay)


def _retrier(retriers: list[State], error: Any, tried: Counter[int]) -> int | None:
    """The first retrier that matches decides; used up, the error is not retried."""
    for index, retrier in enumerate(retriers):
        if is_matched(retrier["ErrorEquals"], error.error):
            return index if tried[index] < retrier.get("MaxAttempts", 3) else None
    return None


def _give_up(state: State, scope: Scope, error: Any) -> None:
    """Parallel and Map states have an event of their own for it, but for errors that end the execution."""
    if state["Type"] in ("Parallel", "Map") and error.error != RUNTIME:
        scope.run.history.add(f"{state['Type']}StateFailed")


def _catch(state: State, data: Any, scope: Scope, error: Any) -> tuple[Any, str]:
    for catcher in state.get("Catch", []):
        if is_matched(catcher["ErrorEquals"], error.error):
            output = catch(catcher, data, error_output(error), scope, scope.is_jsonata(state))
            return output, catcher["Next"]
    raise error
