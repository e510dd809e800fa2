"""The run's item: one item, or some shards of it, in which a run's limits, progress and stop flag stand.

Every run of every workflow has one. Its key is `<workflow>/<run>`, that of a further shard `<workflow>/<run>#<number>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from sluice.run_item.shares import Limits, UnitKind

# One item takes 1,000 write units per second. At one heartbeat per second this leaves room for retries.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
WORKERS_PER_SHARD = 500
# The workers of a run with a limit share it by their heartbeats to shard 0. Without a limit heartbeats only show
# progress, and tell that the run is to stop. So many to shard 0 per second leave it room for the progress of its own.
LIMITED_PERIOD_SECONDS = 1.0
LIMITED_PER_SECOND = 640
PERIOD_SECONDS = 2.0
NO_LIMITS: Limits = dict.fromkeys(UnitKind)


@dataclass(frozen=True, slots=True)
class RunItem:
    """What a worker needs to know of its run's item.

    `limits` are those of the run's input, used until the item has others. Up to `workers` are at work at a time.
    """

    key: str
    limits: Limits
    workers: int

    @classmethod
    def from_plan(cls, key: str, plan: Mapping[str, Any]) -> Self:
        """Read what a run's plan has from `to_state` as "runItem".

        A run that was planned by an earlier version has "budget" instead, and only if it has a limit.
        """
        state = plan.get("runItem", plan.get("budget"))
        if state is None:
            return cls(key, NO_LIMITS, 1)
        return cls(key, {kind: state[kind.limit_name] for kind in UnitKind}, state["workers"])

    def to_state(self) -> dict[str, Any]:
        """{"readUnitsPerSecond", "writeUnitsPerSecond", "workers"}, as every child gets it."""
        return {**{kind.limit_name: self.limits[kind] for kind in UnitKind}, "workers": self.workers}

    @property
    def is_limited(self) -> bool:
        """Whether the run's input has a limit."""
        return any(limit is not None for limit in self.limits.values())

    @property
    def shards(self) -> int:
        """How many shards the item has."""
        return max(1, -(-self.workers // WORKERS_PER_SHARD))

    def shard_key(self, shard: int) -> str:
        """The key of a shard; they count from 0."""
        return shard_key(self.key, shard)

    @property
    def is_split(self) -> bool:
        """Whether workers share a limit in shard 0, and tell their progress in shards of their own."""
        return self.is_limited and self.shards > 1

    @property
    def period_seconds(self) -> float:
        """The time between two heartbeats of a worker, the same for all of them; by those it shares a limit."""
        if not self.is_limited:
            return PERIOD_SECONDS
        return max(LIMITED_PERIOD_SECONDS, self.workers / LIMITED_PER_SECOND)

    @property
    def least(self) -> dict[UnitKind, float | None]:
        """What a worker may spend however many others there are."""
        return {kind: None if limit is None else limit / self.workers for kind, limit in self.limits.items()}


def shard_key(key: str, shard: int) -> str:
    """The key of a shard of a run's item."""
    return f"{key}#{shard}" if shard else key
