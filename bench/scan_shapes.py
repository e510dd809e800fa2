"""The 126 tables that the page policy is measured on. numpy's generator with a fixed seed draws the random ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bench.scan_simulator import Segment

SEED = 7
KEYS = 20_000
HUGE_TABLE_ITEMS = 100_000
HUGE_COLLECTION_ITEMS = 1_000_000
LARGE_ITEM = 390_000


def all_shapes() -> Iterator[Segment]:
    """Every shape, in a fixed order: the random ones draw from one generator."""
    random = np.random.default_rng(SEED)
    yield from _uniform()
    yield from _poisson(random)
    yield from _tiny_and_huge(random)
    yield from _skewed(random)
    yield from _runs()
    yield from _alternating()
    yield from _large_items(random)
    yield from _size_tied_to_count(random)


def _uniform() -> Iterator[Segment]:
    for size in (100, 400, 1000, 4000, 10_000):
        for count in (1, 2, 4, 10, 30, 100, 300, 1000, 10_000, 100_000):
            yield _of_one_size(f"{count} x {size} B", "uniform", [count] * KEYS, size)


def _poisson(random: np.random.Generator) -> Iterator[Segment]:
    for size in (400, 1000):
        for count in (4, 10, 30, 100):
            counts = np.maximum(1, random.poisson(count, KEYS))
            yield _of_one_size(f"about {count} x {size} B", "poisson", counts.tolist(), size)


def _tiny_and_huge(random: np.random.Generator) -> Iterator[Segment]:
    for share in (0.5, 0.9, 0.99, 0.999):
        for count, size in ((1, 200), (3, 1000), (1, 4000)):
            name = f"{share:.1%} of {count} x {size} B, rest {HUGE_TABLE_ITEMS} x 1000 B"
            yield _shuffled(name, "mixed", [(int(KEYS * share), count, size), (0, HUGE_TABLE_ITEMS, 1000)], random)


def _skewed(random: np.random.Generator) -> Iterator[Segment]:
    for exponent in (0.8, 1.1, 1.5, 2.0):
        for size in (200, 1000, 4000):
            weights = 1.0 / np.arange(1, KEYS + 1) ** exponent
            counts = np.maximum(1, (weights / weights.sum() * 100 * KEYS).astype(int))
            order = random.permutation(KEYS)
            yield _of_one_size(f"zipf {exponent}, {size} B", "zipf", counts[order].tolist(), size)
    for sigma in (1.0, 2.0, 3.0):
        counts = np.maximum(1, random.lognormal(2.0, sigma, KEYS).astype(int))
        yield _of_one_size(f"lognormal {sigma}, 500 B", "zipf", counts.tolist(), 500)


def _runs() -> Iterator[Segment]:
    """Runs of tiny collections, then of huge ones: an order that hashing does not make, and the hardest."""
    runs = ((1, 1), (10, 1), (100, 1), (1000, 1), (8000, 1), (10, 10), (1000, 10), (1000, 100), (5000, 500))
    for count, size in ((1, 100), (1, 1000), (3, 1000)):
        for tiny, huge in runs:
            times = max(2, KEYS // (tiny + huge))
            counts = ([count] * tiny + [HUGE_COLLECTION_ITEMS] * huge) * times
            sizes = ([size] * tiny + [1000] * huge) * times
            yield Segment(f"{tiny} of {count} x {size} B, then {huge} huge", "runs", counts, sizes)


def _alternating() -> Iterator[Segment]:
    """Collections on both sides of what a request is worth."""
    for pair in ((5, 60), (15, 25), (2, 200)):
        yield _of_one_size(f"{pair[0]} and {pair[1]} x 1000 B in turn", "runs", pair * (KEYS // 2), 1000)


def _large_items(random: np.random.Generator) -> Iterator[Segment]:
    for count in (1, 2, 3, 10, 100):
        yield _of_one_size(f"{count} x {LARGE_ITEM} B", "large items", [count] * (KEYS // 4), LARGE_ITEM)
    half = KEYS // 8
    for large, small in ((1, 1000), (50, 1)):
        name = f"{large} x {LARGE_ITEM} B and {small} x 300 B"
        yield _shuffled(name, "large items", [(half, large, LARGE_ITEM), (half, small, 300)], random)


def _size_tied_to_count(random: np.random.Generator) -> Iterator[Segment]:
    """Items of the large collections are of another size than those of the small ones."""
    for share in (0.5, 0.95):
        for small, large in (((1, 20_000), (5000, 150)), ((1, 150), (500, 20_000))):
            name = f"{share:.0%} of {small[0]} x {small[1]} B, rest {large[0]} x {large[1]} B"
            yield _shuffled(name, "tied sizes", [(int(KEYS * share), *small), (0, *large)], random)


def _of_one_size(name: str, family: str, counts: Sequence[int], size: int) -> Segment:
    return Segment(name, family, counts, [size] * len(counts))


def _shuffled(name: str, family: str, parts: Sequence[tuple[int, int, int]], random: np.random.Generator) -> Segment:
    """Two kinds of collections (how many, items, item size) in random order; 0 of the second: the rest of KEYS."""
    (many, count, size), (others, other_count, other_size) = parts
    others = others or KEYS - many
    order = random.permutation(many + others)
    is_first = (order < many).tolist()
    counts = [count if first else other_count for first in is_first]
    sizes = [size if first else other_size for first in is_first]
    return Segment(name, family, counts, sizes)
