"""One slice of a segment: page after page of items, until the segment ends or the time is up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sluice.time_left import REJECTS_MAX_BYTES
from sluice.transforming.change_sender import Failure
from sluice.transforming.item_scan import ItemPage
from sluice.transforming.ledger import Entry, Ledger
from sluice.transforming.pages import Pages
from sluice.transforming.transform_progress import TransformProgress

# The clock is read once for so many items.
ITEMS_PER_CHECK = 64


class Carrier(Protocol):
    """Carries out what is to become of items, and settles them in the ledger.

    `pages_held`: so many pages may have come to their end with items that are not settled.
    `stopped_by`: DynamoDB's throttle or failure, after which nothing is settled any more.
    """

    @property
    def pages_held(self) -> int: ...

    @property
    def stopped_by(self) -> Failure | None: ...

    @property
    def write_units(self) -> float: ...

    def take(self, entry: Entry) -> bool: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SliceResult:
    """The segment's progress after the slice, its rejects and its sample as JSON Lines."""

    progress: TransformProgress
    rejects: bytes
    sample: bytes


class TransformSlice:
    """One slice, whose pages go through the carrier into the ledger."""

    def __init__(self, pages: Pages, carrier: Carrier, ledger: Ledger) -> None:
        self._pages = pages
        self._carrier = carrier
        self._ledger = ledger
        self._has_begun = False

    def run(self, is_time_up: Callable[[], bool]) -> SliceResult:
        """Work through pages; an item at least, or an empty page, is done however little time there is.

        Raises what the wire raises; a slice that raised is begun again from where it began. When DynamoDB throttles or
        fails after an item was settled, that is the slice's end: what was done stays done.
        """
        page: ItemPage | None = self._pages.first()
        while page is not None and self._work(page, is_time_up):
            self._ledger.end_page(page)
            if self._ledger.pages_open > self._carrier.pages_held:
                self._carrier.flush()
            if page.last_evaluated is None or self._is_over(is_time_up):
                break
            page = self._pages.next()
        self._carrier.flush()
        stopped_by = self._carrier.stopped_by
        if stopped_by is not None and not self._ledger.settled:
            raise stopped_by
        progress = self._ledger.progress(self._pages.end(), self._carrier.write_units)
        return SliceResult(progress, b"".join(self._ledger.reject_lines), self._ledger.sample_lines)

    def _work(self, page: ItemPage, is_time_up: Callable[[], bool]) -> bool:
        """Have the page's items carried; False when that ended before they did."""
        self._pages.prepare(page.last_evaluated)
        for number, item in enumerate(page.items):
            if number % ITEMS_PER_CHECK == 0 and self._has_begun and self._is_over(is_time_up):
                return False
            self._has_begun = True
            if not self._carrier.take(self._ledger.open(item)):
                return False
        return True

    def _is_over(self, is_time_up: Callable[[], bool]) -> bool:
        return is_time_up() or self._carrier.stopped_by is not None or self._ledger.reject_bytes > REJECTS_MAX_BYTES
