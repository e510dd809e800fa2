"""What template.yaml grants, compared with what the roles did in the tests."""

from __future__ import annotations

from collections.abc import Collection

from tests.permissions.granted import Permission
from tests.permissions.records import Record
from tests.permissions.unexercised import Unexercised

DENY = "Deny"


def faults(
    granted: Collection[Permission], records: Collection[Record], unexercised: Collection[Unexercised]
) -> list[str]:
    """What is wrong, a line each: denied calls, permissions that no call needed, entries that are out of date."""
    used = {each for each in granted if any(uses(record, each) for record in records)}
    needed = {each for each in used if any(uses(record, each) and len(record.statements) == 1 for record in records)}
    listed = {each for each in granted if any(entry.covers(each) for entry in unexercised)}
    found = {f"denied: {each}" for each in records if each.is_denial and not each.is_planned}
    found |= {f"unused: {each}" for each in set(granted) - used - listed}
    found |= {f"another statement allows the same calls: {each}" for each in used - needed - listed}
    found |= {f"needed by a run, yet listed as unexercised: {each}" for each in needed & listed}
    found |= {
        f"listed as unexercised, yet not in template.yaml: {part}"
        for entry in unexercised
        for part in entry.dead_parts(granted)
    }
    return sorted(found)


def uses(record: Record, permission: Permission) -> bool:
    """Whether the statement decided this call. A statement that denies is used by any call that it denies."""
    if (record.role, record.decision) != (permission.role, permission.effect):
        return False
    is_same_action = permission.effect == DENY or record.action == permission.action
    return is_same_action and permission.statement in record.statements
