"""What to do next about a table's exports, in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluice_cli.export_ledger import Recovery
from sluice_cli.export_processing import Processing, QueuedWindow
from sluice_cli.export_schedule import STATE, TABLES, Schedule
from sluice_cli.export_state import COMPLETED, FAILED, PITR_GAP, PastRun, TableState, time_text
from sluice_cli.progress import duration_text
from sluice_cli.watch import NOT_ENDED

WORKFLOW = "table_export"
DEAD_LETTER_QUEUE = "ExportDeadLetterQueueUrl"
SHORTEST_WINDOW = timedelta(minutes=15)
# A window is exported five minutes after its end at the earliest; the smallest export takes about as long again.
SAFETY = timedelta(minutes=5)
SHORTEST_EXPORT = timedelta(minutes=10)
COPY_WARNING = (
    "items that were deleted in the source since remain in a copy that is processed without "
    '"mirror": true (the default of scheduled processing into a table)'
)


@dataclass(frozen=True)
class Seen:
    """A table as the ledger and AWS show it at `now`; without `recovery` there is no such table any more.

    `processing` is None when the exports are not processed; `windows` are its last ones, by the names of their items.
    """

    state: TableState
    runs: Sequence[PastRun]
    recovery: Recovery | None
    owner_status: str | None
    schedule: Schedule | None
    now: datetime
    processing: Processing | None = None
    windows: Mapping[str, QueuedWindow] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        """Whether an execution exports the table."""
        lease = self.state.lease
        return lease is not None and not lease.is_expired(self.now) and self.owner_status in NOT_ENDED

    @property
    def is_begun(self) -> bool:
        """Whether AWS has accepted an export that has not completed; it is finished before anything else."""
        return self.state.current is not None and self.state.current.arn is not None

    @property
    def gap(self) -> PastRun | None:
        """A gap that has been recorded, and that no full export has closed yet."""
        last = next((run for run in self.runs if run.status in (PITR_GAP, COMPLETED)), None)
        return last if last and last.status == PITR_GAP else None

    @property
    def coming_gap(self) -> tuple[datetime, datetime] | None:
        """Changes that the next run will find out of reach."""
        watermark, reach = self.state.watermark, self.recovery and self.recovery.earliest
        if not watermark or not reach or watermark >= reach or self.gap or self.is_begun:
            return None
        return watermark, reach


def next_steps(seen: Seen, command: Callable[..., str]) -> list[str]:
    """One sentence or two per matter; `command` makes a command line of words."""
    if seen.recovery is None:
        return [f"there is no table named {seen.state.table} any more, so nothing more can be exported"]
    steps = [*_processing_steps(seen, command), *_gap_steps(seen)]
    if seen.recovery.earliest is None:
        steps.append(_recovery_is_off(seen.state.table))
    if seen.state.is_paused:
        steps.append(_paused(seen, seen.recovery, command))
    elif seen.recovery.earliest or seen.is_begun:
        steps += [_main_step(seen, command), *_schedule_steps(seen)]
    return steps


def start_now(command: Callable[..., str]) -> str:
    """How a run is started by hand."""
    return f"start one now, with the schedule's own input: {command('run', WORKFLOW, '--input', 'FILE')}"


def _processing_steps(seen: Seen, command: Callable[..., str]) -> list[str]:
    """The exports continue whatever becomes of their processing, so this is a matter of its own."""
    processing = seen.processing
    if not processing or not processing.next:
        return []
    window, others = processing.next, processing.waiting - 1
    then = f", and then the {others:,} after it" if others else ""
    if window.execution_name is None:
        return [f"{window.window} waits: the next run whose input has process processes it{then}; {start_now(command)}"]
    look = f"look at it: {command('watch', window.execution_name)}"
    if processing.is_failed:
        return [
            f"processing {window.window} has failed ({window.failure}); {look}. Fix the cause:"
            f" the next run processes the window again{then}; {start_now(command)}"
        ]
    if processing.execution_status in NOT_ENDED:
        return [f"{window.window} is being processed; {look}"]
    return [
        f"processing {window.window} has ended ({processing.execution_status}), and no run has recorded it yet;"
        f" {look}. The next run does that{then}; {start_now(command)}"
    ]


def _gap_steps(seen: Seen) -> list[str]:
    if seen.gap and seen.gap.since:
        return [
            f"changes from {time_text(seen.gap.since)} to {time_text(seen.gap.until)} are in no export ({PITR_GAP}):"
            f" what reads the exports starts again with the full export that comes next; {COPY_WARNING}"
        ]
    if seen.coming_gap:
        since, until = map(time_text, seen.coming_gap)
        return [
            f"changes from {since} to {until} are out of point-in-time recovery's reach:"
            f" the next run records the gap and makes a full export; {COPY_WARNING}"
        ]
    return []


def _recovery_is_off(table: str) -> str:
    turn_on = (
        f"aws dynamodb update-continuous-backups --table-name {table}"
        " --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
    )
    return f"point-in-time recovery is off, and nothing can be exported; turn it on: {turn_on}"


def _paused(seen: Seen, recovery: Recovery, command: Callable[..., str]) -> str:
    table, watermark = seen.state.table, seen.state.watermark
    running_note = "; the running export continues" if seen.is_running else ""
    deadline = ""
    if watermark and recovery.period and not seen.coming_gap:
        deadline = f", by {time_text(watermark + recovery.period)}, or a full export will be needed"
    resume = command("export", "resume", "--table", table)
    return f"the exports are paused{running_note}. To resume them: {resume}{deadline}"


def _main_step(seen: Seen, command: Callable[..., str]) -> str:
    state, lease = seen.state, seen.state.lease
    if lease and seen.is_running:
        then = "; a full export follows, because a reset was requested" if state.is_reset_requested else ""
        return f"nothing to do: an export is running; follow it: {command('watch', lease.owner_name)}{then}"
    if lease:
        return f"{_abandoned(seen)}: the next run takes over what it began; {start_now(command)}"
    if state.is_reset_requested:
        return f"a reset was requested: the next run makes a full export; {start_now(command)}"
    if state.status == FAILED:
        return f"{_failed(seen)}; {start_now(command)}"
    if state.watermark is None:
        return f"there is no complete export yet: the next run makes a full one; {start_now(command)}"
    due = "the exports are up to date" if seen.processing and seen.processing.next else "nothing to do"
    return _lateness(seen, state.watermark, command) or f"{due}: {_next_window(state.watermark, seen.now)}"


def _abandoned(seen: Seen) -> str:
    if seen.owner_status in NOT_ENDED:
        return "the lease of the run that exports the table has expired"
    return f"the run that exported the table has ended ({seen.owner_status}) and left its lease behind"


def _failed(seen: Seen) -> str:
    """A run fails with its export, before the export is known to have started, or while AWS continues the export."""
    if seen.is_begun:
        return "the last run failed, but not the export that it had started: the next run picks that up where it stands"
    last = seen.runs[0] if seen.runs else None
    if last and last.status == FAILED and not _was_tried_since(seen, last):
        why = f"the last export failed ({last.failure or 'AWS does not say why'})"
    else:
        why = "the last run failed before the ledger knew of an export, and its execution says why"
    if seen.coming_gap:
        return why
    return f"{why}; the watermark stays where it is, and the next run asks for the same window again"


def _was_tried_since(seen: Seen, failed: PastRun) -> bool:
    current = seen.state.current
    return current is not None and failed.end_time is not None and current.started_at > failed.end_time


def _lateness(seen: Seen, watermark: datetime, command: Callable[..., str]) -> str | None:
    schedule, lag = seen.schedule, seen.now - watermark
    if schedule is None or not schedule.is_enabled or lag <= 2 * schedule.interval + SHORTEST_EXPORT:
        return None
    return (
        f"a run is due every {schedule.minutes} minutes, but the last window ended"
        f" {duration_text(lag.total_seconds())} ago: see whether the schedule's starts are in its dead-letter queue"
        f" (the stack's output {DEAD_LETTER_QUEUE}); {start_now(command)}"
    )


def _schedule_steps(seen: Seen) -> list[str]:
    if seen.schedule is None:
        return [
            f"the stack has no schedule for this table: name it in the parameter {TABLES}, or start each run yourself"
        ]
    if not seen.schedule.is_enabled:
        return [f"the schedule is disabled; the stack's parameter {STATE} enables it"]
    return []


def _next_window(watermark: datetime, now: datetime) -> str:
    due = watermark + SHORTEST_WINDOW + SAFETY
    until_then = f" and can be exported from {time_text(due)} on" if due > now else ""
    return f"the next window begins at {time_text(watermark)}{until_then}"
