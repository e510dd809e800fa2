"""The summary of a run that was stopped: STOPPED with what was done, unless the run has failed or was done already."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from sluice.runs.counts import Counts
from sluice.runs.outcomes import outcomes
from sluice.runs.paths import Run
from sluice.runs.range_progress import RangeProgress
from sluice.runs.summary import RunError, Status, Summary, summarize
from sluice.workflows.csv_load.ranges import RANGES, Range

RUN = Run("csv_load", "july", "arn:aws:states:us-east-1:000000000000:execution:csv_load:july")
PLAN = [Range(index, 10 * index, 10 * index + 10, 10 * index + 1, 10) for index in range(3)]
HALF = RangeProgress(position=5, row=6, slices=1, counts=Counts(5, 4, 0, 1), write_units=4.0)
WHOLE = RangeProgress(position=10, row=11, slices=1, done=True, counts=Counts(10, 10), write_units=10.0)
UNBEGUN = RangeProgress(position=20, row=21)


def record(planned: Range, progress: RangeProgress, **more: Any) -> dict[str, Any]:
    output = json.dumps({**progress.to_state(), **more})
    return {"Status": "SUCCEEDED", "Input": json.dumps({"range": planned.to_state()}), "Output": output}


def summary(*records: dict[str, Any], error: RunError | None = None) -> Summary:
    return summarize(RUN, "b", outcomes(RANGES, PLAN, records), {"count": 0}, error)


STOPPED = [
    record(PLAN[0], HALF, stopped=True),
    record(PLAN[1], WHOLE),
    record(PLAN[2], UNBEGUN, stopped=True),
]


def test_stopped_run_counts_what_was_read_and_calls_nothing_failed() -> None:
    found = summary(*STOPPED)
    assert (found.status, found.counts, found.write_units) == (Status.STOPPED, Counts(15, 14, 0, 1), 14.0)
    assert (found.failed_batches, found.error) == (
        0,
        RunError("StoppedError", "the run was stopped: 2 of 3 ranges are not done"),
    )


def test_run_that_was_done_before_the_stop_is_complete() -> None:
    records = [record(each, replace(WHOLE, position=each.end, row=each.first_row + 10)) for each in PLAN]
    assert summary(*records).status is Status.COMPLETE


def test_run_that_was_stopped_while_it_was_planned_has_done_nothing() -> None:
    found = summarize(RUN, "b", [], None, RunError("StoppedError", "the run was stopped while it was planned"))
    assert (found.status, found.counts) == (Status.STOPPED, Counts())


def test_error_of_its_own_fails_a_stopped_run() -> None:
    assert summary(*STOPPED, error=RunError("States.Runtime", "broken")).status is Status.FAILED


def test_range_that_no_child_has_reported_fails_a_stopped_run() -> None:
    found = summary(*STOPPED[:2])
    assert (found.status, found.error and found.error.name) == (Status.FAILED, "CountsDoNotReconcileError")
