"""Bugs that are planted in what makes changes exactly once: the tests of test_exactly_once.py and others catch them.

Those of a copy that mirrors its source are in test_mirror_segment.py.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from sluice.run_item.worker import Member
from sluice.workflows.table_transform import handover
from sluice.workflows.table_transform.journal import EntryKind, JournalEntry, JournalStore, SliceJournal
from tests.unit import test_exactly_once, test_run_progress
from tests.unit.attempts_world import DISTURBANCES, GO

SEEDS = 300


def check_many(name: str) -> None:
    """What the property test checks, with decisions that are the same in each run."""
    for seed in range(SEEDS):
        chance = random.Random(seed)
        decisions = [GO if chance.random() < 0.7 else chance.choice(DISTURBANCES) for _ in range(chance.randint(1, 60))]
        test_exactly_once.check_in_place(name, decisions, chance.randint(1, 10))


@pytest.mark.parametrize("name", ["counter", "prefix", "several"])
def test_without_a_bug_nothing_is_caught(name: str) -> None:
    check_many(name)


@pytest.mark.parametrize("name", ["counter", "prefix", "several"])
def test_journal_that_is_written_after_the_updates_is_caught(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    written = SliceJournal.append
    held: dict[SliceJournal, list[tuple[Mapping[str, Any], bytes]]] = {}

    def append(self: SliceJournal, kind: EntryKind, head: Mapping[str, Any], body: bytes) -> JournalEntry:
        if kind is EntryKind.PAGE:
            held.setdefault(self, []).append((head, body))
            return JournalEntry(self.next_number, kind, head, body)
        for page_head, page_body in held.pop(self, []):
            written(self, EntryKind.PAGE, page_head, page_body)
        return written(self, kind, head, body)

    monkeypatch.setattr(SliceJournal, "append", append)
    with pytest.raises(AssertionError):
        check_many(name)


@pytest.mark.parametrize("name", ["counter", "prefix", "several"])
def test_journal_that_is_not_sealed_by_a_resumed_run_is_caught(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def unsealed(store: JournalStore, slice_number: int, run: str) -> list[JournalEntry]:
        """The entries so far, as `seal` returns them; a worker of the earlier run may add others."""
        entries = list(store.entries(slice_number))
        if entries and entries[-1].kind in (EntryKind.END, EntryKind.SEAL):
            return entries
        return [*entries, JournalEntry(len(entries), EntryKind.SEAL, {"run": run}, b"")]

    monkeypatch.setattr(handover, "seal", unsealed)
    with pytest.raises(AssertionError):
        check_many(name)


def test_stop_flag_that_is_read_only_once_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    heed = Member._heed
    first: set[int] = set()

    def once(self: Member, tally: Any, demand: Any) -> None:
        before = self.is_stopped
        heed(self, tally, demand)
        if id(self) in first:
            self.is_stopped = before
        first.add(id(self))

    monkeypatch.setattr(Member, "_heed", once)
    with pytest.raises(AssertionError):
        test_run_progress.test_stop_that_comes_later_is_seen_with_the_next_heartbeat()
