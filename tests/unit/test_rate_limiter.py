"""What one worker may spend: waited for before it is spent, by a clock of its own."""

from __future__ import annotations

from math import inf
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import AccessDeniedError
from sluice.run_item.rate_limiter import (
    CREDIT_SECONDS,
    DEMAND_MARGIN,
    FIRST_DEMAND_SECONDS,
    REQUEST_SECONDS,
    RateLimiter,
    Spending,
)
from tests.unit.rate_clock import RateClock

RATES = st.floats(20, 1000)
REQUESTS = st.lists(st.tuples(st.floats(0, 5), st.integers(1, 50), st.floats(0, 3)), min_size=1, max_size=40)


def spend(limiter: RateLimiter, items: int, units: float | None = None) -> Spending:
    spending = limiter.before(items)
    assert spending is not None
    spending.ended(items if units is None else units)
    return spending


@settings(max_examples=50)
@given(RATES, REQUESTS)
def test_no_window_takes_more_than_the_rate_its_credit_and_one_request(
    rate: float, requests: list[tuple[float, int, float]]
) -> None:
    clock = RateClock()
    limiter = clock.limiter(rate)
    spent: list[tuple[float, float]] = []
    for seconds, items, _ in requests:
        clock.now += seconds
        spend(limiter, items)
        spent.append((clock.now, items))
    for first, (begin, _) in enumerate(spent):
        total = 0.0
        for end, units in spent[first:]:
            total += units
            assert total <= rate * (end - begin + CREDIT_SECONDS) + spent[first][1] + 1e-3


@settings(max_examples=50)
@given(RATES, REQUESTS)
def test_units_beyond_what_was_expected_are_waited_for(rate: float, requests: list[tuple[float, int, float]]) -> None:
    clock = RateClock()
    limiter = clock.limiter(rate)
    begin, total = clock.now, 0.0
    for _, items, more in requests:
        spend(limiter, items, items * more)
        total += items * more
    assert limiter.settle()
    assert total <= rate * (clock.now - begin + CREDIT_SECONDS) + 1e-3


def test_big_page_at_a_small_rate_is_paid_for_before_the_next() -> None:
    clock = RateClock()
    limiter = clock.limiter(4.0)
    spend(limiter, 1, 128.0)
    assert clock.slept == pytest.approx(0.25)
    limiter.settle()
    assert clock.slept == pytest.approx(32)


def test_without_a_limit_nothing_is_waited_for_and_nothing_bounded() -> None:
    clock = RateClock()
    limiter = clock.limiter(least=None)
    assert limiter.bounded(None) is None
    assert limiter.bounded(7) == 7
    for _ in range(3):
        spending = limiter.before(None)
        assert spending is not None
        spending.ended(1e9, 10**6)
    assert limiter.settle()
    assert (clock.slept, limiter.demand()) == (0, inf)


def test_limit_that_comes_later_does_not_ask_for_what_was_spent_without() -> None:
    clock = RateClock()
    limiter = clock.limiter(least=None)
    spend(limiter, 1000, 1000.0)
    limiter.grant(10.0)
    spend(limiter, 1)
    assert clock.slept < 1


def test_whole_page_counts_as_the_largest_until_it_has_ended() -> None:
    clock = RateClock()
    limiter = clock.limiter(64.0)
    spending = limiter.before(None)
    assert spending is not None
    assert clock.slept == pytest.approx(2)
    spending.ended(3.0, 6)
    assert clock.slept == pytest.approx(2)


@pytest.mark.parametrize(
    ("rate", "item_units", "items", "expected"),
    [
        (10.0, 0.01, None, int(REQUEST_SECONDS * 1000)),
        (10.0, 0.01, 50, 50),
        (10.0, 0.01, 5000, int(REQUEST_SECONDS * 1000)),
        (1.0, 400.0, 5000, 1),
        (None, 0.01, None, int(REQUEST_SECONDS * 200)),
    ],
)
def test_one_request_takes_no_more_than_its_part_of_the_rate_unless_one_item_does(
    rate: float | None, item_units: float, items: int | None, expected: int
) -> None:
    assert RateClock().limiter(rate, least=2.0, item_units=item_units).bounded(items) == expected


def test_what_items_take_is_learnt_from_requests() -> None:
    clock = RateClock()
    limiter = clock.limiter(100.0, item_units=1.0)
    assert limiter.bounded(None) == 50
    for _ in range(5):
        spending = limiter.before(100)
        assert spending is not None
        spending.ended(5.0, 50)
    assert limiter.bounded(None) == pytest.approx(500, rel=0.05)


def test_new_worker_waits_for_its_rate() -> None:
    clock = RateClock()
    limiter = clock.limiter()
    clock.changes[clock.now + 3] = (limiter, 2.0)
    spend(limiter, 2)
    assert clock.slept == pytest.approx(4)


def test_rate_that_changes_while_one_waits_counts_from_then_on() -> None:
    clock = RateClock()
    limiter = clock.limiter(1.0)
    clock.changes[clock.now + 10] = (limiter, 45.0)
    spend(limiter, 100)
    assert clock.slept == pytest.approx(12)


def test_before_ends_when_the_time_is_up_and_owes_nothing_then() -> None:
    clock = RateClock(ends=1005)
    limiter = clock.limiter(1.0)
    assert limiter.before(100) is None
    assert clock.slept == pytest.approx(5)
    assert limiter.settle()
    clock.ends = inf
    spend(limiter, 6)
    assert clock.slept == pytest.approx(10)


