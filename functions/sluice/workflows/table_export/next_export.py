"""The next export of a table: a full one first, then windows that join without hole or overlap.

Limits: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport_Requesting.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sluice.errors import PointInTimeRecoveryError
from sluice.workflows.table_export.input import ExportInput
from sluice.workflows.table_export.ledger import ExportType, LedgerState, ScheduledExport, Window, iso

SHORTEST_WINDOW = timedelta(minutes=15)
LONGEST_WINDOW = timedelta(hours=24)
# The latest time that can be restored is about five minutes ago.
SAFETY = timedelta(minutes=5)
# A client token counts for 8 hours; retries of a start may take one of them.
TOKEN_COUNTS = timedelta(hours=7)


class Action(StrEnum):
    """What the execution does next; SEARCH looks for an export that may have been started, before it starts it."""

    START = "START"
    SEARCH = "SEARCH"
    WATCH = "WATCH"
    NOTHING = "NOTHING"


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes from `since` to `until` that no incremental export can give any more."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """`export` is there unless the action is NOTHING; `reason` is for people."""

    action: Action
    reason: str
    export: ScheduledExport | None = None
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """`now`, the `start` of the execution, and how far back point-in-time recovery reaches, None when it is off."""

    earliest: datetime | None
    start: datetime
    now: datetime


def next_export(request: ExportInput, ledger: LedgerState, times: Times) -> Decision:
    """Decide from the ledger.

    Raises PointInTimeRecoveryError when recovery is off and another export would have to be started.
    """
    if ledger.is_paused:
        return Decision(Action.NOTHING, "the exports of this table are paused")
    if ledger.current and ledger.current.arn:
        return Decision(Action.WATCH, "an export that was started before is picked up", ledger.current)
    if times.earliest is None:
        raise PointInTimeRecoveryError(f"point-in-time recovery is off for the table {request.table}")
    gap = _gap(ledger, times.earliest)
    if gap or ledger.watermark is None or ledger.is_reset_requested or _is_full(ledger.current):
        return _full(request, ledger, gap, times.earliest, times.now)
    return _incremental(request, ledger, ledger.watermark, times)


def _gap(ledger: LedgerState, earliest: datetime) -> Gap | None:
    if ledger.watermark is None or ledger.watermark >= earliest:
        return None
    return Gap(ledger.watermark, earliest)


def _is_full(export: ScheduledExport | None) -> bool:
    return export is not None and export.window.type is ExportType.FULL


def _full(request: ExportInput, ledger: LedgerState, gap: Gap | None, earliest: datetime, now: datetime) -> Decision:
    window = Window(ExportType.FULL, None, _settled(now))
    if window.until < earliest:
        begun = f"point-in-time recovery reaches back to {iso(earliest)} only"
        first = f"a full export can be made from {iso(earliest + SAFETY)} on"
        return Decision(Action.NOTHING, f"{begun}; {first}", gap=gap)
    export = _begun(request, ledger, window, earliest, now)
    return Decision(_how(export, now), _why_full(ledger, gap), export, gap)


def _settled(time: datetime) -> datetime:
    return (time - SAFETY).replace(microsecond=0)


def _why_full(ledger: LedgerState, gap: Gap | None) -> str:
    if gap:
        return f"changes before {iso(gap.until)} are out of point-in-time recovery's reach"
    if ledger.is_reset_requested:
        return "a reset was requested"
    return "a full export has not completed yet" if ledger.watermark else "the table's first export"


def _incremental(request: ExportInput, ledger: LedgerState, since: datetime, times: Times) -> Decision:
    """Up to the execution's start at most: exports that take long would follow each other without end."""
    until = min(_settled(times.start), since + LONGEST_WINDOW)
    if until - since < SHORTEST_WINDOW:
        is_due = _settled(times.now) - since >= SHORTEST_WINDOW
        rest = "is left to the next run" if is_due else "is not 15 minutes long yet"
        return Decision(Action.NOTHING, f"the next window begins at {iso(since)} and {rest}")
    export = _begun(request, ledger, Window(ExportType.INCREMENTAL, since, until), since, times.now)
    return Decision(_how(export, times.now), "the next window", export)


def _begun(
    request: ExportInput, ledger: LedgerState, window: Window, earliest: datetime, now: datetime
) -> ScheduledExport:
    """The export of the window. One that has not completed keeps its window, and while AWS may have it, everything."""
    unfinished = ledger.current
    if unfinished and unfinished.window.type is window.type and not ledger.is_reset_requested:
        is_same = unfinished.window.since == window.since
        if is_same and unfinished.window.earliest >= earliest:
            return unfinished if unfinished.is_open else _again(unfinished, request, now)
    return ScheduledExport(window, 0, request.bucket, request.prefix, request.view_type, now)


def _again(failed: ScheduledExport, request: ExportInput, now: datetime) -> ScheduledExport:
    """What it failed for may have been the bucket: the input may name another one by now."""
    return replace(failed, bucket=request.bucket, prefix=request.prefix, view_type=request.view_type, started_at=now)


def _how(export: ScheduledExport, now: datetime) -> Action:
    return Action.SEARCH if export.is_open and now - export.started_at >= TOKEN_COUNTS else Action.START
