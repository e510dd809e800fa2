"""The page policy of distinct_keys: what it may choose, that it can stop anywhere, and what whole scans cost."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scan_simulator import PAGE_BYTES, Segment, full_cost, least_total, policy_cost, skip_cost
from sluice.workflows.distinct_keys.page_evidence import Page, estimates, renewed
from sluice.workflows.distinct_keys.page_policy import MAX_ITEMS, Optimize, PagePolicy, PolicyState

BALANCED = Optimize.BALANCED.request_units
KEYS = 4000

sizes = st.sampled_from([60, 400, 3000, 10_000, 390_000])
counts = st.sampled_from([1, 2, 3, 7, 40, 1000, 200_000])
mixtures = st.lists(st.tuples(counts, sizes, st.integers(1, 30)), min_size=1, max_size=5)
optimizations = st.sampled_from(Optimize)


def segment_of(mixture: list[tuple[int, int, int]]) -> Segment:
    drawn = [(count, size) for count, size, times in mixture for _ in range(times)]
    return Segment("drawn", "drawn", [count for count, _ in drawn], [size for _, size in drawn])


def pages(segment: Segment, policy: PagePolicy) -> Iterator[Page]:
    """The pages of a scan; the policy has not yet seen the page it is handed."""
    firsts, key = segment.first_items, 0
    while key < segment.keys:
        start = firsts[key]
        end, _ = segment.end_of_page(start, policy.limit)
        next_key = bisect_left(firsts, end)
        yield Page(end - start, segment.units(start, end), [first - start for first in firsts[key:next_key]])
        key = next_key


def limits(segment: Segment, policy: PagePolicy) -> Iterator[int]:
    for page in pages(segment, policy):
        yield policy.limit
        policy.observe(page)


@given(mixtures, optimizations, st.booleans())
def test_limit_is_at_least_one_item_and_bounded(
    mixture: list[tuple[int, int, int]], optimize: Optimize, knows_size: bool
) -> None:
    segment = segment_of(mixture)
    start = PolicyState.start(segment.mean_item_bytes if knows_size else None)
    assert all(1 <= limit <= MAX_ITEMS for limit in limits(segment, PagePolicy(optimize.request_units, start)))


@given(counts, sizes, optimizations)
def test_limit_is_at_most_four_full_pages_when_items_are_of_one_size(count: int, size: int, optimize: Optimize) -> None:
    segment = Segment("one size", "uniform", [count] * 300, [size] * 300)
    policy = PagePolicy(optimize.request_units, PolicyState.start(size))
    assert max(limits(segment, policy)) * size <= 4 * PAGE_BYTES + size


@given(mixtures, optimizations, st.data())
def test_resuming_from_state_equals_never_having_stopped(
    mixture: list[tuple[int, int, int]], optimize: Optimize, data: st.DataObject
) -> None:
    segment = segment_of(mixture)
    unbroken = list(limits(segment, PagePolicy(optimize.request_units, PolicyState.start(500))))
    policy = PagePolicy(optimize.request_units, PolicyState.start(500))
    resumed = PagePolicy(optimize.request_units, PolicyState.start(500))
    stops = data.draw(st.sets(st.integers(0, len(unbroken))))
    taken = []
    for number, page in enumerate(pages(segment, policy)):
        if number in stops:
            carried = json.loads(json.dumps(resumed.state.to_state()))
            resumed = PagePolicy(optimize.request_units, PolicyState.from_state(carried))
        taken.append(resumed.limit)
        policy.observe(page)
        resumed.observe(page)
    assert taken == unbroken


@given(mixtures)
def test_state_is_the_same_after_json(mixture: list[tuple[int, int, int]]) -> None:
    policy = PagePolicy(BALANCED, PolicyState.start(None))
    for page in pages(segment_of(mixture), policy):
        policy.observe(page)
        assert PolicyState.from_state(json.loads(json.dumps(policy.state.to_state()))) == policy.state


@pytest.mark.parametrize(("mean_item_bytes", "limit"), [(None, 2), (100, 128), (1000, 16), (4096, 4), (390_000, 1)])
def test_first_page_costs_about_what_a_jump_does(mean_item_bytes: float | None, limit: int) -> None:
    assert PagePolicy(BALANCED, PolicyState.start(mean_item_bytes)).limit == limit


def test_empty_page_changes_nothing() -> None:
    policy = PagePolicy(BALANCED, PolicyState.start(100))
    policy.observe(Page(32, 1.0, [0, 7]))
    before = policy.state
    policy.observe(Page(0, 0.5, []))
    assert policy.state == before


def test_page_is_evidence_about_every_smaller_size() -> None:
    page = Page(items=8, units=2.25, starts=[0, 1, 2, 6])
    assert [each.keys for each in renewed((), page, 0.0)] == [1, 2, 3, 4]
    assert [each.units for each in renewed((), page, 0.25)] == [0.5, 0.75, 1.25, 2.25]


def test_last_keys_items_are_charged_with_what_ordinary_ones_leave() -> None:
    page = Page(items=64, units=8.25, starts=range(33))
    assert renewed((), page, item_units=1 / 32)[5].units == 0.25 + 32 / 32
    assert renewed((), page, item_units=0.0)[5].units == 0.25 + 32 / 8


def test_full_page_is_evidence_about_larger_sizes_too() -> None:
    large = renewed((), Page(4096, 50.0, range(4096)), 0.0)
    after = renewed(large, Page(105, 128.5, [0, 30, 60, 90]), 0.0)
    assert after[-1].units == pytest.approx(50.0 * 23 / 24 + 128.5)
    assert after[-1].keys == pytest.approx(4096 * 23 / 24 + 4)


def test_next_size_is_guessed_to_continue_as_the_upper_half_did() -> None:
    evidence = renewed((), Page(4, 4.25, [0, 1, 2, 3]), 0.0)
    guessed = estimates(evidence, affordable=0.0)[3]
    assert guessed.units == 8.25
    assert guessed.keys == pytest.approx(8.0, rel=0.2)


def test_wasteful_page_halves_the_next_until_keys_come_again() -> None:
    policy = PagePolicy(BALANCED, PolicyState.start(100))
    for _ in range(8):
        policy.observe(Page(policy.limit, max(0.5, policy.limit / 80), range(policy.limit)))
    large = policy.limit
    policy.observe(Page(large, large / 8, [0]))
    policy.observe(Page(policy.limit, policy.limit / 8, [0]))
    assert policy.limit <= large / 4
    policy.observe(Page(policy.limit, policy.limit / 80, range(policy.limit)))
    assert policy.state.halvings == 0


def uniform(count: int, size: int) -> Segment:
    return Segment(f"{count} x {size} B", "uniform", [count] * KEYS, [size] * KEYS)


def shuffled(count: int, size: int, tiny: float) -> Segment:
    chosen = Random(5)
    counts = [count if chosen.random() < tiny else 100_000 for _ in range(KEYS)]
    return Segment("mixed", "mixed", counts, [size if each == count else 1000 for each in counts])


def skewed(exponent: float, size: int) -> Segment:
    ranks = list(range(1, KEYS + 1))
    Random(5).shuffle(ranks)
    share = 100 * KEYS / sum(rank**-exponent for rank in ranks)
    return Segment("zipf", "zipf", [max(1, int(share * rank**-exponent)) for rank in ranks], [size] * KEYS)


@pytest.mark.parametrize(
    ("segment", "most"),
    [
        (uniform(1, 1000), 1.04),
        (uniform(10, 400), 1.04),
        (uniform(4, 4000), 1.06),
        (uniform(30, 1000), 1.06),
        (uniform(2, 10_000), 1.06),
        (uniform(1000, 1000), 1.05),
        (uniform(100_000, 100), 1.05),
        (shuffled(1, 4000, 0.9), 1.4),
        (shuffled(3, 1000, 0.99), 1.6),
        (skewed(0.8, 200), 1.7),
        (skewed(1.5, 1000), 1.7),
        (skewed(2.0, 4000), 1.7),
    ],
    ids=lambda value: value.name if isinstance(value, Segment) else "",
)
def test_whole_scan_costs_little_more_than_the_best_plan(segment: Segment, most: float) -> None:
    cost = policy_cost(segment, BALANCED).total(BALANCED)
    assert cost <= most * least_total(segment, BALANCED)
    assert cost <= 1.1 * min(full_cost(segment).total(BALANCED), skip_cost(segment).total(BALANCED))


@pytest.mark.parametrize("count", [300, 10_000])
def test_large_collections_are_skipped_from_key_to_key(count: int) -> None:
    segment = uniform(count, 1000)
    cost, skips = policy_cost(segment, BALANCED), skip_cost(segment)
    assert cost.requests <= skips.requests + 1
    assert cost.units <= 1.05 * skips.units


def test_optimize_for_time_makes_fewer_requests_and_for_cost_reads_less() -> None:
    cost, balanced, time = (policy_cost(skewed(1.1, 1000), each.request_units) for each in Optimize)
    assert cost.units < balanced.units < time.units
    assert cost.requests > balanced.requests > time.requests
