"""The rules of Map Runs, on plain values."""

from typing import Any

import pytest

from local_aws.stepfunctions.distributed_map.batches import Batcher, child_inputs
from local_aws.stepfunctions.distributed_map.map_run import (
    KEPT_BYTES,
    KEPT_CHILDREN,
    FinishedChildren,
    Identity,
    Tolerance,
)
from local_aws.stepfunctions.retries import delay_seconds


def child(number: int, *, status: str = "SUCCEEDED", size: int = 10) -> dict[str, Any]:
    return {"executionArn": str(number), "status": status, "input": "x" * size, "events": []}


@pytest.mark.parametrize(
    ("count", "percentage", "failed", "is_exceeded"),
    [
        (0, 0.0, 0, False),
        (0, 0.0, 1, True),
        (1, 0.0, 1, False),
        (1, 0.0, 2, True),
        (0, 10.0, 10, False),
        (0, 10.0, 11, True),
        (5, 50.0, 6, True),
        (50, 5.0, 6, True),
        (0, 100.0, 100, False),
    ],
)
def test_tolerance_is_exceeded_past_a_limit(count: int, percentage: float, failed: int, is_exceeded: bool) -> None:
    assert Tolerance(count, percentage).is_exceeded(failed, total=100) is is_exceeded


def test_batches_of_1130_items_by_100() -> None:
    sizes = [given.item_count for given in child_inputs(iter(range(1130)), Batcher(100, 0))]
    assert sizes == [100] * 11 + [30]


def test_one_item_is_still_a_batch() -> None:
    (given,) = child_inputs(iter(["é"]), Batcher(10, 0, {"run": 1}))
    assert given.text == '{"BatchInput":{"run":1},"Items":["é"]}'


def test_no_batch_is_larger_than_its_limit_in_bytes() -> None:
    inputs = [given.text for given in child_inputs(iter(["é" * 10] * 20), Batcher(0, 100))]
    assert all(len(text.encode()) <= 100 for text in inputs)
    assert len(inputs[0].encode()) > 100 - 23


def test_item_over_the_limit_is_a_batch_of_its_own() -> None:
    inputs = [given.item_count for given in child_inputs(iter(["a", "x" * 200, "b"]), Batcher(0, 100))]
    assert inputs == [1, 1, 1]


def test_without_a_batcher_each_item_is_an_input() -> None:
    assert [given.text for given in child_inputs(iter([1, {"a": None}]), None)] == ["1", '{"a":null}']


def test_arns_follow_from_the_parents() -> None:
    identity = Identity.of("arn:aws:states:eu-west-1:000000000000:execution:Load:run-1", "Rows")
    prefix = "arn:aws:states:eu-west-1:000000000000"
    assert identity.map_run_arn == f"{prefix}:mapRun:Load/Rows:{identity.run_id}"
    assert identity.state_machine_arn == f"{prefix}:stateMachine:Load/Rows"
    assert identity.child_arn("n", is_express=False) == f"{prefix}:execution:Load/Rows:n"
    assert identity.child_arn("n", is_express=True).startswith(f"{prefix}:express:Load/Rows:n:")


def test_oldest_children_are_forgotten_first_and_failed_ones_apart() -> None:
    kept = FinishedChildren()
    forgotten = [arn for number in range(KEPT_CHILDREN + 2) for arn in kept.add(child(number))]
    assert forgotten == ["0", "1"]
    assert kept.add(child(-1, status="FAILED")) == []


def test_few_large_children_are_kept() -> None:
    kept = FinishedChildren()
    size = KEPT_BYTES // 3
    assert [kept.add(child(number, size=size)) for number in range(4)] == [[], [], ["0"], ["1"]]


@pytest.mark.parametrize(
    ("retrier", "tried", "seconds"),
    [
        ({}, 0, 1.0),
        ({}, 2, 4.0),
        ({"IntervalSeconds": 3, "BackoffRate": 1.5}, 1, 4.5),
        ({"IntervalSeconds": 3, "MaxDelaySeconds": 5}, 4, 5.0),
    ],
)
def test_delay_grows_up_to_its_maximum(retrier: dict[str, Any], tried: int, seconds: float) -> None:
    assert delay_seconds(retrier, tried) == seconds


def test_full_jitter_draws_from_the_whole_delay() -> None:
    drawn = [delay_seconds({"IntervalSeconds": 4, "JitterStrategy": "FULL"}, 0) for _ in range(200)]
    assert min(drawn) < 1
    assert 3 < max(drawn) <= 4
