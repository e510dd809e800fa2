"""How a scan keeps under its rate, by a clock of its own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.measuring.measure_slice import measure_slice
from sluice.scanning.pace import Pace
from sluice.scanning.segment_progress import SegmentProgress
from sluice.scanning.segment_slice import SegmentSlice
from tests.unit.queried_table import after, ids, item, request_for, simple_table
from tests.unit.queried_table import scan_of as request_scan
from tests.unit.scan_slices import FixedPages, birds, never, scan_of


class Clock:
    """Time that passes in sleep, and otherwise by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 1
        self.now += seconds
        self.slept += seconds


@settings(deadline=None)
@given(st.floats(1, 1000), st.lists(st.tuples(st.floats(0, 5), st.floats(0.5, 128)), min_size=1, max_size=60))
def test_read_units_stay_under_the_rate(rate: float, pages: list[tuple[float, float]]) -> None:
    clock = Clock()
    pace = Pace(rate, None, clock, clock.sleep)
    spent: list[tuple[float, float]] = []
    for seconds, units in pages:
        clock.now += seconds
        spent.append((clock.now, units))
        pace.spend(units)
        assert pace.wait(never)
    spent.append((clock.now, 0.0))
    for first, (begin, _) in enumerate(spent):
        total = 0.0
        for end, units in spent[first:]:
            # Before the page that ends the window, no more than the rate and a second's credit was spent.
            assert total <= rate * (end - begin + 1) + 1e-6 * rate
            total += units


def test_pace_without_a_rate_never_sleeps() -> None:
    clock = Clock()
    pace = Pace(None, 100.0, clock, clock.sleep)
    pace.spend(1e9)
    assert pace.wait(never)
    assert clock.slept == 0
    assert pace.bounded(None) is None
    assert pace.bounded(7) == 7


def test_wait_ends_when_the_time_is_up() -> None:
    clock = Clock()
    pace = Pace(1.0, None, clock, clock.sleep)
    pace.spend(100.0)
    assert not pace.wait(lambda: clock.now >= 1005)
    assert clock.slept == pytest.approx(5)


@pytest.mark.parametrize(
    ("rate", "item_bytes", "limit", "expected"),
    [
        (10.0, 81.92, None, 1000),
        (10.0, 81.92, 50, 50),
        (10.0, 81.92, 5000, 1000),
        (1.0, 400_000.0, 5000, 1),
        (10.0, None, 5000, 5000),
        (10.0, None, None, None),
    ],
)
def test_one_page_takes_no_more_than_a_second_of_the_rate(
    rate: float, item_bytes: float | None, limit: int | None, expected: int | None
) -> None:
    assert Pace(rate, item_bytes).bounded(limit) == expected


def test_slice_reads_at_its_pace() -> None:
    table, clock = birds(dict.fromkeys("abcdefghij", 1)), Clock()
    pace = Pace(0.25, 4096.0, clock, clock.sleep)
    SegmentSlice(scan_of(table), SegmentProgress(), FixedPages(100), pace).run(table, never)
    assert [each["Limit"] for each in table.requests] == [1] * 11
    # The last one is waited for as well: the child that comes next knows nothing of it.
    assert clock.slept == pytest.approx(22)


def test_measuring_keeps_the_same_pace() -> None:
    table, clock = simple_table([item(name, at) for name in "abc" for at in range(4)]), Clock()
    pace = Pace(0.25, 4096.0, clock, clock.sleep)
    progress = measure_slice(request_for(ids("a", "b", "c")), table.query, never, pace).progress
    assert (progress.done, progress.requests) == (True, 15)
    assert [each["Limit"] for each in table.asked] == [1] * 15
    assert clock.slept == pytest.approx(30)


def test_measuring_stops_when_the_time_is_up_before_the_next_page_is_due() -> None:
    table, clock = simple_table([item("a", at) for at in range(40)]), Clock()
    pace = Pace(0.25, 4096.0, clock, clock.sleep)
    progress = measure_slice(request_for(ids("a")), table.query, after(5), pace).progress
    assert not progress.done
    assert clock.slept == pytest.approx(5, abs=1)


def test_measure_request_has_the_rate_of_its_scan() -> None:
    scan = request_scan() | {"readUnitsPerSecond": 2.0, "itemBytes": 8192.0}
    assert request_for(ids("a"), scan).pace().bounded(None) == 2
