"""The keys of what a run leaves behind."""

from __future__ import annotations

import pytest

from sluice.errors import InvalidInputError
from sluice.runs.paths import Run

STATE = {"workflow": "csv_load", "name": "night", "executionArn": "arn"}


def test_run_travels_in_state() -> None:
    assert Run.from_state(STATE).to_state() == STATE


def test_keys_stand_below_the_prefix() -> None:
    run = Run.from_state(STATE)
    assert run.prefix == "csv_load/night/"
    assert run.plan_key == "csv_load/night/plan.jsonl"
    assert run.results_prefix == "csv_load/night/results"
    assert run.reject_part_key(12, 3) == "csv_load/night/rejects/00000012-0003.jsonl"
    assert run.rejects_key == "csv_load/night/rejects.jsonl"
    assert run.failures_key == "csv_load/night/failed.jsonl"
    assert run.summary_key == "csv_load/night/summary.json"


def test_reject_parts_sort_as_the_rows_do() -> None:
    run = Run.from_state(STATE)
    keys = [run.reject_part_key(index, number) for index in (0, 9, 10, 99_999) for number in (0, 9, 10)]
    assert keys == sorted(keys)


def test_missing_name_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"run\.executionArn: is missing"):
        Run.from_state({"workflow": "csv_load", "name": "night"})


def test_attempts_at_a_slice_have_keys_of_their_own() -> None:
    assert Run.from_state(STATE).attempt_key(12, 3) == "csv_load/night/attempts/00000012-0003"
