"""Tells what applying would do, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable

from sluice.errors import RejectError
from sluice.mapping.delete import Delete
from sluice.workflows.table_transform.changes import Removal
from sluice.workflows.table_transform.in_place_writer import item_result_of
from sluice.workflows.table_transform.slice_log import UNCHANGED, Entry, ItemResult, Outcome, SliceLog
from sluice.workflows.table_transform.target_writers import Puts
from sluice.workflows.table_transform.transforms import InPlace, IntoTarget


class DryRun:
    """`foresee` says what would become of an item. Raises RejectError."""

    pages_held = 0
    stopped_by = None
    write_units = 0.0

    def __init__(self, foresee: Callable[[Entry], ItemResult], log: SliceLog) -> None:
        self._foresee = foresee
        self._log = log

    def take(self, entry: Entry) -> bool:
        """Note what would become of the item."""
        try:
            item_result = self._foresee(entry)
        except RejectError as error:
            self._log.reject(entry, error.reason, str(error))
        else:
            self._log.settle(entry, item_result)
        return True

    def flush(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """There is nothing to end."""


def foreseen_in_place(transform: InPlace) -> Callable[[Entry], ItemResult]:
    """What would become of an item in its place."""

    def foresee(entry: Entry) -> ItemResult:
        change = transform(entry.item)
        return UNCHANGED if change is None else item_result_of(change, change.write_units())

    return foresee


def foreseen_in_target(transform: IntoTarget, *, deletes_source: bool) -> Callable[[Entry], ItemResult]:
    """What would become of an item in another table, and of the source."""

    def foresee(entry: Entry) -> ItemResult:
        items = transform(entry.item)
        removal = Removal(entry.item)
        if isinstance(items, Delete):
            return item_result_of(removal, removal.write_units())
        if not items:
            return UNCHANGED
        puts = Puts(items)
        units = puts.write_units() + (removal.write_units() if deletes_source else 0.0)
        return ItemResult(Outcome.CHANGED, puts, units)

    return foresee
