"""A run's limit holds for all its workers together, on a simulated clock, while they come and go."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from bench.rate_limit import (
    coming_and_going,
    few_coming_and_going,
    limits_edited,
    slices_of_one,
    thousand_then_one_then_thousand,
    unequal_workers,
    waves,
    worst,
)
from bench.rate_simulator import (
    BIN_SECONDS,
    START_SECONDS,
    WINDOW_SECONDS,
    Deviation,
    Scenario,
    Shift,
    Simulation,
    deviation,
)

MOST = 0.1
# The scenarios of `make bench`, and the same with fewer workers, which take a tenth of the time.
WHOLE_RUNS = [
    (thousand_then_one_then_thousand, 11),
    (coming_and_going, 12),
    *((make, seed) for make in (limits_edited, unequal_workers, waves) for seed in (18, 19)),
]
SMALL_RUNS = [
    (thousand_then_one_then_thousand, 100, 11),
    (coming_and_going, 20, 12),
    *((few_coming_and_going, None, seed) for seed in range(13, 18)),
    *((slices_of_one, None, seed) for seed in range(13, 18)),
    *((limits_edited, 12, seed) for seed in (18, 19)),
    *((unequal_workers, 20, seed) for seed in (18, 19)),
    *((waves, 60, seed) for seed in (18, 19)),
]
STEADY = Scenario(100, {0: 50}, (Shift(0, 100, 1000.0),), 1)


@pytest.mark.long
@pytest.mark.parametrize(("make", "seed"), WHOLE_RUNS)
def test_limit_holds_over_any_window(make: Callable[[random.Random], Scenario], seed: int) -> None:
    assert Simulation(make(random.Random(seed)), seed).run().largest <= MOST


@pytest.mark.parametrize(("make", "workers", "seed"), SMALL_RUNS)
def test_limit_holds_over_any_window_of_few_workers(
    make: Callable[..., Scenario], workers: int | None, seed: int
) -> None:
    scenario = make(random.Random(seed), **({} if workers is None else {"workers": workers}))
    assert Simulation(scenario, seed).run().largest <= MOST


def test_simulation_tells_the_same_again() -> None:
    scenario = few_coming_and_going(random.Random(1))
    assert Simulation(scenario, 7).run() == Simulation(scenario, 7).run()


def test_worker_that_is_slower_than_the_limit_spends_what_it_can() -> None:
    found = Simulation(Scenario(120, {0: 1000}, (Shift(0, 120, 40.0),), 1), 1).run()
    assert found.under <= 0.01


def at_a_rate(rate: float, seconds: float = 100) -> list[tuple[float, float]]:
    return [(number / 10 + 0.05, rate / 10) for number in range(int(seconds * 10))]


@pytest.mark.parametrize(("rate", "over", "under"), [(50, 0, 0), (60, 0.2, -0.2), (40, -0.2, 0.2), (0, -1, 1)])
def test_deviation_of_a_steady_rate(rate: float, over: float, under: float) -> None:
    found = deviation(STEADY, at_a_rate(rate))
    assert [found.over, found.under] == pytest.approx([over, under])


def test_deviation_finds_the_worst_window_on_either_side() -> None:
    burst, gap = [(60.0, 150.0)], [each for each in at_a_rate(50) if not 40 <= each[0] < 43]
    found = deviation(STEADY, gap + burst)
    assert found.over == pytest.approx(150 / (50 * WINDOW_SECONDS))
    assert found.under == pytest.approx(3 / WINDOW_SECONDS)


def test_nothing_is_missed_while_nobody_could_spend_it() -> None:
    away = Scenario(100, {0: 50}, (Shift(0, 50, 1000.0),), 1)
    assert deviation(away, at_a_rate(50, 50)).under == pytest.approx(0)
    slow = Scenario(100, {0: 50}, (Shift(0, 100, 30.0),), 1)
    assert deviation(slow, at_a_rate(30)).under == pytest.approx(0)


def test_start_is_left_out() -> None:
    late = [each for each in at_a_rate(50) if each[0] >= START_SECONDS - BIN_SECONDS]
    assert deviation(STEADY, late).largest == pytest.approx(0)


def test_limit_that_is_edited_counts_from_then_on() -> None:
    edited = Scenario(100, {0: 50, 50: 100}, (Shift(0, 100, 1000.0),), 1)
    spent = at_a_rate(50) + [each for each in at_a_rate(50) if each[0] >= 50]
    assert deviation(edited, spent).largest == pytest.approx(0)


def test_worst_of_several() -> None:
    assert worst([Deviation(0.01, 0.05), Deviation(-0.02, 0.061249)]) == {"over": 0.01, "under": 0.061}
