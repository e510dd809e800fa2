"""Megabytes of CSV per CPU second of aggregate_objects, against csv.DictReader and against DuckDB."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.aggregate_contestants import Answer, Weather, answer_of, by_dictreader, by_duckdb, by_sluice, weather
from bench.daily_weather import station_file
from bench.distinct_cpu import best_cpu_seconds, functions_collector
from bench.figures import Better, Measurement, figure

FILES = 300
ROUNDS = 12
CONTESTANTS = {
    "sluice": "all that aggregate_objects does with its event: the objects are fetched, read, checked and grouped",
    "dictreader": "boto3's get_object, csv.DictReader, float, a dict of lists, then count, min, max, sum and mean",
    "dictreaderOnDisk": "the same from files",
    "duckdb": "read_csv of the files, its own types, GROUP BY with count, min, max, sum and avg",
    "duckdbAsTold": "the same with the columns' types given, which saves a look at each file beforehand",
}


@figure("aggregate_path_vs_dictreader", goal=5, better=Better.HIGHER, unit="ratio")
def versus_dictreader() -> Measurement:
    """Over what the known demonstration does with an object: boto3 and csv.DictReader into a dict of lists."""
    return _compare("dictreader", ["sluice", "dictreader", "dictreaderOnDisk"])


@figure("aggregate_path_vs_duckdb", goal=0.33, better=Better.HIGHER, unit="ratio")
def versus_duckdb() -> Measurement:
    """Over DuckDB's read_csv and GROUP BY on the same files, which it has on disk."""
    return _compare("duckdb", ["sluice", "duckdb", "duckdbAsTold"])


def contestants(through: Weather) -> Mapping[str, Callable[[], Answer]]:
    """What each of them makes of the files."""
    return {
        "sluice": lambda: answer_of(by_sluice(through)),
        "dictreader": lambda: by_dictreader(through.bodies()),
        "dictreaderOnDisk": lambda: by_dictreader(path.read_bytes() for path in through.paths),
        "duckdb": lambda: by_duckdb(through),
        "duckdbAsTold": lambda: by_duckdb(through, types_are_given=True),
    }


def _compare(peer: str, names: list[str]) -> Measurement:
    files = {f"{number:04d}.csv": station_file(number) for number in range(FILES)}
    size = sum(map(len, files.values()))
    with tempfile.TemporaryDirectory() as folder, weather(files, Path(folder)) as through, functions_collector():
        of_all = contestants(through)
        groups = _agreed({name: of_all[name]() for name in names})
        chosen = {name: _groups_of(of_all[name]) for name in names}
        chosen["sluice"] = lambda: by_sluice(through).count(b"\n")
        best = best_cpu_seconds(chosen, groups, ROUNDS)
    detail: dict[str, Any] = {
        "contestants": {name: CONTESTANTS[name] for name in names},
        "files": FILES,
        "kilobytesPerFile": round(size / FILES / 1000, 1),
        "compared": f"the best of {ROUNDS} turns of each, with the collector as the function sets it for all",
        "megabytesPerCpuSecond": {name: round(size / 1e6 / seconds, 1) for name, seconds in best.items()},
        "ratios": {name: round(seconds / best["sluice"], 2) for name, seconds in best.items() if name != "sluice"},
    }
    return Measurement(best[peer] / best["sluice"], detail)


def _agreed(answers: Mapping[str, Answer]) -> int:
    """How many groups they all have found. Raises AssertionError where their numbers differ by more than doubles do."""
    expected = answers["sluice"]
    for name, answer in answers.items():
        if answer.keys() != expected.keys():
            raise AssertionError(f"{name} has found other groups")
        for key, numbers in answer.items():
            if not all(map(math.isclose, numbers, expected[key])):
                raise AssertionError(f"{name} has {numbers} for {key}, not {expected[key]}")
    return len(expected)


def _groups_of(contestant: Callable[[], Answer]) -> Callable[[], int]:
    return lambda: len(contestant())
