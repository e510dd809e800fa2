"""The bench's harness: what it compares is measured by `make bench`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.figures import Better, Figure, Measurement, all_figures
from bench.null_endpoint import RepeatedRows
from bench.results import merge, table_line


def measured(value: float = 4.72345) -> Figure:
    return Figure("speed", 4, Better.HIGHER, "ratio", lambda: Measurement(value, {"rows": 3}))


def test_results_of_one_figure_leave_the_others_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for name, value in [("speed", 1.0), ("size", 2.0), ("speed", 4.72345)]:
        merge(path, name, measured().to_result(Measurement(value, {"rows": 3})))
    results = json.loads(path.read_text())
    assert [results["speed"]["value"], results["size"]["value"]] == [4.723, 2.0]
    assert results["speed"] == {
        "value": 4.723,
        "goal": 4,
        "better": "higher",
        "unit": "ratio",
        "detail": {"rows": 3},
    }


@pytest.mark.parametrize(
    ("better", "value", "is_met"),
    [
        (Better.HIGHER, 4, True),
        (Better.HIGHER, 3.9, False),
        (Better.LOWER, 4, True),
        (Better.LOWER, 4.1, False),
    ],
)
def test_goal_is_met_on_its_better_side(better: Better, value: float, is_met: bool) -> None:
    assert Figure("any", 4, better, "ratio", lambda: Measurement(value)).is_met_by(value) is is_met


def test_table_shows_value_goal_and_result() -> None:
    line = table_line("speed", measured().to_result(Measurement(3.5)), is_met=False)
    assert line.split() == ["speed", "3.5", "ratio", "at", "least", "4", "MISSED"]


def test_every_figure_has_a_name_that_results_can_go_by() -> None:
    figures = all_figures()
    assert {"write_path_vs_batch_writer", "write_path_vs_awswrangler", "package_megabytes"} <= set(figures)
    assert all(name == each.name for name, each in figures.items())


@pytest.mark.parametrize(("start", "end"), [(0, 12), (0, 2), (1, 5), (3, 12), (5, 6), (7, 11), (12, 12)])
def test_endless_object_is_read_as_if_it_were_there(start: int, end: int) -> None:
    source = RepeatedRows(b"abc", b"123", 3)
    assert source.size == 12
    assert b"".join(source.read(start, end)) == b"abc123123123"[start:end]
