"""The permissions that local tests cannot exercise, from unexercised.yaml, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from tests.permissions.granted import Permission

FILE = Path(__file__).with_name("unexercised.yaml")


@dataclass(frozen=True)
class Unexercised:
    """Actions of statements, by their Sids, and why no local test uses them. Empty `roles`: of every role."""

    statements: frozenset[str]
    actions: frozenset[str]
    roles: frozenset[str]
    reason: str

    @classmethod
    def from_entry(cls, entry: dict[str, Any]) -> Self:
        """An entry of the file. Raises KeyError."""
        return cls(
            frozenset(entry["statements"]),
            frozenset(entry["actions"]),
            frozenset(entry.get("roles", ())),
            entry["reason"],
        )

    def covers(self, permission: Permission) -> bool:
        """Whether it is about this permission."""
        return (
            permission.statement in self.statements
            and permission.action in self.actions
            and (not self.roles or permission.role in self.roles)
        )

    def dead_parts(self, permissions: Iterable[Permission]) -> list[str]:
        """Sids, actions and roles that no permission has."""
        covered = [each for each in permissions if self.covers(each)]
        found = {part for each in covered for part in (each.statement, each.action, each.role)}
        return sorted((self.statements | self.actions | self.roles) - found)


def listed() -> list[Unexercised]:
    """All entries of the file."""
    return [Unexercised.from_entry(entry) for entry in yaml.safe_load(FILE.read_text())]
