"""What `sluice export status` says is to be done, for every way in which a table's exports can stand."""

from datetime import timedelta
from typing import Any

import pytest

from sluice_cli.export_advice import COPY_WARNING, DEAD_LETTER_QUEUE, Seen, next_steps
from sluice_cli.export_ledger import Recovery
from sluice_cli.export_schedule import INTERVAL_MINUTES, STATE, TABLES, Schedule
from sluice_cli.stack import Stack
from tests.statemachine.definitions import template
from tests.unit.cli_exports import (
    EXPORT,
    HOUR,
    HOURLY,
    NOW,
    PARAMETERS,
    WATERMARK,
    begun,
    completed,
    current,
    failed,
    gap,
    lease,
    processing,
    seen,
)

START = "start one now, with the schedule's own input: sluice run table_export --input FILE"
AGAIN = "the watermark stays where it is, and the next run asks for the same window again"
RUNNING = "RUNNING"
BEGUN = current(begun())
ACCEPTED = current(begun(arn=EXPORT))


def steps(table: Seen) -> list[str]:
    return next_steps(table, lambda *words: " ".join(("sluice", *words)))


def test_table_that_is_up_to_date_needs_nothing() -> None:
    assert steps(seen()) == ["nothing to do: the next window begins at 2026-11-21T11:00:00Z"]


def test_window_that_is_still_too_short_is_reported_with_its_time() -> None:
    assert steps(seen(now=WATERMARK + timedelta(minutes=19))) == [
        "nothing to do: the next window begins at 2026-11-21T11:00:00Z and can be exported from 2026-11-21T11:20:00Z on"
    ]


def test_running_export_can_be_followed() -> None:
    table = seen(status="IN_PROGRESS", current=ACCEPTED, lease=lease(), owner=RUNNING)

    assert steps(table) == ["nothing to do: an export is running; follow it: sluice watch 8f2e_0"]


def test_reset_during_an_export_comes_after_it() -> None:
    table = seen(status="IN_PROGRESS", current=ACCEPTED, lease=lease(), owner=RUNNING, is_reset_requested=True)

    assert steps(table)[0].endswith("; a full export follows, because a reset was requested")


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED", "GONE"])
def test_lease_of_a_run_that_has_ended_is_taken_over(status: str) -> None:
    table = seen(status="IN_PROGRESS", current=ACCEPTED, lease=lease(), owner=status)

    assert steps(table) == [
        f"the run that exported the table has ended ({status}) and left its lease behind:"
        f" the next run takes over what it began; {START}"
    ]


def test_lease_that_has_expired_is_taken_over() -> None:
    table = seen(status="IN_PROGRESS", current=ACCEPTED, lease=lease(-HOUR), owner=RUNNING)

    assert steps(table) == [
        f"the lease of the run that exports the table has expired: the next run takes over what it began; {START}"
    ]


def test_failed_export_is_reported_with_its_failure() -> None:
    failure = failed(failureCode="S3NoSuchBucket", failureMessage="The bucket does not exist")
    table = seen(failure, status="FAILED", current=current(begun(attempt=1)))

    assert steps(table) == [f"the last export failed (S3NoSuchBucket: The bucket does not exist); {AGAIN}; {START}"]


def test_failed_export_without_a_reason_says_so() -> None:
    assert steps(seen(failed(), status="FAILED", current=BEGUN)) == [
        f"the last export failed (AWS does not say why); {AGAIN}; {START}"
    ]


@pytest.mark.parametrize("ended", [None, NOW - HOUR])
def test_export_that_aws_refused_is_not_mistaken_for_one_that_failed(ended: object) -> None:
    runs = [failed(ended=NOW - HOUR)] if ended else [completed(None, WATERMARK)]

    assert steps(seen(*runs, status="FAILED", current=BEGUN)) == [
        f"the last run failed before the ledger knew of an export, and its execution says why; {AGAIN}; {START}"
    ]


def test_run_that_failed_while_aws_went_on_is_picked_up() -> None:
    assert steps(seen(status="FAILED", current=ACCEPTED)) == [
        "the last run failed, but not the export that it had started: the next run picks that up where it stands;"
        f" {START}"
    ]


def test_table_without_an_export_gets_a_full_one() -> None:
    assert steps(seen(status=None, watermark=None)) == [
        f"there is no complete export yet: the next run makes a full one; {START}"
    ]


def test_reset_is_reported() -> None:
    table = seen(failed(), status="FAILED", current=BEGUN, is_reset_requested=True)

    assert steps(table) == [f"a reset was requested: the next run makes a full export; {START}"]


def test_gap_is_reported_until_a_full_export_has_closed_it() -> None:
    lost, before = gap(WATERMARK - 48 * HOUR, WATERMARK), completed(None, WATERMARK - 48 * HOUR)
    reported = (
        "changes from 2026-11-19T11:00:00Z to 2026-11-21T11:00:00Z are in no export (PITR_GAP):"
        f" what reads the exports starts again with the full export that comes next; {COPY_WARNING}"
    )
    running: dict[str, Any] = {
        "status": "PITR_GAP",
        "current": current(begun(None)),
        "lease": lease(),
        "owner": RUNNING,
    }

    assert steps(seen(lost, before, **running))[0] == reported
    assert steps(seen(failed(), lost, before, status="FAILED", current=BEGUN))[0] == reported
    assert reported not in steps(seen(completed(None, NOW), lost, before))


