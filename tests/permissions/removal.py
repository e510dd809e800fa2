"""Taking permissions away one at a time, each while a small run needs it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence

from tests.local.deployed import Deployed
from tests.permissions.comparison import uses
from tests.permissions.exercises.runs import Exercise, Started
from tests.permissions.granted import Permission
from tests.permissions.policies import Policies
from tests.permissions.records import Record, Recorder

WAIT_SECONDS = 300
LOOK_EVERY_SECONDS = 0.02


class Group:
    """Exercises that use the same roles, and run one after the other. Other groups run beside it."""

    def __init__(self, stack: Deployed, roles: Collection[str], exercises: Sequence[Exercise]) -> None:
        self._stack = stack
        self._roles = roles
        self._exercises = exercises
        self._recorder = Recorder(stack)
        self._policies = Policies(stack)

    def needs(self, permissions: Iterable[Permission]) -> dict[Permission, Exercise]:
        """Run all exercises; returns those permissions of the group that they need, each with its first exercise."""
        left = {each for each in permissions if each.role in self._roles}
        found: dict[Permission, Exercise] = {}
        for exercise in self._exercises:
            start = exercise(self._stack)
            # What was allowed before is recorded again.
            self._policies.put_again(next(iter(self._roles)))
            self._records()
            self._follow(start(), ())
            records = self._records()
            needed = {each for each in left if any(uses(r, each) and len(r.statements) == 1 for r in records)}
            found |= dict.fromkeys(needed, exercise)
            left -= needed
        return found

    def is_denied_without(self, permission: Permission, exercise: Exercise) -> bool:
        """Whether a call is denied when the exercise's role lacks the permission; the run is ended then."""
        start = exercise(self._stack)
        self._records()
        with self._policies.without(permission):
            return self._follow(start(), (permission,))

    def _follow(self, started: Started, removed: Sequence[Permission]) -> bool:
        """Until what was started has ended, or lacks a permission; returns whether it does."""
        deadline, lacks = time.monotonic() + WAIT_SECONDS, False
        try:
            while not lacks:
                has_ended = started.has_ended()
                lacks = bool(removed) and any(_lacks(record, each) for record in self._records() for each in removed)
                if has_ended:
                    break
                assert time.monotonic() < deadline, f"{started} continues"
                time.sleep(LOOK_EVERY_SECONDS)
        finally:
            started.stop()
        return lacks

    def _records(self) -> list[Record]:
        return self._recorder.new_records("", plans_denials=True)


def _lacks(record: Record, permission: Permission) -> bool:
    return record.is_denial and (record.role, record.action) == (permission.role, permission.action)
