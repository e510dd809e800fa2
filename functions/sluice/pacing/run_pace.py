"""How fast a worker may read and write, so that all workers of its run together keep to the run's limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from sluice.errors import SluiceError
from sluice.pacing.allowance import Allowance
from sluice.pacing.budget import Budget, Kind
from sluice.pacing.budget_item import BEAT_TIMEOUT_SECONDS, BudgetItem
from sluice.pacing.member import Member, SharedItem
from sluice.writing.wire import Wire

# What is read by an eventually consistent page for one unit, and written for one.
READ_UNIT_BYTES, WRITE_UNIT_BYTES = 8192, 1024
# Pages are rounded up to 4 KB.
READ_ROUNDING_UNITS = 0.5


class RunPace:
    """`reads` and `writes` are what this worker may spend while it is in the context.

    Beats come from a thread of their own, so that a worker counts also while it is busy with something else.
    """

    def __init__(
        self,
        budget: Budget,
        item: SharedItem | None,
        is_time_up: Callable[[], bool],
        *,
        read_item_units: float = 1.0,
        write_item_units: float = 1.0,
    ) -> None:
        self.reads = Allowance(budget.least[Kind.READ], is_time_up, read_item_units, rounding=READ_ROUNDING_UNITS)
        self.writes = Allowance(budget.least[Kind.WRITE], is_time_up, write_item_units)
        self._allowances = {Kind.READ: self.reads, Kind.WRITE: self.writes}
        self._member = Member(item, self._allowances, budget) if item else None
        self._is_over = Event()

    @classmethod
    def from_state(
        cls,
        beats: Wire,
        state: Mapping[str, Any] | None,
        is_time_up: Callable[[], bool],
        item_bytes: float | None = None,
    ) -> Self:
        """The pace of a run with this budget; without one there is no limit. `beats` is made by `beat_wire`.

        `item_bytes`: the mean, where it is known.
        """
        if state is None:
            return cls(Budget.unlimited(), None, is_time_up)
        budget = Budget.from_state(state)
        return cls(
            budget,
            BudgetItem(beats.call, budget),
            is_time_up,
            read_item_units=item_bytes / READ_UNIT_BYTES if item_bytes else 1.0,
            write_item_units=max(1.0, item_bytes / WRITE_UNIT_BYTES) if item_bytes else 1.0,
        )

    def __enter__(self) -> Self:
        if self._member:
            self._thread = Thread(target=self._beat, args=[self._member], name="beats", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is owed, unless by an error, and leave."""
        try:
            if kind is None:
                for allowance in self._allowances.values():
                    allowance.settle()
        finally:
            if self._member:
                self._is_over.set()
                self._thread.join(BEAT_TIMEOUT_SECONDS)
                self._member.leave()

    def _beat(self, member: Member) -> None:
        due = time.monotonic()
        while not self._is_over.wait(max(0.0, due - time.monotonic())):
            try:
                member.beat()
            except SluiceError as error:
                for allowance in self._allowances.values():
                    allowance.fail(error)
                return
            due = max(due + member.pause_seconds, time.monotonic())
