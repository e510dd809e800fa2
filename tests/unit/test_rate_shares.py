"""How a worker's share follows from counters that all workers add to."""

from __future__ import annotations

from math import inf

import pytest

from sluice.run_item.shares import Demand, Rates, Shares, UnitKind, WorkerTally

ALL = dict.fromkeys(UnitKind, inf)
PERIOD = 2.0


class World:
    """Workers that beat one after the other, once a period."""

    def __init__(self, reads: float | None = 100.0, writes: float | None = None) -> None:
        self.limits = {UnitKind.READ: reads, UnitKind.WRITE: writes}
        self.now = 0.0
        self.workers = 0.0
        self.heartbeats = 0
        self.under_share = dict.fromkeys(UnitKind, 0)
        self.units = dict.fromkeys(UnitKind, 0.0)
        self.last: dict[Shares, Rates] = {}

    def heartbeat(self, shares: Shares, needs: Demand = ALL) -> float | None:
        """One worker's beat; returns its rate of reads."""
        demand = shares.demand(needs)
        self.workers += shares.to_workers
        self.heartbeats += 1
        for kind, wanted in demand.items():
            if wanted < inf:
                self.under_share[kind] += 1
                self.units[kind] += wanted
        tally = WorkerTally(self.limits, self.workers, self.heartbeats, dict(self.under_share), dict(self.units))
        rates = self.last[shares] = shares.after(tally, demand, self.now)
        return rates[UnitKind.READ]

    def period(self, *workers: Shares, needs: dict[Shares, float] | None = None) -> list[float | None]:
        """A period in which each of these beats once; returns their rates of reads."""
        rates = []
        for each in workers:
            self.now += PERIOD / len(workers)
            rates.append(self.heartbeat(each, ALL | {UnitKind.READ: (needs or {}).get(each, inf)}))
        return rates

    def leave(self) -> None:
        self.workers -= 1


def some(number: int, most: int = 5) -> list[Shares]:
    return [Shares(PERIOD, most) for _ in range(number)]


def test_new_worker_has_its_own_among_the_most_until_the_others_have_made_room() -> None:
    world, (one, two, new) = World(), some(3)
    for _ in range(2):
        world.period(one, two)
    assert world.period(one, two, new) == [50, 50, 20]
    assert world.period(one, two, new) == [pytest.approx(100 / 3)] * 3


def test_who_is_the_only_one_there_can_be_has_the_whole_limit_at_once() -> None:
    world, (one,) = World(), some(1, most=1)
    assert [world.period(one) for _ in range(3)] == [[100], [100], [100]]


def test_workers_that_start_together_share_with_their_second_heartbeat() -> None:
    world, four = World(), some(4)
    assert world.period(*four) == [20] * 4
    assert world.period(*four) == [25] * 4


def test_worker_that_leaves_makes_room_with_the_next_heartbeat() -> None:
    world, (one, two, leaving) = World(), some(3)
    for _ in range(3):
        world.period(one, two, leaving)
    world.leave()
    assert world.period(one, two) == [50, 50]


def test_killed_worker_does_not_count_after_two_periods_without_heartbeats() -> None:
    world, (one, two, killed) = World(), some(3)
    for _ in range(3):
        world.period(one, two, killed)
    world.period(one, two)
    world.period(one, two)
    assert world.period(one, two) == [pytest.approx(50, rel=0.02)] * 2


def test_count_of_workers_is_corrected_by_those_who_are_left() -> None:
    world, (one, two, killed) = World(), some(3)
    world.period(one, two, killed)
    for _ in range(60):
        world.period(one, two)
    assert world.workers == pytest.approx(2, abs=0.1)
    world.leave()
    assert world.period(one) == [pytest.approx(100, rel=0.1)]


def test_count_of_workers_that_is_too_small_is_corrected_too() -> None:
    world, three = World(), some(3)
    world.period(*three)
    world.workers = 1.0
    for _ in range(60):
        world.period(*three)
    assert world.workers == pytest.approx(3, abs=0.1)


