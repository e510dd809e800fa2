"""What changed in a table with point-in-time recovery: when, under which key, and what stood there before."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb.table_orders import one_at_a_time
from local_aws.replacements import check, replace

DAY_MICROS = 86_400 * 1_000_000

Item = dict[str, dict[str, Any]]
Key = tuple[str, str]
Change = tuple[int, str, str, Item | None]


def now_micros() -> int:
    """The time in microseconds since 1970."""
    return time.time_ns() // 1000


@dataclass
class Journal:
    """The changes of one table, oldest first; no two of them at the same microsecond.

    `known_from`: the time since which all changes are known. Items are never changed in place, so old ones are
    kept as they are.
    """

    table: dict[str, Any]
    known_from: int
    period_micros: int
    changes: deque[Change] = field(default_factory=deque)
    last: int = 0

    def note(self, partition: str, sort: str, old: Item | None) -> None:
        """Take a change on: what it replaced or removed, or None when nothing stood there."""
        self.last = moment = max(now_micros(), self.last + 1)
        changes = self.changes
        changes.append((moment, partition, sort, old))
        if changes[0][0] < moment - self.period_micros:
            self._forget(moment - self.period_micros)

    def seal(self, moment: int) -> None:
        """Let all later changes be at this time or after it."""
        self.last = max(self.last, moment - 1)

    def undo(self, moment: int) -> None:
        """Forget the changes after this time, which a rolled back transaction made."""
        while self.changes and self.changes[-1][0] > moment:
            self.changes.pop()

    def earliest(self, now: int) -> int:
        """The earliest time as of which the table is known."""
        self._forget(now - self.period_micros)
        return self.known_from

    def _forget(self, before: int) -> None:
        while self.changes and self.changes[0][0] < before:
            self.changes.popleft()
        self.known_from = max(self.known_from, before)


_journals: dict[int, Journal] = {}
_marks: dict[int, int] = {}
_original: dict[str, Any] = {}


def install() -> None:
    """Let writes to a table with a journal be noted."""
    _original["set"] = replace(service, "_set_item", ("table", "pk_val", "sk_val", "item"), _set_item)
    _original["remove"] = replace(service, "_remove_item", ("table", "pk_val", "sk_val"), _remove_item)
    _original["replaced"] = replace(service, "_items_replaced", ("table",), _items_replaced)
    _original["transaction"] = replace(service, "_execute_transaction", ("data",), _execute_transaction)
    check(service, "_delete_table", ("data",))


def journal_of(table: dict[str, Any]) -> Journal | None:
    """The table's journal, when its point-in-time recovery is on."""
    return _journals.get(id(table))


def start_journal(table: dict[str, Any], period_days: int) -> None:
    """Keep a journal from now on; one that is there continues with another period."""
    known = _journals.get(id(table))
    if known is not None:
        known.period_micros = period_days * DAY_MICROS
        return
    _forget_dropped_tables()
    _journals[id(table)] = Journal(table, now_micros(), period_days * DAY_MICROS)


def drop_journal(table: dict[str, Any]) -> None:
    """Forget the table's changes."""
    _journals.pop(id(table), None)


def _forget_dropped_tables() -> None:
    living = {id(table) for table in service._tables.all_values()}
    for dropped in _journals.keys() - living:
        del _journals[dropped]


def _set_item(table: dict[str, Any], pk_val: str, sk_val: str, item: Item) -> Item | None:
    old: Item | None = _original["set"](table, pk_val, sk_val, item)
    if id(table) in _journals:
        _journals[id(table)].note(pk_val, sk_val, old)
    return old


def _remove_item(table: dict[str, Any], pk_val: str, sk_val: str) -> Item | None:
    with one_at_a_time:
        old: Item | None = _original["remove"](table, pk_val, sk_val)
        if old is not None and id(table) in _journals:
            _journals[id(table)].note(pk_val, sk_val, old)
        return old


def _execute_transaction(data: dict[str, Any]) -> Any:
    with one_at_a_time:
        _marks.update({table: journal.last for table, journal in _journals.items()})
        try:
            return _original["transaction"](data)
        finally:
            _marks.clear()


def _items_replaced(table: dict[str, Any]) -> None:
    """Called when a transaction of statements is rolled back, for each of its tables."""
    _original["replaced"](table)
    if id(table) in _marks:
        _journals[id(table)].undo(_marks[id(table)])
