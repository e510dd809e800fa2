"""A table's exports for the terminal, and for machines."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sluice_cli.export_advice import Seen
from sluice_cli.export_processing import Processing
from sluice_cli.export_state import CurrentExport, Lease, PastRun, TableState, time_text
from sluice_cli.progress import duration_text

LABEL_WIDTH = 13
RUNS_SHOWN = 10
NEVER = "never exported"
HEADINGS = ("TABLE", "STATUS", "WATERMARK", "LAG", "")


def overview_lines(states: Sequence[tuple[TableState, Processing | None]], now: datetime) -> list[str]:
    """A line per table below their headings."""
    rows = [HEADINGS, *(_overview(state, processing, now) for state, processing in states)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def detail_lines(seen: Seen, steps: Sequence[str]) -> list[str]:
    """One table: its state, what is running, the last runs, and what to do next."""
    state = seen.state
    lines = [
        _line("table", state.table),
        _line("status", state.status or NEVER),
        _line("watermark", time_text(state.watermark) if state.watermark else "none"),
        _line("lag", _lag(state, seen.now)),
        *(_processing(seen.processing) if seen.processing else []),
        *_listed("requested", _requests(state)),
        _line("recovery", _recovery(seen)),
        _line("schedule", _schedule(seen)),
    ]
    if state.current:
        lines += _listed("export", _current(state.current, seen.now))
    if state.lease:
        lines.append(_line("owner", f"{state.lease.owner_name} ({seen.owner_status}), {_lease(state.lease, seen.now)}"))
    lines += _listed("runs", [_run(run, seen) for run in seen.runs[:RUNS_SHOWN]])
    return lines + _listed("next", steps)


def detail_json(seen: Seen, steps: Sequence[str]) -> dict[str, Any]:
    """The same for machines."""
    reach = seen.recovery and seen.recovery.earliest
    return {
        **overview_json(seen.state, seen.processing, seen.now),
        "ownerStatus": seen.owner_status,
        "recoverableFrom": time_text(reach) if reach else None,
        "schedule": seen.schedule and seen.schedule.to_json(),
        "runs": [_run_json(run, seen) for run in seen.runs[:RUNS_SHOWN]],
        "next": list(steps),
    }


def overview_json(state: TableState, processing: Processing | None, now: datetime) -> dict[str, Any]:
    """A table in the list for machines."""
    return {**state.to_json(now), "processing": processing and processing.to_json()}


def _overview(state: TableState, processing: Processing | None, now: datetime) -> tuple[str, ...]:
    remarks = _requests(state)
    if processing and processing.next:
        remarks.append(f"processing {processing.next.status}, copy {processing.summary}")
    if state.lease:
        remarks.append(f"{state.lease.owner_name}, {_lease(state.lease, now)}")
    watermark = time_text(state.watermark) if state.watermark else "-"
    return state.table, state.status or NEVER, watermark, _lag(state, now), "; ".join(remarks)


def _requests(state: TableState) -> list[str]:
    return ["paused"] * state.is_paused + ["reset"] * state.is_reset_requested


def _processing(processing: Processing) -> list[str]:
    """The copy, and the window whose turn it is."""
    lines, window = [_line("copy", processing.summary)], processing.next
    if window:
        tried = [f"attempt {window.attempt + 1}", window.failure] if window.execution_arn else []
        text = ", ".join(filter(None, (f"{window.window}: {window.status}", *tried)))
        lines += _listed("processing", [text, *([window.execution_arn] if window.execution_arn else [])])
    return lines


def _lag(state: TableState, now: datetime) -> str:
    seconds = state.lag_seconds(now)
    return "-" if seconds is None else duration_text(seconds)


def _recovery(seen: Seen) -> str:
    if seen.recovery is None:
        return "the table does not exist"
    return f"back to {time_text(seen.recovery.earliest)}" if seen.recovery.earliest else "off"


def _schedule(seen: Seen) -> str:
    if seen.schedule is None:
        return "none"
    return f"every {seen.schedule.minutes} minutes{'' if seen.schedule.is_enabled else ', disabled'}"


def _current(current: CurrentExport, now: datetime) -> list[str]:
    since = duration_text((now - current.started_at).total_seconds())
    return [
        f"{current.window}, attempt {current.attempt + 1}",
        current.arn or "not known to be started yet",
        f"begun at {time_text(current.started_at)}, {since} ago",
    ]


def _lease(lease: Lease, now: datetime) -> str:
    return f"lease {'expired at' if lease.is_expired(now) else 'until'} {time_text(lease.expires_at)}"


def _run_json(run: PastRun, seen: Seen) -> dict[str, Any]:
    window = seen.windows.get(run.item.get("process", ""))
    return {**run.to_json(), "processing": window and window.item}


def _run(run: PastRun, seen: Seen) -> str:
    items, billed = run.item.get("itemCount"), run.item.get("billedSizeBytes")
    parts = [run.window if run.status == run.type else f"{run.window}: {run.status}"]
    if items is not None:
        parts.append(f"{items:,} items")
    if billed is not None:
        parts.append(f"{billed:,} bytes billed")
    if run.failure:
        parts.append(run.failure)
    if window := seen.windows.get(run.item.get("process", "")):
        parts.append(window.outcome)
    return ", ".join(parts)


def _listed(label: str, values: Sequence[str]) -> list[str]:
    return [_line("" if position else label, value) for position, value in enumerate(values)]


def _line(label: str, value: str) -> str:
    return f"{label:<{LABEL_WIDTH}}{value}"
