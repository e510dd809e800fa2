"""The pages of a segment, each read while the one before it is worked through."""

from __future__ import annotations

from concurrent.futures import Executor, Future

from sluice.errors import ServiceUnavailableError, ThrottledError
from sluice.pacing.allowance import Allowance, Spending
from sluice.transforming.change_sender import Call
from sluice.transforming.item_scan import ItemPage, ItemScan, StartKey
from sluice.writing.wire import Attempts


class Pages:
    """Reads on from `start_key`; `executor` reads ahead. For one thread."""

    def __init__(
        self, scan: ItemScan, start_key: StartKey | None, call: Call, reads: Allowance, executor: Executor
    ) -> None:
        self._scan = scan
        self._start_key = start_key
        self._call = call
        self._reads = reads
        self._executor = executor
        self._coming: Future[ItemPage] | None = None
        self._units = 0.0

    def first(self) -> ItemPage:
        """The first page, however little time there is. Raises what the wire raises, UnexpectedResponseError."""
        limit = self._reads.bounded(None)
        return self._counted(self._read(limit, self._reads.admit(limit or 1)))

    def prepare(self, start_key: StartKey | None) -> None:
        """The next page is to start after this key, None when there is none; it is read ahead unless at a rate."""
        self._start_key = start_key
        if start_key is None or self._reads.bounded(None) is not None:
            return
        if (spending := self._reads.before(None)) is not None:
            self._coming = self._executor.submit(self._read, None, spending)

    def next(self) -> ItemPage | None:
        """The page that was prepared; None when it is not to be had now. Raises what `first` raises else."""
        coming, self._coming = self._coming, None
        try:
            if coming is not None:
                return self._counted(coming.result())
            limit = self._reads.bounded(None)
            spending = self._reads.before(limit)
            return None if spending is None else self._counted(self._read(limit, spending))
        except (ThrottledError, ServiceUnavailableError):
            return None

    def end(self) -> float:
        """The read units of all pages, also of one that was read ahead for nothing."""
        if self._coming is not None:
            self.next()
        return self._units

    def _read(self, limit: int | None, spending: Spending) -> ItemPage:
        page = self._scan.page(self._call("Scan", self._scan.body(self._start_key, limit), Attempts()))
        spending.ended(page.units, page.scanned)
        return page

    def _counted(self, page: ItemPage) -> ItemPage:
        self._units += page.units
        return page
