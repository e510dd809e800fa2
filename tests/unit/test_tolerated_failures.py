"""How many of a run's items may fail: a percentage of them, a count, or both."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.stepfunctions.distributed_map.map_run import Tolerance
from sluice.errors import InvalidInputError
from sluice.fields import Fields
from sluice.runs.input import TOLERANCE_FIELDS, ToleratedFailures

PERCENTAGE, COUNT = TOLERANCE_FIELDS


def read(fields: dict[str, Any], default: float = 0) -> ToleratedFailures:
    return ToleratedFailures.from_input(Fields(fields, TOLERANCE_FIELDS), default)


@pytest.mark.parametrize(
    ("fields", "failed", "limit"),
    [
        ({}, 0, None),
        ({}, 1, "0 %"),
        ({PERCENTAGE: 2.5}, 5, None),
        ({PERCENTAGE: 2.5}, 6, "2.5 %"),
        ({COUNT: 5}, 5, None),
        ({COUNT: 5}, 6, "5"),
        ({PERCENTAGE: 2.5, COUNT: 9}, 6, "2.5 %"),
        ({PERCENTAGE: 50, COUNT: 9}, 10, "9"),
        ({COUNT: 0}, 1, "0"),
        ({PERCENTAGE: 100}, 200, None),
        ({COUNT: 1_000, PERCENTAGE: None}, 200, None),
    ],
)
def test_more_failures_than_either_limit_are_too_many(fields: dict[str, Any], failed: int, limit: str | None) -> None:
    assert read(fields).exceeded(failed, 200) == limit


def test_count_alone_replaces_the_default() -> None:
    assert read({}, default=100) == ToleratedFailures(100)
    assert read({COUNT: 3}, default=100) == ToleratedFailures(100, 3)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({COUNT: -1}, "toleratedFailureCount: must be from 0 to 1,000,000,000, not -1"),
        ({COUNT: 1.5}, "toleratedFailureCount: must be a whole number, not 1.5"),
        ({COUNT: "5%"}, "toleratedFailureCount: must be a number, not a string"),
        ({PERCENTAGE: 101}, "toleratedFailurePercentage: must be from 0 to 100, not 101"),
    ],
)
def test_wrong_limit_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read(fields)
    assert str(refused.value) == words


@given(st.floats(0, 100), st.integers(0, 50), st.integers(0, 40), st.integers(0, 10))
def test_map_run_stops_at_the_same_failure(percentage: float, count: int, failed: int, others: int) -> None:
    """A Map's limit of 0 is one that was not given, unless both are 0."""
    tolerated = ToleratedFailures(percentage, count)
    state = tolerated.to_state()
    map_run = Tolerance(int(state[COUNT]), state[PERCENTAGE])
    total = failed + others
    assert map_run.is_exceeded(failed, total) == (tolerated.exceeded(failed, total) is not None)
    again = ToleratedFailures.from_state(state)
    assert (again.exceeded(failed, total) is None) == (tolerated.exceeded(failed, total) is None)


def test_plans_of_earlier_releases_have_no_count() -> None:
    assert ToleratedFailures.from_state({PERCENTAGE: 5}) == ToleratedFailures(5)
    assert ToleratedFailures.from_state({PERCENTAGE: 5, COUNT: None}) == ToleratedFailures(5)
