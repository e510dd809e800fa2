"""Takes back what a run did: the items of its journals, as the run left them, become what they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from sluice.dynamodb.items import equal
from sluice.dynamodb.plain import Attributes
from sluice.errors import RejectError
from sluice.rejects import Reason
from sluice.runs.columns_found import ALL_COLUMNS
from sluice.workflows.table_transform.announced import Schemas, change_of, inverse, item_of
from sluice.workflows.table_transform.change_sender import agree
from sluice.workflows.table_transform.changes import Change, Side, Transfer, Update, compact
from sluice.workflows.table_transform.journal import EntryKind, JournalEntry, JournalStore, key_text, superseded
from sluice.workflows.table_transform.progress import StartKey
from sluice.workflows.table_transform.reads import CurrentItems
from sluice.workflows.table_transform.scan import ItemPage
from sluice.workflows.table_transform.slice_log import Entry

# A source that is not there.
_NOTHING: Attributes = {}
CHANGED_SINCE = "another writer changed the item since the run did, and it stays as it is"


@dataclass(frozen=True, slots=True)
class UndoItem:
    """One announced change, the items that it is about as they are now, and the position after it."""

    key: Attributes
    change: Change
    source: Attributes | None
    deleted: Sequence[Attributes | None]
    put: Sequence[Attributes | None]
    position: StartKey


class UndoPlan:
    """What takes an announced change back. For one thread."""

    # What is taken back names no columns.
    columns = ALL_COLUMNS

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas

    def __call__(self, entry: Entry, item: Attributes) -> Change | None:
        """`item` is the source as it is now. None where there is nothing to take back; raises RejectError."""
        undone = entry.line
        if not isinstance(undone, UndoItem):
            return _as_announced(entry.change, item)
        if isinstance(undone.change, Update):
            return _update(item, undone.change.after(), undone.change.before, undone.change.names)
        # Planned again, because another writer was faster.
        if item is not (undone.source or _NOTHING):
            raise RejectError(Reason.CHANGED_SINCE, CHANGED_SINCE)
        return self._transfer_back(undone.change, undone)

    def _transfer_back(self, change: Transfer, undone: UndoItem) -> Transfer | None:
        is_put = [_is(item, item_of(each)) for item, each in zip(undone.put, change.puts, strict=True)]
        is_there = [_is(item, each) for item, each in zip(undone.deleted, change.deletions, strict=True)]
        if all(is_put) and not any(undone.deleted):
            return inverse(change, self._schemas)
        # The run did not make the change, or it is taken back already.
        if all(is_there) and (change.deletions or not any(undone.put)):
            return None
        raise RejectError(Reason.CHANGED_SINCE, CHANGED_SINCE)


def _as_announced(change: Change | None, item: Attributes) -> Change | None:
    """What an earlier slice of the undo has announced and left, when another writer was faster."""
    if isinstance(change, Update):
        return _update(item, change.before, change.after(), change.names)
    raise RejectError(Reason.CHANGED_SINCE, CHANGED_SINCE)


def _update(item: Attributes, found: Attributes, wanted: Attributes, names: set[str]) -> Update | None:
    """The attributes of these names, from what was found to what is wanted; None where they are so already."""
    if item and agree(found, item, names):
        values = {name: compact(wanted[name]).encode() for name in names if name in wanted}
        return Update(item, values, tuple(sorted(names - values.keys())))
    if item and agree(wanted, item, names):
        return None
    raise RejectError(Reason.CHANGED_SINCE, CHANGED_SINCE)


def _is(item: Attributes | None, other: Attributes) -> bool:
    return item is not None and equal(item, other)


class UndoSource:
    """The changes in the journals of one segment of several runs, oldest first. For one thread.

    `executor` reads ahead. `are_copies`: the runs copied items, and left those that others had put.
    The position after a change is {"at": {"run", "slice", "entry", "line"}}, all of them numbers.
    """

    def __init__(
        self,
        store: JournalStore,
        runs: Sequence[str],
        schemas: Schemas,
        start_key: StartKey | None,
        items: CurrentItems,
        *,
        executor: Executor,
        are_copies: bool,
    ) -> None:
        self._are_copies = are_copies
        self._executor = executor
        self._coming: Future[ItemPage] | None = None
        self._store = store
        self._runs = runs
        self._schemas = schemas
        self._items = items
        at = start_key["at"] if start_key else {"run": 0, "slice": 0, "entry": 0, "line": 0}
        self._at = (at["run"], at["slice"], at["entry"], at["line"])
        self._pages: Iterator[ItemPage] = self._read()
        self._units_before = 0.0

    def first(self) -> ItemPage:
        """The first page with changes, or an empty one. Raises what the wire and S3 raise."""
        return self._next()

    def prepare(self, start_key: StartKey | None) -> None:
        """The page after the last one is read ahead, unless at a rate."""
        if start_key is not None and not self._items.is_limited:
            self._coming = self._executor.submit(self._next)

    def next(self) -> ItemPage | None:
        """The page after the last one. Raises what `first` raises."""
        coming, self._coming = self._coming, None
        return coming.result() if coming else self._next()

    def _next(self) -> ItemPage:
        return next(self._pages, None) or ItemPage([], 0, 0.0, None)

    def end(self) -> float:
        """The read units of all pages, also of one that was read ahead for nothing."""
        if self._coming is not None:
            self.next()
        return self._items.read_units

    def entry(self, item: UndoItem) -> Entry:
        """An item's path through the slice."""
        return Entry(item.key, item.source or _NOTHING, item)

    def position(self, item: UndoItem) -> StartKey:
        """Where to continue after the item."""
        return item.position

    def _read(self) -> Iterator[ItemPage]:
        not_put: dict[str, set[int]] = {}
        if self._are_copies:
            # A later slice or run may have settled what an earlier one announced.
            not_put = _not_put(entry for store, _, number in self._slices((0, 0)) for entry in store.entries(number))
        for store, run, number in self._slices(self._at[:2]):
            yield from self._read_slice(store, run, number, not_put)

    def _slices(self, first: tuple[int, int]) -> Iterator[tuple[JournalStore, int, int]]:
        """The slices from the first on, with their runs."""
        for run in range(first[0], len(self._runs)):
            store = self._store.of(self._runs[run])
            number = first[1] if run == first[0] else 0
            while store.read(number, 0) is not None:
                yield store, run, number
                number += 1

    def _read_slice(
        self, store: JournalStore, run: int, number: int, not_put: Mapping[str, set[int]]
    ) -> Iterator[ItemPage]:
        void = superseded(store.entries(number))
        for page in store.entries(number):
            if page.kind in (EntryKind.PAGE, EntryKind.AGAIN) and (run, number, page.number) >= self._at[:3]:
                yield self._page(page, run, number, void, not_put)

    def _page(
        self, page: JournalEntry, run: int, number: int, void: Mapping[str, int], not_put: Mapping[str, set[int]]
    ) -> ItemPage:
        first = self._at[3] if (run, number, page.number) == self._at[:3] else 0
        at = {"run": run, "slice": number, "entry": page.number}
        changes = [
            (key, change, {"at": {**at, "line": index}})
            for index, (key, change) in enumerate(self._changes(page, void, not_put), 1)
            if index > first
        ]
        self._items.read(change for _, change, _ in changes)
        items = [self._item(*each) for each in changes]
        units, self._units_before = self._items.read_units - self._units_before, self._items.read_units
        last = {"at": {**at, "entry": page.number + 1, "line": 0}}
        return ItemPage(items, len(items), units, last)

    def _changes(
        self, page: JournalEntry, void: Mapping[str, int], not_put: Mapping[str, set[int]]
    ) -> Iterator[tuple[Attributes, Change]]:
        for line in page.lines:
            if "error" in line or void.get(key_text(line["key"]), -1) > page.number:
                continue
            for change in _parts(change_of(line, self._schemas), not_put.get(key_text(line["key"]), set())):
                yield line["key"], change

    def _item(self, key: Attributes, change: Change, position: StartKey) -> UndoItem:
        if isinstance(change, Update):
            return UndoItem(key, change, self._items.item(Side.TABLE, key), (), (), position)
        deleted, put = self._items.deletions(change), self._items.puts(change)
        return UndoItem(key, change, next(iter(deleted), None), deleted, put, position)


def _parts(change: Change, not_put: set[int]) -> list[Change]:
    """A copy into several items as one change for each item that the run put; any other change as it is."""
    if isinstance(change, Update) or change.deletions or not change.puts:
        return [] if isinstance(change, Transfer) and not (change.puts or change.deletions) else [change]
    return [Transfer((put,), change.puts_on) for index, put in enumerate(change.puts) if index not in not_put]


def _not_put(entries: Iterable[JournalEntry]) -> dict[str, set[int]]:
    """By an item's key as text, the indexes of its puts for which the table kept another writer's item."""
    return {key_text(line["key"]): set(line["puts"]) for entry in entries for line in entry.void_lines}
