import pytest

from sluice_cli.progress import MapRun, Pace, Progress, Rows, duration_text, label_of, progress_text
from sluice_cli.run_item import RunItem
from tests.unit.cli_aws import MAP_RUN, map_run_description


def running(done: int, total: int = 100, failed: int = 0) -> MapRun:
    return MapRun("LoadRanges", "RUNNING", total, done, failed)


def test_a_map_run_counts_every_kind_of_failure_as_done_and_failed() -> None:
    description = map_run_description("RUNNING", succeeded=5, failed=2, timedOut=1, aborted=1, pending=3, total=12)

    assert MapRun.from_description(description) == MapRun("LoadRanges", "RUNNING", 12, 9, 4)


def test_the_label_is_the_map_states_own() -> None:
    assert label_of(MAP_RUN) == "LoadRanges"


def test_pace_is_unknown_at_first() -> None:
    assert Pace().measure(running(10), now=0) == Progress(running(10))


def test_pace_gives_rate_and_time_left() -> None:
    pace = Pace()
    pace.measure(running(10), now=0)

    assert pace.measure(running(30), now=4) == Progress(running(30), 5, 14)


def test_pace_is_unknown_while_nothing_moves() -> None:
    pace = Pace()
    pace.measure(running(10), now=0)

    assert pace.measure(running(10), now=4) == Progress(running(10))


def test_pace_forgets_what_is_older_than_half_a_minute() -> None:
    pace = Pace()
    pace.measure(running(0), now=0)
    pace.measure(running(0), now=60)

    assert pace.measure(running(60), now=90).items_per_second == 2


def test_pace_of_a_map_run_that_has_ended_is_left_out() -> None:
    pace = Pace()
    pace.measure(running(10), now=0)
    ended = MapRun("LoadRanges", "SUCCEEDED", 100, 100, 0)

    assert pace.measure(ended, now=4) == Progress(ended)


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(running(0, total=0)), "0 of 0 items"),
        (Progress(running(7, total=12)), "7 of 12 items"),
        (Progress(running(1234, total=56789, failed=1)), "1,234 of 56,789 items, 1 failed"),
        (Progress(running(7, total=12), 3.456, 1.4), "7 of 12 items, 3.5/s, 1 s left"),
        (Progress(running(7, total=12), 1234.5, 61), "7 of 12 items, 1,234/s, 1 min 1 s left"),
    ],
)
def test_progress_reads_as_counts_failures_rate_and_time_left(progress: Progress, text: str) -> None:
    assert progress_text(progress) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3600, "1 h 0 min"), (360_000, "100 h 0 min")],
)
def test_durations_read_in_the_two_largest_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(("workflow", "label"), [("object_map", "objects"), ("csv_load", "rows")])
@pytest.mark.parametrize(("planned", "text"), [({"plannedRows": 9}, "4 of 9"), ({}, "4")])
def test_progress_names_what_the_workflow_counts(
    workflow: str, label: str, planned: dict[str, float], text: str
) -> None:
    rows = Rows.from_item(RunItem(workflow, {"rowsRead": 4, **planned}))
    assert (rows.label, progress_text(Progress(rows))) == (label, f"{text} {label}")
