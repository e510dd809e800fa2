"""How long Retry waits."""

from __future__ import annotations

import pytest

from local_aws.stepfunctions.retries import LONGEST_DELAY_SECONDS, delay_seconds


@pytest.mark.parametrize(("tried", "seconds"), [(0, 2), (1, 4), (5, 64), (8, 300), (1_024, 300), (10**6, 300)])
def test_delay_doubles_up_to_its_limit(tried: int, seconds: float) -> None:
    retrier = {"IntervalSeconds": 2, "BackoffRate": 2, "MaxDelaySeconds": 300}
    assert delay_seconds(retrier, tried) == seconds


def test_delay_without_a_limit_is_that_of_step_functions() -> None:
    assert delay_seconds({"BackoffRate": 1.5}, 10**6) == LONGEST_DELAY_SECONDS