def test_gap_to_come_is_reported_with_the_full_export() -> None:
    reach = Recovery(WATERMARK + HOUR / 2, timedelta(days=1))

    assert steps(seen(recovery=reach))[0] == (
        "changes from 2026-11-21T11:00:00Z to 2026-11-21T11:30:00Z are out of point-in-time recovery's reach:"
        f" the next run records the gap and makes a full export; {COPY_WARNING}"
    )
    after_failure = steps(seen(failed(), recovery=reach, status="FAILED", current=BEGUN))
    assert after_failure[1] == f"the last export failed (AWS does not say why); {START}"


def test_export_that_aws_has_accepted_is_finished_before_there_is_a_gap() -> None:
    table = seen(recovery=Recovery(NOW), current=ACCEPTED, lease=lease(), owner=RUNNING)

    assert len(steps(table)) == 1


def test_recovery_that_is_off_is_reported_with_the_command_that_turns_it_on() -> None:
    assert steps(seen(recovery=Recovery(None))) == [
        "point-in-time recovery is off, and nothing can be exported; turn it on:"
        " aws dynamodb update-continuous-backups --table-name airports"
        " --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
    ]


def test_export_that_was_begun_before_recovery_was_turned_off_can_be_followed() -> None:
    table = seen(recovery=Recovery(None), status="IN_PROGRESS", current=ACCEPTED, lease=lease(), owner=RUNNING)

    assert steps(table)[1] == "nothing to do: an export is running; follow it: sluice watch 8f2e_0"


def test_table_that_no_longer_exists_needs_nothing_more() -> None:
    assert steps(seen(recovery=None, status="FAILED")) == [
        "there is no table named airports any more, so nothing more can be exported"
    ]


def test_paused_exports_are_reported_with_the_day_by_which_they_should_go_on() -> None:
    assert steps(seen(is_paused=True)) == [
        "the exports are paused. To resume them: sluice export resume --table airports,"
        " by 2026-12-26T11:00:00Z, or a full export will be needed"
    ]


def test_pause_lets_the_running_export_end() -> None:
    table = seen(is_paused=True, watermark=None, current=ACCEPTED, lease=lease(), owner=RUNNING)

    assert steps(table) == [
        "the exports are paused; the running export continues. To resume them: sluice export resume --table airports"
    ]


def test_lag_beyond_two_intervals_points_to_the_schedule() -> None:
    late = steps(seen(now=WATERMARK + timedelta(hours=2, minutes=11)))

    assert late == [
        "a run is due every 60 minutes, but the last window ended 2 h 11 min ago: see whether the schedule's starts are"
        f" in its dead-letter queue (the stack's output ExportDeadLetterQueueUrl); {START}"
    ]
    assert steps(seen(now=WATERMARK + timedelta(hours=2, minutes=10)))[0].startswith("nothing to do")


def test_schedule_that_is_disabled_or_missing_is_reported() -> None:
    later = NOW + 48 * HOUR

    assert steps(seen(now=later, schedule=Schedule(HOUR, is_enabled=False)))[1:] == [
        "the schedule is disabled; the stack's parameter ExportScheduleState enables it"
    ]
    assert steps(seen(now=later, schedule=None))[1:] == [
        "the stack has no schedule for this table: name it in the parameter ExportTables, or start each run yourself"
    ]


def test_schedule_is_read_from_the_stacks_parameters() -> None:
    stack = Stack("sluice", {}, PARAMETERS)
    disabled = Stack("sluice", {}, PARAMETERS | {STATE: "DISABLED"})

    assert Schedule.of(stack, "flights") == HOURLY
    assert Schedule.of(stack, "light") is None
    assert Schedule.of(Stack("sluice", {}), "flights") is None
    assert Schedule.of(disabled, "airports") == Schedule(HOUR, is_enabled=False)


def test_what_is_read_and_named_of_the_stack_is_in_the_template() -> None:
    assert {TABLES, INTERVAL_MINUTES, STATE} <= template()["Parameters"].keys()
    assert {DEAD_LETTER_QUEUE, "ExportLedgerTable", "TableExportStateMachineArn"} <= template()["Outputs"].keys()


WINDOW = "INCREMENTAL_EXPORT from 2026-11-21T10:00:00Z to 2026-11-21T11:00:00Z"
LOOK = "look at it: sluice watch airports-01795262400000-aabbccdd"


@pytest.mark.parametrize(
    ("status", "waiting", "execution", "expected"),
    [
        ("RUNNING", 1, "RUNNING", f"{WINDOW} is being processed; {LOOK}"),
        (
            "RUNNING",
            2,
            "FAILED",
            f"processing {WINDOW} has ended (FAILED), and no run has recorded it yet; {LOOK}."
            f" The next run does that, and then the 1 after it; {START}",
        ),
        ("PENDING", 1, None, f"{WINDOW} waits: the next run whose input has process processes it; {START}"),
        (
            "FAILED",
            3,
            None,
            f"processing {WINDOW} has failed (FilesFailedError: KeyError); {LOOK}. Fix the cause:"
            f" the next run processes the window again, and then the 2 after it; {START}",
        ),
    ],
)
def test_processing_that_is_not_complete_is_reported_first(
    status: str, waiting: int, execution: str | None, expected: str
) -> None:
    failure = {"error": "FilesFailedError", "message": "KeyError"} if status == "FAILED" else {}

    reported = steps(seen(processing=processing(status, waiting, execution, **failure)))

    assert reported == [expected, "the exports are up to date: the next window begins at 2026-11-21T11:00:00Z"]


def test_copy_that_is_up_to_date_needs_nothing() -> None:
    assert steps(seen(processing=processing(None))) == ["nothing to do: the next window begins at 2026-11-21T11:00:00Z"]
