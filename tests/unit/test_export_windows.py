"""Which export of a table comes next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import PointInTimeRecoveryError
from sluice.workflows.table_export.input import ExportInput
from sluice.workflows.table_export.ledger import ExportType, LedgerState, ScheduledExport, Window
from sluice.workflows.table_export.next_export import Action, Decision, Gap, Times, next_export

NOW = datetime(2026, 11, 21, 3, 31, 8, 250_000, tzinfo=UTC)
LATEST = datetime(2026, 11, 21, 3, 26, 8, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EARLIEST = LATEST - 35 * DAY
REQUEST = ExportInput("airports", "bucket", "exports/airports", "NEW_IMAGE", None, 60)


def full(until: datetime = LATEST, attempt: int = 0, started_at: datetime = NOW) -> ScheduledExport:
    """A full export as the input asks for it."""
    return ScheduledExport(
        Window(ExportType.FULL, None, until), attempt, "bucket", "exports/airports", "NEW_IMAGE", started_at
    )


def incremental(since: datetime, until: datetime, attempt: int = 0) -> ScheduledExport:
    """An incremental export as the input asks for it."""
    return replace(full(), window=Window(ExportType.INCREMENTAL, since, until), attempt=attempt)


def ledger(
    watermark: datetime | None = None, current: ScheduledExport | None = None, *, is_reset: bool = False
) -> LedgerState:
    """What the ledger says."""
    return LedgerState(7, is_reset_requested=is_reset, watermark=watermark, current=current)


def decide(
    state: LedgerState, earliest: datetime | None = EARLIEST, now: datetime = NOW, start: datetime | None = None
) -> Decision:
    """The decision; the execution has started right now by default."""
    return next_export(REQUEST, state, Times(earliest, start or now, now))


def test_first_export_is_a_full_one_five_minutes_behind() -> None:
    assert decide(ledger()) == Decision(Action.START, "the table's first export", full())


def test_first_export_waits_until_recovery_reaches_five_minutes_back() -> None:
    decision = decide(ledger(), earliest=LATEST + timedelta(seconds=1))
    assert decision.action is Action.NOTHING
    assert decision.reason.endswith("a full export can be made from 2026-11-21T03:31:09Z on")
    assert decide(ledger(), earliest=LATEST).export == full()


def test_next_window_begins_at_the_watermark() -> None:
    since = LATEST - HOUR
    assert decide(ledger(since)) == Decision(Action.START, "the next window", incremental(since, LATEST))


@pytest.mark.parametrize(("age", "is_due"), [(15 * MINUTE, True), (15 * MINUTE - timedelta(seconds=1), False)])
def test_window_has_at_least_fifteen_minutes(age: timedelta, *, is_due: bool) -> None:
    decision = decide(ledger(LATEST - age))
    assert decision.action is (Action.START if is_due else Action.NOTHING)
    assert decision.gap is None
    assert is_due or decision.reason.endswith(" and is not 15 minutes long yet")


def test_watermark_ahead_of_the_clock_leaves_nothing_to_do() -> None:
    assert decide(ledger(NOW + MINUTE)).action is Action.NOTHING


def test_windows_end_at_the_start_of_the_execution() -> None:
    since = LATEST - HOUR
    start = NOW - 30 * MINUTE
    assert decide(ledger(since), start=start).export == incremental(since, LATEST - 30 * MINUTE)
    decision = decide(ledger(LATEST - 30 * MINUTE), start=start)
    assert decision.action is Action.NOTHING
    assert decision.reason == "the next window begins at 2026-11-21T02:56:08Z and is left to the next run"


def test_full_export_holds_what_has_changed_since_the_execution_started() -> None:
    assert decide(ledger(), start=NOW - DAY).export == full()


def test_window_has_at_most_a_day() -> None:
    since = LATEST - 3 * DAY
    assert decide(ledger(since)).export == incremental(since, since + DAY)


def test_gap_is_reported_and_followed_by_a_full_export() -> None:
    watermark = EARLIEST - timedelta(seconds=1)
    decision = decide(ledger(watermark))
    assert (decision.action, decision.export, decision.gap) == (Action.START, full(), Gap(watermark, EARLIEST))
    assert decision.reason == "changes before 2026-10-17T03:26:08Z are out of point-in-time recovery's reach"


def test_watermark_where_recovery_begins_leaves_no_gap() -> None:
    assert decide(ledger(EARLIEST)).export == incremental(EARLIEST, EARLIEST + DAY)


def test_gap_is_reported_even_when_the_full_export_must_wait() -> None:
    earliest = LATEST + MINUTE
    decision = decide(ledger(LATEST - HOUR), earliest=earliest)
    assert (decision.action, decision.gap) == (Action.NOTHING, Gap(LATEST - HOUR, earliest))


def test_reset_makes_a_full_export_whatever_was_running() -> None:
    for current in (None, incremental(LATEST - HOUR, LATEST), full(LATEST - DAY, attempt=3)):
        decision = decide(ledger(LATEST - HOUR, current, is_reset=True))
        assert decision == Decision(Action.START, "a reset was requested", full())


def test_pause_leaves_everything_as_it_is() -> None:
    started = replace(full(), client_token="token", arn="arn")
    paused = replace(ledger(EARLIEST - DAY, started, is_reset=True), is_paused=True)
    assert decide(paused, earliest=None) == Decision(Action.NOTHING, "the exports of this table are paused")


@pytest.mark.parametrize("earliest", [EARLIEST, LATEST + DAY, None])
def test_started_export_is_watched_before_anything_else(earliest: datetime | None) -> None:
    started = replace(full(LATEST - DAY), client_token="token", arn="arn")
    decision = decide(ledger(LATEST - 2 * DAY, started, is_reset=True), earliest=earliest)
    assert (decision.action, decision.export, decision.gap) == (Action.WATCH, started, None)


def test_nothing_is_started_while_recovery_is_off() -> None:
    with pytest.raises(PointInTimeRecoveryError, match="off for the table airports"):
        decide(ledger(LATEST - HOUR), earliest=None)


def test_failed_window_is_requested_again_as_the_next_attempt() -> None:
    since = LATEST - DAY
    failed = replace(incremental(since, since + HOUR, attempt=1), bucket="misspelt", started_at=NOW - 9 * HOUR)
    assert decide(ledger(since, failed)).export == incremental(since, since + HOUR, attempt=1)


def test_failed_full_export_is_requested_again_as_of_its_time() -> None:
    decision = decide(ledger(LATEST - 9 * DAY, full(LATEST - DAY, attempt=2)))
    assert decision.export == full(LATEST - DAY, attempt=2)
    assert decision.reason == "a full export has not completed yet"


def test_failed_export_out_of_reach_makes_room_for_a_new_one() -> None:
    assert decide(ledger(None, full(EARLIEST - MINUTE, attempt=2))).export == full()


def test_window_of_another_watermark_is_not_taken_up() -> None:
    since = LATEST - HOUR
    assert decide(ledger(since, incremental(since - HOUR, since, attempt=4))).export == incremental(since, LATEST)


@pytest.mark.parametrize(("age", "action"), [(7 * HOUR, Action.SEARCH), (7 * HOUR - MINUTE, Action.START)])
def test_export_that_may_have_been_started_stays_as_it_was(age: timedelta, action: Action) -> None:
    since = LATEST - DAY
    request = replace(
        incremental(since, since + HOUR), bucket="other", view_type="NEW_AND_OLD_IMAGES", client_token="token"
    )
    request = replace(request, started_at=NOW - age)
    decision = decide(ledger(since, request))
    assert (decision.action, decision.export) == (action, request)


@given(st.lists(st.integers(1, 40 * 24 * 60), min_size=1, max_size=30), st.integers(-60, 60))
def test_completed_windows_join(pauses: list[int], skew: int) -> None:
    now, watermark = NOW, None
    for minutes in pauses:
        now += minutes * MINUTE
        earliest = now - 35 * DAY
        while (decision := decide(ledger(watermark), earliest, now + timedelta(seconds=skew))).export:
            window = decision.export.window
            assert earliest <= window.earliest <= window.until <= now - 4 * MINUTE
            if window.since is None:
                assert watermark is None or decision.gap == Gap(watermark, earliest)
            else:
                assert window.since == watermark
                assert 15 * MINUTE <= window.until - window.since <= DAY
            watermark = window.until
        assert watermark is not None
        assert now - watermark < 22 * MINUTE
