"""How far a run's workers together stray from its limit while they come and go."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from bench.figures import Better, Measurement, figure
from bench.rate_simulator import WINDOW_SECONDS, Deviation, Scenario, Shift, Simulation

SEEDS = (1, 2, 3)
# Without a limit a worker would spend so many units per second.
FAST = 20_000.0
SHORTEST_STAY_SECONDS = 10.0
AWAY_SECONDS = (0.3, 3.0)
KILLED = 0.02


@figure("rate_limit_error", goal=0.1, better=Better.LOWER, unit="ratio")
def largest_deviation() -> Measurement:
    """The worst of all scenarios and seeds."""
    found = {
        make.__name__.replace("_", " "): [Simulation(make(random.Random(seed)), seed).run() for seed in SEEDS]
        for make in SCENARIOS
    }
    return Measurement(
        max(each.largest for deviations in found.values() for each in deviations),
        {"windowSeconds": WINDOW_SECONDS, "seeds": len(SEEDS)} | {name: worst(found[name]) for name in found},
    )


def worst(deviations: list[Deviation]) -> dict[str, float]:
    """The largest on either side; negative where every window stays on the other."""
    return {
        "over": round(max(each.over for each in deviations), 3),
        "under": round(max(each.under for each in deviations), 3),
    }


def coming_and_going(chance: random.Random, workers: int = 100) -> Scenario:
    """Many workers, each for a minute on average."""
    return Scenario(180, {0: 1000}, tuple(stays(chance, workers, 60, 180)), workers)


def few_coming_and_going(chance: random.Random) -> Scenario:
    """Five workers, each for two minutes on average."""
    return Scenario(300, {0: 1000}, tuple(stays(chance, 5, 120, 300)), 5)


def slices_of_one(_chance: random.Random) -> Scenario:
    """One worker, again and again for a minute."""
    return Scenario(300, {0: 100}, tuple(Shift(start, start + 59.5, FAST) for start in range(0, 300, 60)), 1)


def limits_edited(chance: random.Random, workers: int = 50) -> Scenario:
    """Doubled, and halved twice, while workers come and go."""
    limits: dict[float, float] = {0: 1000, 60: 2000, 110: 1000, 160: 500}
    return Scenario(210, limits, tuple(stays(chance, workers, 60, 210)), workers)


def thousand_then_one_then_thousand(chance: random.Random, workers: int = 1000) -> Scenario:
    """All but one leave at once, and come back at once."""
    first = [Shift(chance.uniform(0, 2), 25, FAST) for _ in range(workers - 1)]
    second = [Shift(50 + chance.uniform(0, 1), 75, FAST) for _ in range(workers - 1)]
    return Scenario(75, {0: 2500}, (Shift(0, 75, FAST), *first, *second), workers)


def waves(chance: random.Random, workers: int = 300) -> Scenario:
    """Every half a minute to a minute all but one leave at once, and any number of others come."""
    start, shifts = 0.0, list[Shift]()
    while start < 200:
        end = start + chance.uniform(30, 60)
        number = round(workers ** chance.random())
        shifts += [Shift(start + chance.uniform(0, 1), end, FAST) for _ in range(number - 1)]
        start = end
    return Scenario(200, {0: 2000}, (Shift(0, 200, FAST), *shifts), workers)


def unequal_workers(chance: random.Random, workers: int = 50) -> Scenario:
    """Some have use for a tenth of their share, some for a half; all come and go."""
    shifts = [
        Shift(each.start, each.end, chance.choice((2.0, 10.0, FAST, FAST)), each.is_killed)
        for each in stays(chance, workers, 90, 200)
    ]
    return Scenario(200, {0: 1000}, tuple(shifts), workers)


SCENARIOS: tuple[Callable[[random.Random], Scenario], ...] = (
    coming_and_going,
    few_coming_and_going,
    slices_of_one,
    limits_edited,
    thousand_then_one_then_thousand,
    waves,
    unequal_workers,
)


def stays(chance: random.Random, workers: int, mean_seconds: float, seconds: float) -> Iterator[Shift]:
    """So many workers, each of which is soon followed by another; some send several requests at a time."""
    for _ in range(workers):
        start = chance.uniform(0, 2)
        while start < seconds:
            end = start + SHORTEST_STAY_SECONDS + chance.expovariate(1 / (mean_seconds - SHORTEST_STAY_SECONDS))
            yield Shift(start, end, FAST, chance.random() < KILLED, chance.choice((1, 1, 4)))
            start = end + chance.uniform(*AWAY_SECONDS)
