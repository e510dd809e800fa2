"""Tells what applying would do, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable

from sluice.errors import RejectError
from sluice.mapping.delete import Delete
from sluice.workflows.table_transform.changes import Removal
from sluice.workflows.table_transform.in_place_writer import fate_of
from sluice.workflows.table_transform.slice_log import UNCHANGED, Entry, Fate, Ledger, Outcome
from sluice.workflows.table_transform.target_writers import Puts
from sluice.workflows.table_transform.transforms import InPlace, IntoTarget


class DryRun:
    """`foresee` says what would become of an item. Raises RejectError."""

    pages_held = 0
    stopped_by = None
    write_units = 0.0

    def __init__(self, foresee: Callable[[Entry], Fate], ledger: Ledger) -> None:
        self._foresee = foresee
        self._ledger = ledger

    def take(self, entry: Entry) -> bool:
        """Note what would become of the item."""
        try:
            fate = self._foresee(entry)
        except RejectError as error:
            self._ledger.reject(entry, error.reason, str(error))
        else:
            self._ledger.settle(entry, fate)
        return True

    def flush(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """There is nothing to end."""


def foreseen_in_place(transform: InPlace) -> Callable[[Entry], Fate]:
    """What would become of an item in its place."""

    def foresee(entry: Entry) -> Fate:
        change = transform(entry.item)
        return UNCHANGED if change is None else fate_of(change, change.write_units())

    return foresee


def foreseen_in_target(transform: IntoTarget, *, deletes_source: bool) -> Callable[[Entry], Fate]:
    """What would become of an item in another table, and of the source."""

    def foresee(entry: Entry) -> Fate:
        items = transform(entry.item)
        removal = Removal(entry.item)
        if isinstance(items, Delete):
            return fate_of(removal, removal.write_units())
        if not items:
            return UNCHANGED
        puts = Puts(items)
        units = puts.write_units() + (removal.write_units() if deletes_source else 0.0)
        return Fate(Outcome.CHANGED, puts, units)

    return foresee
