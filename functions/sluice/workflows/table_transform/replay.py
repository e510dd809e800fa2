"""Changes that earlier attempts or slices announced and did not settle: they come before anything new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeGuard

from sluice.errors import RejectError
from sluice.workflows.table_transform.announced import Schemas
from sluice.workflows.table_transform.batches import announced_entries, rejected_entries, tally_of
from sluice.workflows.table_transform.change_writer import is_already_made
from sluice.workflows.table_transform.changes import Change, Transfer
from sluice.workflows.table_transform.journal import EntryKind, JournalEntry, JournalStore, key_text, superseded
from sluice.workflows.table_transform.progress import Unsettled
from sluice.workflows.table_transform.reads import CurrentItems
from sluice.workflows.table_transform.slice_log import Entry, SliceLog, done

# A part and an entry in it.
_Index = tuple[int, int]


class Replay:
    """`parts`: where the changes are, in order. `is_repeat`: an earlier attempt at the slice may have made them.

    A change that may have been made is not planned again: the item gets what was announced, or is rejected when another
    writer changed it.
    """

    def __init__(
        self,
        store: JournalStore,
        items: CurrentItems,
        log: SliceLog,
        parts: Sequence[Unsettled],
        *,
        schemas: Schemas,
        is_repeat: bool,
    ) -> None:
        self._store = store
        self._schemas = schemas
        self._items = items
        self._log = log
        self._parts = list(parts)
        self._is_repeat = is_repeat

    @property
    def rest(self) -> list[Unsettled]:
        """What is not reached yet; earlier attempts may have come further."""
        rest = [each for each in self._parts if each.first < each.end]
        return [replace(each, was_tried=each.was_tried or self._is_repeat) for each in rest]

    def pages(self) -> Iterator[list[Entry]]:
        """The changes that may have to be made, page by page. Each page is counted as it is reached."""
        last = self._last_indexes()
        for index, part in enumerate(list(self._parts)):
            for entry in self._entries(part):
                self._parts[0] = replace(part, first=entry.number + 1)
                entries = self._page(entry, (index, entry.number), last)
                yield self._unmade(entries, may_be_made=self._is_repeat or part.was_tried)
            self._parts.pop(0)

    def _last_indexes(self) -> dict[str, _Index]:
        """In which part and entry items' changes were announced again, by their keys as text: earlier ones are void."""
        return {
            key: (index, number)
            for index, part in enumerate(self._parts)
            for key, number in superseded(self._entries(part)).items()
        }

    def _entries(self, part: Unsettled) -> Iterator[JournalEntry]:
        entries = self._store.of(part.run).entries(part.slice_number, part.first)
        return islice(entries, part.end - part.first)

    def _page(self, page: JournalEntry, at: _Index, last: Mapping[str, _Index]) -> list[Entry]:
        if page.kind is EntryKind.PAGE:
            for entry, error in rejected_entries(page):
                self._log.reject(entry, error.reason, str(error))
            self._log.page(tally_of(page.head))
        entries = [each for each in announced_entries(page, self._schemas) if last.get(key_text(each.key), at) <= at]
        for entry in entries:
            self._log.announced(entry)
        return entries

    def _unmade(self, entries: list[Entry], *, may_be_made: bool) -> list[Entry]:
        """Settle the moves that are made, or that can no longer be; what is left may be sent again."""
        for entry in entries:
            entry.is_inherited |= may_be_made
        moves = [(each, each.change) for each in entries if each.is_inherited and is_move(each.change)]
        self._items.read(change for _, change in moves)
        settled = {entry for entry, change in moves if self._settle(entry, change)}
        return [each for each in entries if each not in settled]

    def _settle(self, entry: Entry, move: Transfer) -> bool:
        deleted, put = self._items.deletions(move), self._items.puts(move)
        try:
            is_made = is_already_made(move, deleted, put)
        except RejectError as error:
            found = next((each for each in (*deleted, *put) if each), {})
            self._log.reject(entry, error.reason, str(error), found)
            return True
        if is_made:
            self._log.settle(entry, done(move))
        return is_made


def is_move(change: Change | None) -> TypeGuard[Transfer]:
    """Whether items are put in one table and deleted from another."""
    return isinstance(change, Transfer) and bool(change.puts and change.deletions)