def test_before_takes_nothing_when_the_time_was_up_before() -> None:
    clock = RateClock(ends=0)
    assert clock.limiter(1e6).before(1) is None
    assert clock.limiter(least=None).before(1) is None


def test_request_that_must_be_sent_is_admitted_when_the_time_is_up_and_owed() -> None:
    clock = RateClock(ends=1005)
    limiter = clock.limiter(1.0)
    assert limiter.admit(100).units == 100
    assert clock.slept == pytest.approx(5)
    assert not limiter.settle()


def test_workers_that_start_together_continue_apart() -> None:
    first = []
    for _ in range(20):
        clock = RateClock()
        limiter = RateLimiter(1.0, clock.is_time_up, clock=clock, sleep=clock.sleep)
        limiter.grant(1.0)
        first.append(limiter.seconds_until(limiter.take(10)))
    assert min(first) >= 5
    assert max(first) <= 15
    assert max(first) - min(first) > 1


def test_silent_dynamodb_leaves_a_new_worker_its_least_and_others_their_last() -> None:
    clock = RateClock()
    new, old = clock.limiter(least=5.0), clock.limiter(40.0, least=5.0)
    for each in (new, old):
        each.grant_least()
    assert [each.seconds_until(each.take(80)) for each in (new, old)] == [16, 2]


def test_error_that_is_no_passing_one_is_raised_to_whoever_waits() -> None:
    limiter = RateClock().limiter()
    limiter.fail(AccessDeniedError("no"))
    with pytest.raises(AccessDeniedError):
        limiter.before(1)


def demand(rate: float, capacity: float, seconds: float, item_units: float = 1.0) -> float:
    """The last claim of a worker that alone would spend `capacity` units per second."""
    clock = RateClock()
    limiter = clock.limiter(rate)
    end, last, next_demand = clock.now + seconds, inf, clock.now
    while clock.now < end:
        items = limiter.bounded(250)
        assert items is not None
        spending = limiter.before(items)
        assert spending is not None
        clock.now += items * item_units / capacity
        spending.ended(items * item_units)
        while next_demand <= clock.now:
            last = limiter.demand()
            next_demand += 1
    return last


@pytest.mark.parametrize("item_units", [0.5, 1.0, 4.0])
def test_worker_with_less_use_demands_what_it_can_spend(item_units: float) -> None:
    assert demand(100.0, 20.0, 30, item_units) == pytest.approx(20 * DEMAND_MARGIN, rel=0.15)


def test_worker_demands_what_it_could_spend_also_while_it_waits() -> None:
    assert demand(40.0, 50.0, 60) == pytest.approx(50 * DEMAND_MARGIN, rel=0.15)


def test_worker_that_mostly_waits_demands_all() -> None:
    assert demand(10.0, 50.0, 30) == inf


def test_worker_demands_all_until_its_use_is_known() -> None:
    clock = RateClock()
    limiter = clock.limiter(100.0)
    assert limiter.demand() == inf
    spend(limiter, 1)
    clock.now += FIRST_DEMAND_SECONDS / 2
    assert limiter.demand() == inf


def test_idle_worker_demands_less_and_less() -> None:
    clock = RateClock()
    limiter = clock.limiter(100.0)
    spend(limiter, 50)
    claimed = []
    for _ in range(30):
        clock.now += 1
        claimed.append(limiter.demand())
    assert claimed[-1] < 3
    assert claimed[5:] == sorted(claimed[5:], reverse=True)


def test_threads_together_keep_to_the_rate() -> None:
    limiter = RateLimiter(1.0, lambda: False)
    limiter.grant(1e8)

    def send() -> None:
        for _ in range(200):
            limiter.admit(10).ended(20.0, 20)

    threads = [Thread(target=send) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert limiter.take(0).mark == pytest.approx(8 * 200 * 20)


def page_units(items: int, item_bytes: int) -> float:
    return -(-items * item_bytes // 4096) / 2


@pytest.mark.parametrize("rate", [0.05, 0.5, 1.0, 3.0, 40.0])
@pytest.mark.parametrize("item_bytes", [30, 500, 3000, 20_000])
@pytest.mark.parametrize("known", [True, False])
def test_pages_are_not_small_for_being_rounded_up(rate: float, item_bytes: int, known: bool) -> None:
    clock = RateClock()
    reads = clock.limiter(rate, item_units=item_bytes / 8192 if known else 1.0, rounding=0.5)
    items, units, pages = 0, 0.0, 40
    for number in range(2 * pages):
        limit = reads.bounded(None)
        assert limit is not None
        cost = page_units(limit, item_bytes)
        spend(reads, limit, cost)
        if number >= pages:
            items, units = items + limit, units + cost
    # What pages are rounded up by is less than what is read, and one page takes little more than its part of the rate.
    assert units / items < 2 * item_bytes / 8192
    assert units / pages < max(1.0, rate / 2 + 0.5, page_units(1, item_bytes) + 0.5)


def test_small_pages_say_nothing_of_items_that_are_smaller_still() -> None:
    reads = RateClock().limiter(100.0, item_units=0.01, rounding=0.5)
    for _ in range(50):
        spend(reads, 1, 0.5)
    assert reads.bounded(None) == 5000
    spend(reads, 1, 2.0)
    assert (reads.bounded(None) or 0) < 200
