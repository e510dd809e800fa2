"""What pages of each size would have cost and brought, learnt from the pages that were read.

Page sizes are powers of two. A page of 64 items shows what a page of 1, 2, 4 ... 32 items from the same position would
have brought, so every page is evidence about its own size and all smaller ones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# An eventually consistent read is charged half a unit per started 4 KiB, and a page ends at 1 MiB.
BLOCK_UNITS = 0.5
FULL_PAGE_UNITS = 128.0
# What rounding up to whole blocks adds to a page, on average.
PAGE_ROUNDING_UNITS = BLOCK_UNITS / 2

# About how many pages back the evidence reaches.
MEMORY_PAGES = 24
# What remains, per page read, of the evidence about sizes larger than the pages now read.
UNRENEWED = 0.98
# What the guess about the next larger size counts for, in pages, and how much evidence makes a size known.
GUESS_PAGES = 1.0
KNOWN_PAGES = 0.1


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a Scan: ScannedCount, read units, and the index of each partition key's first item, ascending."""

    items: int
    units: float
    starts: Sequence[int]

    @property
    def keys(self) -> int:
        """Distinct partition keys in the page."""
        return len(self.starts)

    @property
    def tail_items(self) -> int:
        """Items of the page's last key."""
        return self.items - self.starts[-1]

    @property
    def tail_units(self) -> float:
        """Read units of the items that a jump past the last key would have spared: all of that key's but the first."""
        return self.units * (self.tail_items - 1) / self.items

    @property
    def brings_keys_to_its_end(self) -> bool:
        """Whether at least a quarter of several keys come in the second half of the page."""
        return self.keys > 1 and 4 * bisect_left(self.starts, self.items // 2) <= 3 * self.keys

    @property
    def size_units(self) -> float:
        """Read units of the page's bytes, without the rounding."""
        return max(0.0, self.units - PAGE_ROUNDING_UNITS)


class Evidence(NamedTuple):
    """About one page size: the pages seen, their read units and their keys, each a sum that fades with every page."""

    pages: float = 0.0
    units: float = 0.0
    keys: float = 0.0


class Estimate(NamedTuple):
    """What a page of one size is expected to cost and bring."""

    units: float
    keys: float


def renewed(evidence: Sequence[Evidence], page: Page, item_units: float) -> tuple[Evidence, ...]:
    """The evidence after one more page; `item_units`: read units of an ordinary item, as known before this page."""
    kept = 1 - 1 / MEMORY_PAGES
    sizes = page.items.bit_length()
    known = [*evidence, *[Evidence()] * (sizes - len(evidence))]
    # A page that ended at 1 MiB is what every larger Limit would have read, too.
    reported = len(known) if page.units >= FULL_PAGE_UNITS else sizes
    units_of_first = _units_by_items(page, item_units)
    for exponent, (pages, units, keys) in enumerate(known):
        if exponent < reported:
            items = 1 << exponent
            seen = Evidence(1, units_of_first(items), bisect_left(page.starts, items))
            known[exponent] = Evidence(pages * kept + 1, units * kept + seen.units, keys * kept + seen.keys)
        else:
            known[exponent] = Evidence(pages * UNRENEWED, units * UNRENEWED, keys * UNRENEWED)
    return tuple(known)


def _units_by_items(page: Page, item_units: float) -> Callable[[int], float]:
    """What the first so many items of the page would have cost.

    The last key's items may be of quite another size than those before them, but only the page as a whole is charged.
    So the items before it are taken to be ordinary, and what remains of the charge is the last key's.
    """
    head_items = page.items - page.tail_items
    is_ordinary = page.tail_items == 1 or not item_units
    rate = page.size_units / page.items if is_ordinary else item_units
    head_units = min(page.size_units, head_items * rate)
    tail_rate = (page.size_units - head_units) / page.tail_items
    head_rate = head_units / head_items if head_items else 0.0

    def units(items: int) -> float:
        if items >= page.items:
            return page.units
        head = min(items, head_items)
        return max(BLOCK_UNITS, PAGE_ROUNDING_UNITS + head * head_rate + (items - head) * tail_rate)

    return units


def estimates(evidence: Sequence[Evidence], affordable: float) -> list[Estimate]:
    """What to expect of pages of 1, 2, 4 ... items.

    Where nothing larger was read lately, the next larger size is guessed to bring what the upper half of this one
    brings, once more for each half of it: so a page grows while it brings keys to its end. The guess goes no further
    than `affordable` read units or twice what is known. Against evidence it counts as one page, and only where it
    promises more keys: it is there to have old bad news checked.
    """
    found = [_smallest(evidence[0])]
    known_units = found[0].units
    below = found[0]
    while found[-1].units < FULL_PAGE_UNITS:
        guess = _guess(found[-1], below)
        seen = evidence[len(found)] if len(found) < len(evidence) else Evidence()
        is_known = seen.pages >= KNOWN_PAGES
        estimate = _weighed(seen, guess, 0.0 if is_known and guess.keys * seen.pages <= seen.keys else GUESS_PAGES)
        if is_known:
            known_units = estimate.units
        elif estimate.units > max(2 * known_units, affordable):
            break
        below = found[-1]
        found.append(estimate)
    return found


def _smallest(seen: Evidence) -> Estimate:
    return Estimate(seen.units / seen.pages, 1.0)


def _guess(size: Estimate, below: Estimate) -> Estimate:
    units = max(BLOCK_UNITS, PAGE_ROUNDING_UNITS + 2 * max(BLOCK_UNITS / 4, size.units - PAGE_ROUNDING_UNITS))
    if units > FULL_PAGE_UNITS:
        return Estimate(FULL_PAGE_UNITS, size.keys)
    return Estimate(units, size.keys + 2 * max(0.0, size.keys - below.keys))


def _weighed(seen: Evidence, guess: Estimate, guess_pages: float) -> Estimate:
    pages = seen.pages + guess_pages
    return Estimate((seen.units + guess_pages * guess.units) / pages, (seen.keys + guess_pages * guess.keys) / pages)