def test_one_late_heartbeat_changes_nothing() -> None:
    world, (one, late) = World(), some(2)
    for _ in range(3):
        world.period(one, late)
    assert world.period(one) == [50]
    assert world.period(late, late, one)[-1] == 50


def test_heartbeats_that_the_worker_itself_missed_count_by_time() -> None:
    world, (one, two, silent) = World(), some(3)
    for _ in range(3):
        world.period(one, two, silent)
    for _ in range(3):
        world.period(one, two)
    world.now += PERIOD / 3
    assert world.heartbeat(silent) == pytest.approx(100 / 3)


def test_limits_are_those_of_the_last_heartbeat() -> None:
    world, two = World(), some(2)
    for _ in range(2):
        world.period(*two)
    world.limits = {UnitKind.READ: 500.0, UnitKind.WRITE: 8.0}
    assert world.period(*two) == [250, 250]
    world.period(*two)
    assert [each[UnitKind.WRITE] for each in world.last.values()] == [4, 4]


def test_what_workers_under_their_share_leave_goes_to_the_others() -> None:
    world, (slow, *fast) = World(), some(5)
    for _ in range(2):
        world.period(slow, *fast)
    for _ in range(2):
        rates = world.period(slow, *fast, needs={slow: 4.0})
    assert rates == [4, 24, 24, 24, 24]


def test_worker_under_its_share_that_needs_more_gets_it_with_its_next_heartbeat() -> None:
    world, (slow, fast) = World(), some(2)
    for _ in range(2):
        world.period(slow, fast)
    for _ in range(2):
        world.period(slow, fast, needs={slow: 10.0})
    assert world.period(slow, fast) == [10, 50]
    assert world.period(slow, fast) == [50, 50]


def test_all_are_under_their_share_and_have_their_demand() -> None:
    world, two = World(), some(2)
    for _ in range(2):
        world.period(*two)
    for _ in range(2):
        rates = world.period(*two, needs=dict(zip(two, (10.0, 20.0), strict=True)))
    assert rates == [10, 20]


def test_low_demands_do_not_outlast_a_limit_that_was_lowered() -> None:
    world, (slow, fast) = World(), some(2)
    for _ in range(2):
        world.period(slow, fast)
    for _ in range(2):
        world.period(slow, fast, needs={slow: 40.0})
    world.limits = {UnitKind.READ: 20.0, UnitKind.WRITE: None}
    rates = [world.period(slow, fast, needs={slow: 40.0}) for _ in range(3)]
    assert rates == [[10, 10]] * 3


def test_many_workers_that_leave_at_once_do_not_let_the_others_take_too_much() -> None:
    world, under_share, hungry = World(), some(90, most=100), some(10, most=100)
    for _ in range(2):
        world.period(*under_share, *hungry)
    for _ in range(2):
        world.period(*under_share, *hungry, needs=dict.fromkeys(under_share, 0.1))
    for _ in under_share:
        world.leave()
    for _ in range(3):
        rates = world.period(*hungry)
        assert sum(rate or 0 for rate in rates) <= 100 + 1e-6
    assert rates == [pytest.approx(10)] * 10


def test_item_that_was_created_again_is_joined_again_by_all() -> None:
    world, three = World(), some(3)
    for _ in range(3):
        world.period(*three)
    world.workers, world.heartbeats = 0.0, 0
    totals = [sum(rate or 0 for rate in world.period(*three)) for _ in range(5)]
    assert max(totals) <= 100 + 1e-6
    assert totals[-1] == pytest.approx(100)


def test_workers_that_send_heartbeats_at_the_same_time_notice_it() -> None:
    world, (one, two) = World(), some(2)
    for _ in range(3):
        world.period(one, two)
    assert not one.is_clashing
    world.period(two, two)
    world.heartbeat(one)
    assert one.is_clashing
