"""What a run may spend per second, however many workers it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from sluice.fields import Fields

# One item takes a thousand small updates per second; this many beats leave it room.
BEATS_PER_SECOND = 640
SHORTEST_PERIOD_SECONDS = 1.0
# Less would have a worker wait for one item longer than a function may run.
LEAST_UNITS_PER_SECOND = 1
MOST_UNITS_PER_SECOND = 10**9


class Kind(StrEnum):
    """What is limited."""

    READ = "read"
    WRITE = "write"

    @property
    def limit_name(self) -> str:
        """The limit's name, in state and in the run's item."""
        return f"{self}UnitsPerSecond"


Limits = Mapping[Kind, float | None]


def limits_in(fields: Fields) -> dict[Kind, float | None]:
    """The limits of a run's input; None where it has none. Raises InvalidInputError."""
    low, high = LEAST_UNITS_PER_SECOND, MOST_UNITS_PER_SECOND
    return {kind: fields.number(f"max{kind.capitalize()}UnitsPerSecond", None, low=low, high=high) for kind in Kind}


def most_workers(limits: Limits, asked: int) -> int:
    """How many workers a run may have: so many, but no more than units, so that none has less than one."""
    return min([asked, *(int(limit) for limit in limits.values() if limit)])


def state_of(budget: Budget | None) -> dict[str, Any] | None:
    """The budget as every worker gets it; None when nothing is limited."""
    return budget.to_state() if budget else None


@dataclass(frozen=True, slots=True)
class Budget:
    """Where a run's workers look up what they may spend: the item `key` of `table`.

    `limits` are those of the run's input, used until the item says otherwise; `workers` may be at work at a time.
    """

    table: str
    key: str
    limits: Limits
    workers: int

    @classmethod
    def for_run(cls, table: str, key: str, limits: Limits, workers: int) -> Self | None:
        """The budget of a run; None when nothing is limited."""
        if all(limit is None for limit in limits.values()):
            return None
        return cls(table, key, limits, workers)

    @classmethod
    def unlimited(cls) -> Self:
        """No limits, and no item."""
        return cls("", "", dict.fromkeys(Kind), 1)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Read what `to_state` returns."""
        return cls(state["table"], state["key"], {kind: state[kind.limit_name] for kind in Kind}, state["workers"])

    def to_state(self) -> dict[str, Any]:
        """The budget as every worker gets it."""
        limits = {kind.limit_name: self.limits[kind] for kind in Kind}
        return {"table": self.table, "key": self.key, **limits, "workers": self.workers}

    @property
    def period_seconds(self) -> float:
        """The time between two beats of a worker, the same for all of them."""
        return max(SHORTEST_PERIOD_SECONDS, self.workers / BEATS_PER_SECOND)

    @property
    def least(self) -> dict[Kind, float | None]:
        """What a worker may spend however many others there are."""
        return {kind: None if limit is None else limit / self.workers for kind, limit in self.limits.items()}
