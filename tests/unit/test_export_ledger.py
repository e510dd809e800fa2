"""The state item of the ledger: read as it is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from sluice.workflows.table_export.ledger import (
    ExportType,
    LedgerState,
    ScheduledExport,
    Window,
    instant,
    instant_reached,
    iso,
)

TIME = datetime(2026, 11, 21, 3, 31, 8, tzinfo=UTC)
times = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda time: time.replace(microsecond=0)
)
windows = st.one_of(
    st.builds(Window, st.just(ExportType.FULL), st.none(), times),
    st.builds(Window, st.just(ExportType.INCREMENTAL), times, times),
)
names = st.text(min_size=1, max_size=10)
exports = st.builds(
    ScheduledExport,
    window=windows,
    attempt=st.integers(0, 10**6),
    bucket=names,
    prefix=names,
    view_type=names,
    started_at=times,
    client_token=st.none() | names,
    arn=st.none() | names,
)


@given(exports)
def test_export_is_read_as_it_was_written(export: ScheduledExport) -> None:
    item = {"table": {"S": "airports"}, "entry": {"S": "STATE"}, "current": export.to_attribute()}
    assert LedgerState.from_item(item).current == export


def test_table_that_was_never_exported_has_an_empty_state() -> None:
    assert LedgerState.from_item(None) == LedgerState(0, False, False, None, None)  # noqa: FBT003


def test_state_item_is_read() -> None:
    item = {
        "version": {"N": "12"},
        "paused": {"BOOL": True},
        "resetRequested": {"BOOL": False},
        "watermark": {"S": "2026-11-21T03:31:08.999Z"},
        "status": {"S": "COMPLETED"},
        "leaseOwner": {"S": "arn"},
    }
    assert LedgerState.from_item(item) == LedgerState(version=12, is_paused=True, watermark=TIME)


def test_item_that_only_a_flag_has_made_is_read() -> None:
    item = {"version": {"N": "1"}, "resetRequested": {"BOOL": True}}
    assert LedgerState.from_item(item) == LedgerState(version=1, is_reset_requested=True)


def test_export_is_open_between_the_question_and_the_answer() -> None:
    window = Window(ExportType.FULL, None, TIME)
    planned = ScheduledExport(window, 0, "bucket", "prefix", "NEW_IMAGE", TIME)
    request = replace(planned, client_token="token")
    assert [each.is_open for each in (planned, request, replace(request, arn="arn"))] == [False, True, False]


def test_window_reaches_back_to_where_it_begins() -> None:
    since = TIME - timedelta(hours=1)
    assert Window(ExportType.INCREMENTAL, since, TIME).earliest == since
    assert Window(ExportType.FULL, None, TIME).earliest == TIME


def test_entries_of_runs_sort_by_the_end_of_their_windows() -> None:
    first = ScheduledExport(Window(ExportType.FULL, None, TIME), 0, "b", "p", "v", TIME)
    later = replace(first, window=Window(ExportType.INCREMENTAL, TIME, TIME + timedelta(hours=1)))
    again = replace(later, attempt=1)
    assert first.run_entry == "RUN#2026-11-21T03:31:08Z#FULL_EXPORT#0"
    assert sorted(each.run_entry for each in (again, later, first)) == [
        each.run_entry for each in (first, later, again)
    ]


def test_times_are_cut_to_the_second() -> None:
    assert instant("2026-11-21T03:31:08.999999Z") == TIME
    assert instant("2026-11-21T04:31:08+01:00") == TIME
    assert iso(TIME.astimezone(timezone(timedelta(hours=-8)))) == "2026-11-21T03:31:08Z"


def test_what_is_there_from_a_time_on_is_there_at_the_next_whole_second() -> None:
    assert instant_reached("2026-11-21T03:31:07.001Z") == TIME
    assert instant_reached("2026-11-21T03:31:08Z") == TIME
