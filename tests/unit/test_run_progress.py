"""What the shards of a run's item add up to, whatever becomes of heartbeats and workers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.aws.wire import Attempts
from sluice.errors import ServiceUnavailableError, StoppedError, ThrottledError
from sluice.run_item.item import NO_LIMITS, RunItem
from sluice.run_item.item_requests import Shard
from sluice.run_item.progress import SAMPLE_SECONDS, Course, WorkDone
from sluice.run_item.rate_limiter import RateLimiter
from sluice.run_item.shares import UnitKind
from sluice.run_item.worker import Member, RunWorker
from sluice_cli.run_item import summed
from tests.unit.run_items import TABLE, FakeItem, FakeRunTable

ITEM = RunItem("csv_load/july", NO_LIMITS, 1_200)


class ResponseKind(StrEnum):
    """What becomes of a heartbeat."""

    ANSWERED = "answered"
    THROTTLED = "throttled"
    REFUSED = "no connection"
    ANSWER_LOST = "answer lost"
    LOST = "lost in transit"


class FaultyTable(FakeRunTable):
    """Answers each request as `response` says."""

    response = ResponseKind.ANSWERED

    def call(self, operation: str, body: bytes, attempts: Attempts | None = None) -> dict[str, Any]:
        """One UpdateItem, which may fail before or after it was carried out."""
        attempts = attempts or Attempts()
        if self.response is ResponseKind.THROTTLED:
            raise ThrottledError("slow down")
        if self.response is ResponseKind.ANSWER_LOST:
            super().call(operation, body)
        if self.response is not ResponseKind.ANSWERED:
            attempts.may_have_run = self.response is not ResponseKind.REFUSED
            raise ServiceUnavailableError("no answer")
        return super().call(operation, body)


def member(table: FakeRunTable, shard: int) -> Member:
    limiters = {kind: RateLimiter(None, lambda: False) for kind in UnitKind}
    return Member(Shard(table.call, TABLE, ITEM, shard), limiters, ITEM)


def done(rows: int) -> WorkDone:
    return WorkDone(read=rows, written=rows, write_units=2.0 * rows, bytes=10 * rows)


heartbeats = st.lists(st.tuples(st.integers(0, 50), st.sampled_from(ResponseKind)), max_size=6)
workers = st.lists(st.tuples(st.integers(0, 2), heartbeats, st.booleans()), min_size=1, max_size=6)


@settings(deadline=None)
@given(workers)
def test_no_row_counts_twice_and_only_lost_updates_are_missing(
    workers: Sequence[tuple[int, Sequence[tuple[int, ResponseKind]], bool]],
) -> None:
    table, counted, missing = FaultyTable(), 0, 0
    for shard, heartbeats, is_failed in workers:
        one, rows, reported, lost = member(table, shard), 0, 0, 0
        for more, table.response in heartbeats:
            rows += more
            one.heartbeat(done(rows))
            lost += rows - reported if table.response is ResponseKind.LOST else 0
            reported = (
                rows
                if table.response in (ResponseKind.ANSWERED, ResponseKind.ANSWER_LOST, ResponseKind.LOST)
                else reported
            )
        table.response = ResponseKind.ANSWERED
        if is_failed:
            one.fail()
        else:
            one.leave(done(rows))
        counted, missing = counted + (0 if is_failed else rows), missing + lost
    item = summed("csv_load", *[table.items.get(ITEM.shard_key(shard), {}) for shard in range(ITEM.shards)])
    found = item.numbers.get("rowsRead", 0)
    assert found == counted - missing
    assert item.rows <= counted


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10**9), st.integers(0, 9)), min_size=1, max_size=20))
def test_shards_add_up_and_what_stands_in_each_of_them_is_taken_once(parts: Sequence[tuple[int, int, int]]) -> None:
    table = FakeRunTable()
    limited = RunItem("csv_load/july", {UnitKind.READ: None, UnitKind.WRITE: 500.0}, 1_200)
    for shard, rows, rejected in parts:
        each = Shard(table.call, TABLE, limited, shard)
        each.heartbeat({}, 1.0, WorkDone(read=rows, rejected=rejected, read_units=0.5), Attempts())
    item = summed("table_transform", *[table.items.get(limited.shard_key(shard), {}) for shard in range(3)])
    assert (item.rows, item.rejected) == (sum(rows for _, rows, _ in parts), sum(each for _, _, each in parts))
    assert (item.units, item.numbers["workers"]) == ((0.5 * len(parts), 0.0), len(parts))
    assert item.numbers.get("writeUnitsPerSecond", 500.0) == 500.0


def test_rows_of_an_exact_plan_are_never_more_than_planned() -> None:
    first = {"rowsRead": {"N": "120"}, "plannedRows": {"N": "100"}, "rowsRejected": {"N": "-3"}}
    assert summed("csv_load", first).rows == 100
    assert summed("table_transform", first).rows == 120
    assert summed("csv_load", first).rejected == 0


def test_worker_of_a_stopped_run_knows_before_it_begins() -> None:
    with RunWorker(ITEM, FakeItem(is_stopped=True, limit=None), lambda: False) as worker:
        assert worker.is_stopped
        assert worker.is_over()
        assert worker.reads.before(1) is None
    assert worker.state_of({"done": False}) == {"done": False, "stopped": True}
    assert worker.state_of({"done": True}) == {"done": True}
    with pytest.raises(StoppedError):
        worker.check({"done": False})


def test_stop_that_comes_later_is_seen_with_the_next_heartbeat() -> None:
    item = FakeItem(limit=None)
    one = Member(item, {kind: RateLimiter(None, lambda: False) for kind in UnitKind}, ITEM)
    one.heartbeat()
    assert not one.is_stopped
    item.is_stopped = True
    one.heartbeat()
    item.is_stopped = False
    one.heartbeat()
    assert one.is_stopped


def test_worker_leaves_with_all_that_it_has_done() -> None:
    item, rows = FakeItem(limit=None), 0
    with RunWorker(ITEM, item, lambda: False) as worker:
        worker.watch(lambda: done(rows))
        rows = 7
    assert (item.done, item.workers) == (done(7), 0)


def fail_with(worker: RunWorker, error: Exception) -> None:
    with worker:
        worker.watch(lambda: done(7))
        raise error


def test_worker_that_fails_takes_its_rows_back_and_no_units() -> None:
    item = FakeItem(limit=None)
    with pytest.raises(ZeroDivisionError):
        fail_with(RunWorker(ITEM, item, lambda: False), ZeroDivisionError())
    assert item.done == WorkDone()


def test_worker_among_many_shares_a_limit_in_one_shard_and_tells_its_progress_in_another() -> None:
    limited = RunItem("csv_load/july", {UnitKind.READ: None, UnitKind.WRITE: 5_000.0}, 1_200)
    shared, own = FakeItem(limit=None), FakeItem(limit=None, is_stopped=True)
    with RunWorker(limited, shared, lambda: False, own_shard=own) as worker:
        worker.watch(lambda: done(7))
        assert worker.is_stopped
        assert (shared.workers, own.workers) == (1, 0)
    assert (shared.workers, own.workers, shared.done, own.done) == (0, 0, WorkDone(), done(7))
    failed = FakeItem(limit=None)
    with pytest.raises(ZeroDivisionError):
        fail_with(RunWorker(limited, shared, lambda: False, own_shard=failed), ZeroDivisionError())
    assert (shared.workers, failed.done) == (0, WorkDone())


def test_shards_of_a_limited_run_keep_the_whole_limit() -> None:
    table = FakeRunTable()
    limited = RunItem("csv_load/july", {UnitKind.READ: None, UnitKind.WRITE: 5_000.0}, 1_200)
    with table.heartbeats().worker(limited, lambda: False):
        items = {key: each for key, each in table.items.items() if "heartbeats" in each}
    assert {each["writeUnitsPerSecond"]["N"] for each in items.values()} == {"5000.0"}
    assert table.numbers("csv_load/july")["workers"] == 0


def test_run_without_limits_continues_without_its_item() -> None:
    silent = FakeItem(limit=None, errors=[ServiceUnavailableError("nobody there")] * 9)
    with RunWorker(ITEM, silent, lambda: False) as worker:
        assert worker.writes.before(10**6) is not None
        assert not worker.is_over()


def test_series_has_a_sample_every_ten_seconds_and_the_end() -> None:
    course = Course()
    course.begin(1000.0)
    for second in range(1, 26):
        course.note(1000.0 + second, done(second))
    lines = [json.loads(line) for line in course.lines(1025.5, done(26)).splitlines()]
    assert [(each["at"], each["read"], each["writeUnits"]) for each in lines] == [
        (1000.0, 0, 0.0),
        (1000.0 + SAMPLE_SECONDS, 10, 20.0),
        (1000.0 + 2 * SAMPLE_SECONDS, 20, 40.0),
        (1025.5, 26, 52.0),
    ]


def test_short_slice_leaves_no_series() -> None:
    course = Course()
    course.begin(1000.0)
    course.note(1009.0, done(1))
    assert course.lines(1009.5, done(1)) == b""
