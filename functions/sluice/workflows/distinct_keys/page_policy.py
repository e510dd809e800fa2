"""How many items the next page of a distinct-keys scan should read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil
from typing import Self

from sluice.limits import READ_UNIT_BYTES
from sluice.state import State
from sluice.workflows.distinct_keys.page_evidence import BLOCK_UNITS, Estimate, Evidence, Page, estimates, renewed

MAX_ITEMS = 1 << 20

# Pages before the first look further out; doubled with every look that was of no use, this often at most.
FIRST_LOOK = 8
MAX_DOUBLINGS = 6
# Useless looks in a row are of one, two and four times the price of a jump, and again: pages of a size that just misses
# the next keys must not be the only ones tried.
LOOK_SIZES = 3
# How much a page's own rate counts in the read units of an ordinary item.
NEWEST_RATE = 0.1


class Optimize(StrEnum):
    """What a run is to save."""

    COST = "cost"
    BALANCED = "balanced"
    TIME = "time"

    @property
    def request_units(self) -> float:
        """What one request is worth in read units.

        Money: 6 ms of a 512 MB function are the price of 0.4 read units. Time: 6 ms are what it takes to read 6.4 read
        units more in the same page, at 120 ms per MiB. Balanced lies between, on a logarithmic scale.
        """
        return {Optimize.COST: 0.4, Optimize.BALANCED: 2.0, Optimize.TIME: 6.4}[self]


@dataclass(frozen=True, slots=True)
class PolicyState(State):
    """What the policy knows after the pages so far.

    `evidence`: by page size 1, 2, 4 ... items; `item_units`: read units of an ordinary item, 0 when not known;
    `halvings`: how often the page is halved for now; `pages_to_look`: pages up to and including the next look;
    `look_items`: size of that look; `useless_looks`: looks in a row that changed nothing.
    """

    evidence: tuple[Evidence, ...] = ()
    item_units: float = 0.0
    halvings: int = 0
    pages_to_look: int = FIRST_LOOK
    look_items: int = 2
    useless_looks: int = 0

    @classmethod
    def start(cls, mean_item_bytes: float | None = None) -> Self:
        """Before the first page; `mean_item_bytes`: TableSizeBytes over ItemCount, where DescribeTable knows them."""
        return cls(item_units=(mean_item_bytes or 0.0) / READ_UNIT_BYTES)


class PagePolicy:
    """Chooses each page's Limit in a scan that jumps past the last key's collection after every page.

    Cost is read units plus `request_units` per request, and the page size is the one with the least cost per new key,
    by the evidence of the pages so far. Three things keep that honest:

    - A page that spends more on the tail of a large collection than a request is worth halves the pages that follow,
      until one brings several keys again: large collections may come in runs, and evidence fades too slowly for that.
    - From time to time one page looks further out, at about the price of a request, since pages that end inside one
      collection never show where it ends. Looks that change nothing become rarer.
    - Among sizes of equal cost the largest wins: items within one 4 KiB block cost nothing and tell the most.
    """

    def __init__(self, request_units: float, state: PolicyState) -> None:
        """`request_units`: see Optimize; `state`: a fresh start, or where an earlier slice stopped."""
        self._request_units = request_units
        self._jump_units = request_units + BLOCK_UNITS
        self.state = state
        self._choose()

    @property
    def limit(self) -> int:
        """Limit of the next request."""
        return self._limit

    def observe(self, page: Page) -> None:
        """Learn from the page read with `limit`, left by a jump past its last key. An empty one tells nothing."""
        if not page.items:
            return
        state, was_look, size_before = self.state, self._is_look, self._size
        self.state = replace(
            state,
            evidence=renewed(state.evidence, page, state.item_units),
            item_units=_item_units(state, page),
            halvings=self._halvings(page),
            # Pages that bring keys to their end grow without a look.
            pages_to_look=max(int(page.brings_keys_to_its_end), state.pages_to_look - 1),
            look_items=self._look_items(page),
        )
        self._choose()
        if was_look:
            self._judge_look(page, is_useful=page.keys > 1 and self._size > size_before)

    def _choose(self) -> None:
        state = self.state
        self._is_look = bool(state.evidence) and state.pages_to_look <= 0
        self._size = self._cheapest_size() if state.evidence else self._first_size()
        items = 1 << max(0, self._size - state.halvings)
        if self._is_look:
            items = max(2 * items, state.look_items << state.useless_looks % LOOK_SIZES)
        self._limit = min(items, MAX_ITEMS)

    def _first_size(self) -> int:
        """As many items as cost what a jump does: nothing is known yet. Two, when item sizes are not known either."""
        items = int(self._jump_units / self.state.item_units) if self.state.item_units else 2
        return max(1, items).bit_length() - 1

    def _cheapest_size(self) -> int:
        costs = [self._cost_per_key(each) for each in estimates(self.state.evidence, affordable=self._jump_units)]
        bound = min(costs) * (1 + 1e-6)
        return max(exponent for exponent, cost in enumerate(costs) if cost <= bound)

    def _cost_per_key(self, estimate: Estimate) -> float:
        return (self._request_units + estimate.units) / estimate.keys

    def _halvings(self, page: Page) -> int:
        halvings = self.state.halvings
        is_wasteful = page.tail_units > self._jump_units
        if page.keys > 1 and (self._is_look or not is_wasteful):
            return 0
        if not self._is_look and (is_wasteful or (halvings and page.units > BLOCK_UNITS)):
            return min(halvings + 1, self._size)
        return halvings

    def _look_items(self, page: Page) -> int:
        """Items worth a jump. A page of few blocks says little about their size, and may only raise the number."""
        items = ceil(self._jump_units * page.items / page.units) + 1
        is_telling = self._is_look or page.units > 2 * BLOCK_UNITS
        return items if is_telling else max(items, self.state.look_items)

    def _judge_look(self, page: Page, *, is_useful: bool) -> None:
        useless = self.state.useless_looks
        if is_useful:
            useless = 0
        elif 2 * page.units > self._jump_units:
            useless += 1
        self.state = replace(self.state, useless_looks=useless, pages_to_look=FIRST_LOOK << min(useless, MAX_DOUBLINGS))
        self._choose()


def _item_units(state: PolicyState, page: Page) -> float:
    """Read units of an ordinary item: one that is not in the tail of a page."""
    if 2 * page.tail_items > page.items or page.units <= BLOCK_UNITS:
        return state.item_units
    rate = page.size_units / page.items
    return (1 - NEWEST_RATE) * state.item_units + NEWEST_RATE * rate if state.item_units else rate
