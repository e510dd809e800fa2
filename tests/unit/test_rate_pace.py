"""A worker from its first beat to its last, with the thread that beats for it."""

from __future__ import annotations

from threading import Event

import pytest

from sluice.errors import AccessDeniedError, ServiceUnavailableError, SluiceError, ThrottledError
from sluice.run_item.item import NO_LIMITS, RunItem
from sluice.run_item.rate_limiter import RateLimiter
from sluice.run_item.shares import UnitKind
from sluice.run_item.worker import Member, RunWorker
from tests.unit.rate_clock import RateClock
from tests.unit.run_items import FakeItem, no_heartbeats

ITEM = RunItem("k", {UnitKind.READ: 1e9, UnitKind.WRITE: None}, 2)
ENOUGH_SECONDS = 30


def never() -> bool:
    return False


def test_worker_joins_spends_and_leaves() -> None:
    item = FakeItem()
    with RunWorker(ITEM, item, never, read_item_units=0.5) as pace:
        spending = pace.reads.before(100)
        assert spending is not None
        assert spending.units == pytest.approx(50)
        spending.ended(40.0, 90)
        assert pace.writes.before(100) is not None
        assert item.workers == 1
    assert item.workers == 0


def test_worker_sends_heartbeats_also_while_it_does_something_else() -> None:
    beaten = Event()
    item = FakeItem()
    item.on_heartbeat = lambda: beaten.set() if item.heartbeats == 2 else None
    with RunWorker(ITEM, item, never):
        assert beaten.wait(ENOUGH_SECONDS)


def spend_and_fail(pace: RunWorker) -> None:
    pace.reads.admit(1).ended(1e9)
    raise ZeroDivisionError


def test_worker_that_fails_leaves_and_waits_for_nothing() -> None:
    item = FakeItem(limit=1e3)
    pace = RunWorker(ITEM, item, never)
    with pytest.raises(ZeroDivisionError), pace:
        spend_and_fail(pace)
    assert item.workers == 0


def test_run_without_limits_has_a_worker_that_waits_for_nothing() -> None:
    with no_heartbeats().worker(RunItem("k", NO_LIMITS, 1), never) as pace:
        assert pace.reads.bounded(None) is None
        for limiter in (pace.reads, pace.writes):
            spending = limiter.before(None)
            assert spending is not None
            spending.ended(1e9)


def test_worker_continues_at_the_least_rate_when_nobody_answers() -> None:
    with no_heartbeats().worker(ITEM, never) as pace:
        assert pace.reads.before(1000) is not None


@pytest.mark.parametrize(
    ("item_bytes", "reads", "writes"), [(None, 5, 5), (81_920.0, 1, 1), (819.2, 50, 5), (2048, 20, 2)]
)
def test_worker_begins_with_what_items_of_the_mean_size_take(item_bytes: float | None, reads: int, writes: int) -> None:
    pace = no_heartbeats().worker(RunItem("k", dict.fromkeys(UnitKind, 10.0), 1), never, item_bytes)
    assert (pace.reads.bounded(None), pace.writes.bounded(None)) == (reads, writes)


def test_refusal_that_will_not_pass_is_raised_to_who_waits() -> None:
    item = FakeItem(errors=[AccessDeniedError("no UpdateItem")])
    with pytest.raises(AccessDeniedError, match="no UpdateItem"), RunWorker(ITEM, item, never) as pace:
        pace.reads.before(1)


@pytest.fixture
def clock() -> RateClock:
    return RateClock()


def member(item: FakeItem, clock: RateClock) -> tuple[Member, RateLimiter]:
    run_item = RunItem("k", {UnitKind.READ: 15.0, UnitKind.WRITE: None}, 5)
    reads, writes = (clock.limiter(least=run_item.least[kind]) for kind in UnitKind)
    return Member(item, {UnitKind.READ: reads, UnitKind.WRITE: writes}, run_item, clock), reads


def rate(limiter: RateLimiter) -> float:
    """Units per second, by when requests are due that stand in line one after the other."""
    first, second = (limiter.seconds_until(limiter.take(1000)) for _ in range(2))
    return 1000 / (second - first)


@pytest.mark.parametrize("silence", [ThrottledError("slow down"), ServiceUnavailableError("nobody there")])
def test_silence_leaves_the_last_share(silence: SluiceError, clock: RateClock) -> None:
    item = FakeItem(limit=50.0)
    one, reads = member(item, clock)
    for _ in range(2):
        one.heartbeat()
        clock.now += 1
    assert rate(reads) == pytest.approx(50)
    item.errors.append(silence)
    one.heartbeat()
    assert rate(reads) == pytest.approx(50)


def test_silence_from_the_beginning_leaves_the_least_share(clock: RateClock) -> None:
    one, reads = member(FakeItem(errors=[ThrottledError("slow down")]), clock)
    one.heartbeat()
    assert rate(reads) == pytest.approx(3)


def test_worker_that_never_joined_does_not_leave(clock: RateClock) -> None:
    item = FakeItem(errors=[ThrottledError("slow down")])
    one, _ = member(item, clock)
    one.heartbeat()
    one.leave()
    assert item.workers == 0


def test_leaving_in_silence_is_left_at_that(clock: RateClock) -> None:
    item = FakeItem()
    one, _ = member(item, clock)
    one.heartbeat()
    item.errors.append(ServiceUnavailableError("nobody there"))
    one.leave()
    assert item.workers == 1


def test_workers_that_send_heartbeats_at_the_same_time_wait_a_little_longer(clock: RateClock) -> None:
    item = FakeItem()
    one, _ = member(item, clock)
    one.heartbeat()
    assert one.pause_seconds == 1
    item.workers += 1
    clock.now += 1
    one.heartbeat()
    assert 1 < one.pause_seconds <= 1.1
