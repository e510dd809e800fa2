"""The simulator that the page policy is measured with: its best plan is the best, its scans cost what pages do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.policy_picture import PICTURE, picture
from bench.scan_simulator import (
    BLOCK_UNITS,
    PLAYED_BYTES,
    ScanCost,
    Segment,
    full_cost,
    least_total,
    page_units,
    policy_cost,
    skip_cost,
)

collections = st.lists(
    st.tuples(st.integers(1, 400), st.sampled_from([100, 1000, 4096, 5000, 300_000])), min_size=1, max_size=12
)


def segment_of(drawn: list[tuple[int, int]]) -> Segment:
    return Segment("drawn", "drawn", [count for count, _ in drawn], [size for _, size in drawn])


def least_by_trying_all(segment: Segment, request_units: float) -> float:
    """Every page that ends with any item, from every collection: nothing is left out, nothing is clever."""
    firsts, items = segment.first_items, segment.first_items[-1]
    least = {items: request_units + BLOCK_UNITS}
    for start in reversed(firsts[:-1]):
        widest, has_more = segment.end_of_page(start, None)
        totals = [
            request_units + segment.units(start, end) + least[min(first for first in firsts if first >= end)]
            for end in range(start + 1, widest + 1)
        ]
        least[start] = min(totals if has_more else [*totals, request_units + segment.units(start, items)])
    return least[0]


@given(collections.filter(lambda drawn: sum(count for count, _ in drawn) < 400), st.sampled_from([0.5, 2.0, 6.5]))
def test_least_total_is_what_trying_every_plan_finds(drawn: list[tuple[int, int]], request_units: float) -> None:
    segment = segment_of(drawn)
    assert least_total(segment, request_units) == pytest.approx(least_by_trying_all(segment, request_units))


@given(collections)
def test_no_plan_costs_less_than_the_least(drawn: list[tuple[int, int]]) -> None:
    segment = segment_of(drawn)
    least = least_total(segment, 2.0)
    assert all(cost.total(2.0) >= least for cost in (full_cost(segment), skip_cost(segment), policy_cost(segment, 2.0)))


def test_least_total_refuses_requests_of_part_of_a_block() -> None:
    with pytest.raises(ValueError, match="multiple"):
        least_total(Segment("one", "uniform", [1], [100]), 0.4)


def test_page_ends_with_the_item_that_reaches_the_mebibyte() -> None:
    segment = Segment("1,049 items of 1000 bytes and more", "uniform", [2000], [1000])
    assert segment.end_of_page(0, None) == (1049, True)
    assert segment.end_of_page(0, 1049) == (1049, True)
    assert segment.end_of_page(1049, None) == (2000, False)
    assert segment.end_of_page(1049, 951) == (2000, True)


@pytest.mark.parametrize(("size", "units"), [(0, 0.5), (1, 0.5), (4096, 0.5), (4097, 1.0), (1 << 20, 128.0)])
def test_page_is_charged_half_a_unit_per_started_block(size: int, units: float) -> None:
    assert page_units(size) == units


def test_long_full_scan_costs_what_playing_it_would() -> None:
    segment = Segment("30 GB", "uniform", [150_000] * 200, [1000] * 200)
    assert segment.first_bytes[-1] == PLAYED_BYTES
    longer = Segment("30 GB and a bit", "uniform", [150_000] * 200 + [1], [1000] * 201)
    played, computed = full_cost(segment), full_cost(longer)
    assert computed.requests == pytest.approx(played.requests, abs=1)
    assert computed.units == pytest.approx(played.units, rel=0.001)


def test_skips_take_a_request_per_key_and_one_to_see_the_end() -> None:
    assert skip_cost(Segment("three", "uniform", [5, 5, 5], [10_000] * 3)) == ScanCost(4, 3 * 1.5 + 0.5)


def test_picture_in_the_docs_is_what_its_script_draws() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture()
