"""What a scan for distinct partition keys costs, by plan, over a table of given collections.

A segment is a row of item collections in hash order. A request starts at the first item of a collection, or continues
inside one; it evaluates at most Limit items, ends with the item that reaches 1 MiB, and is charged half a read unit per
started 4 KiB. LastEvaluatedKey is absent only when the segment ended before Limit and before 1 MiB.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil

from sluice.workflows.distinct_keys.page_evidence import Page
from sluice.workflows.distinct_keys.page_policy import PagePolicy, PolicyState

PAGE_BYTES = 1 << 20
BLOCK_BYTES = 4096
BLOCK_UNITS = 0.5
# Beyond this a plain scan is computed, not played page by page.
PLAYED_BYTES = 30_000_000_000


@dataclass(frozen=True, slots=True)
class ScanCost:
    """Requests made and read units charged."""

    requests: int
    units: float

    def total(self, request_units: float) -> float:
        """Read units, with each request counted as `request_units` of them."""
        return self.units + request_units * self.requests


class Segment:
    """Item collections in hash order: how many items each has, and the size of its items."""

    def __init__(self, name: str, family: str, counts: Sequence[int], sizes: Sequence[int]) -> None:
        self.name, self.family = name, family
        self.counts, self.sizes = list(counts), list(sizes)
        self.first_items = [0, *accumulate(self.counts)]
        self.first_bytes = [0, *accumulate(count * size for count, size in zip(counts, sizes, strict=True))]

    @property
    def keys(self) -> int:
        """Collections in the segment."""
        return len(self.counts)

    @property
    def mean_item_bytes(self) -> float:
        """What DescribeTable would say: TableSizeBytes over ItemCount."""
        return self.first_bytes[-1] / self.first_items[-1]

    def end_of_page(self, start: int, limit: int | None) -> tuple[int, bool]:
        """The item after the last of a page from item `start`, and whether LastEvaluatedKey comes with it."""
        items = self.first_items[-1]
        full = self.bytes_before(start) + PAGE_BYTES
        end, has_more = items, False
        if full <= self.first_bytes[-1]:
            key = bisect_left(self.first_bytes, full) - 1
            end = self.first_items[key] + ceil((full - self.first_bytes[key]) / self.sizes[key])
            has_more = True
        if limit is not None and start + limit <= end:
            end, has_more = start + limit, True
        return end, has_more

    def bytes_before(self, item: int) -> int:
        """Bytes of the items before this one."""
        key = min(bisect_right(self.first_items, item) - 1, self.keys - 1)
        return self.first_bytes[key] + (item - self.first_items[key]) * self.sizes[key]

    def units(self, start: int, end: int) -> float:
        """Read units of a page from item `start` to before item `end`."""
        return page_units(self.bytes_before(end) - self.bytes_before(start))


def page_units(size: int) -> float:
    """Read units of a page of that many evaluated bytes; an empty page is charged one block."""
    return BLOCK_UNITS * max(1, -(-size // BLOCK_BYTES))


def policy_cost(segment: Segment, request_units: float, *, knows_item_size: bool = True) -> ScanCost:
    """A scan that asks the policy for each page and jumps past the last key of each."""
    policy = PagePolicy(request_units, PolicyState.start(segment.mean_item_bytes if knows_item_size else None))
    pages = list(_policy_pages(segment, policy))
    return ScanCost(len(pages), sum(pages))


def _policy_pages(segment: Segment, policy: PagePolicy) -> Iterator[float]:
    firsts = segment.first_items
    key = 0
    while key < segment.keys:
        start = firsts[key]
        end, has_more = segment.end_of_page(start, policy.limit)
        units = segment.units(start, end)
        yield units
        if not has_more:
            return
        next_key = bisect_left(firsts, end)
        policy.observe(Page(end - start, units, [first - start for first in firsts[key:next_key]]))
        key = next_key
    yield BLOCK_UNITS


def skip_cost(segment: Segment) -> ScanCost:
    """One request of Limit 1 per key, and an empty one at the end."""
    return ScanCost(segment.keys + 1, sum(map(page_units, segment.sizes)) + BLOCK_UNITS)


def full_cost(segment: Segment) -> ScanCost:
    """A plain scan, page after page of 1 MiB."""
    if segment.first_bytes[-1] > PLAYED_BYTES:
        return _long_full_cost(segment)
    requests, units, start = 0, 0.0, 0
    while True:
        end, has_more = segment.end_of_page(start, None)
        requests += 1
        units += segment.units(start, end)
        if not has_more:
            return ScanCost(requests, units)
        start = end


def _long_full_cost(segment: Segment) -> ScanCost:
    """As if every collection were read in whole pages of its own: within a page per collection of the truth."""
    pages = units = 0.0
    for count, size in zip(segment.counts, segment.sizes, strict=True):
        page = ceil(PAGE_BYTES / size) * size
        pages += count * size / page
        units += page_units(page) * count * size / page
    return ScanCost(ceil(pages), units)


def least_total(segment: Segment, request_units: float) -> float:
    """The least total cost of any plan, by one that knows the layout. `request_units`: whole blocks' worth.

    To start further along is never worse, so a best plan goes from collection to collection, and each page ends with
    the first item of one. The plan is made from the last collection back. A page from byte `start` to byte `end` is
    charged for end // block - start // block blocks, and for one more where end % block > start % block. All totals
    being whole blocks' worth, the best end is the one with the least cost from there on, counting end // block, and
    then the least remainder, of those within 1 MiB: the front of a sliding window.
    """
    if request_units % BLOCK_UNITS:
        raise ValueError("request_units is to be a multiple of a block's units")
    starts, whole = segment.first_bytes, segment.first_bytes[-1]
    least = request_units + BLOCK_UNITS
    window: deque[tuple[float, int, int]] = deque()
    for start, size in zip(reversed(starts[:-1]), reversed(segment.sizes), strict=True):
        blocks, remainder = divmod(start + size, BLOCK_BYTES)
        end = (least + BLOCK_UNITS * blocks, remainder)
        while window and window[-1][:2] >= end:
            window.pop()
        window.append((*end, start))
        while window[0][2] - start >= PAGE_BYTES:
            window.popleft()
        cost, remainder, _ = window[0]
        used_blocks, used = divmod(start, BLOCK_BYTES)
        least = request_units + cost + BLOCK_UNITS * ((remainder > used) - used_blocks)
        if whole - start < PAGE_BYTES:
            least = min(least, request_units + page_units(whole - start))
    return least
