"""Attempts at one slice that run at the same time: both come to the same counts, and reject none of the run's rows.

The first attempt's answer was lost, so that a second one was begun while it goes on.
"""

from __future__ import annotations

import json
from collections import Counter
from threading import Event, Thread
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.aws.retry import RetryPolicy
from sluice.dynamodb.items import Item
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.writers import OnConflict, Writer, WriteSpec, writer_for
from tests.unit.fake_dynamodb import TABLE, FakeDynamoDB, serving, wire_to

SCHEMA = KeySchema.from_state([{"name": "pk", "type": "S"}])
PATIENT = RetryPolicy(attempts=20, first_pause_seconds=0)


def item(name: str, value: str) -> Item:
    return Item((name,), json.dumps({"pk": {"S": name}, "v": {"S": value}}).encode())


class Attempt:
    """One attempt, which puts so many rows whenever it has its turn. `marker` is left by the second one."""

    def __init__(self, writer: Writer, rows: list[Item]) -> None:
        self.writer = writer
        self._rows = list(enumerate(rows))

    def go_on(self, rows: int) -> None:
        """Put some more rows, and wait until they are there."""
        for number, row in self._rows[:rows]:
            self.writer.put(row, number)
        del self._rows[:rows]
        self.writer.flush()

    def finish(self) -> None:
        self.go_on(len(self._rows))
        self.writer.close()

    @property
    def outcome(self) -> tuple[int, set[int]]:
        """How many rows were written, and which were skipped or rejected."""
        found = self.writer.outcome
        return found.written, {*found.skipped, *(each.origin for each in found.rejected)}


@settings(max_examples=80, deadline=None)
@given(
    existing=st.sets(st.integers(0, 29)),
    turns=st.lists(st.tuples(st.booleans(), st.integers(1, 8)), max_size=12),
    begins_after=st.integers(0, 12),
    on_conflict=st.sampled_from([OnConflict.KEEP, OnConflict.REJECT]),
)
def test_both_attempts_recognise_the_runs_own_items(
    existing: set[int], turns: list[tuple[bool, int]], begins_after: int, on_conflict: OnConflict
) -> None:
    rows = [item(f"k{number}", "ours") for number in range(30)]
    marker = Event()
    spec = WriteSpec(on_conflict=on_conflict)
    with serving(FakeDynamoDB()) as table, wire_to(table.url, PATIENT) as wire:
        for number in existing:
            stored: dict[str, Any] = json.loads(item(f"k{number}", "theirs").body)
            table.items[table.key(stored)] = stored
        first = Attempt(writer_for(wire, TABLE, SCHEMA, spec, may_be_repeated=marker.is_set), rows)
        first.go_on(begins_after)
        marker.set()
        second = Attempt(writer_for(wire, TABLE, SCHEMA, spec, may_be_repeated=lambda: True), rows)
        for is_first, count in turns:
            (first if is_first else second).go_on(count)
        threads = [Thread(target=each.finish) for each in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert first.outcome == second.outcome == (30 - len(existing), existing)
    assert Counter(each["v"]["S"] for each in table.items.values()) == Counter(
        {value: count for value, count in (("ours", 30 - len(existing)), ("theirs", len(existing))) if count}
    )


def test_an_attempt_without_another_skips_items_of_others_that_equal_its_own() -> None:
    with serving(FakeDynamoDB()) as table, wire_to(table.url, PATIENT) as wire:
        calls = Counter[str]()

        def is_repeated() -> bool:
            calls["times"] += 1
            return False

        spec = WriteSpec(on_conflict=OnConflict.KEEP)
        for _ in range(2):
            writer = writer_for(wire, TABLE, SCHEMA, spec, may_be_repeated=is_repeated)
            attempt = Attempt(writer, [item(f"k{number}", "same") for number in range(20)])
            attempt.finish()
    assert attempt.outcome == (0, set(range(20)))
    assert calls == {"times": 1}
