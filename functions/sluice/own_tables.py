"""The stack's own tables: what runs stand on is not what they work on."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class OwnTables:
    """Their names."""

    names: frozenset[str]

    def refuse(self, field: str, table: object) -> None:
        """Raise InvalidInputError naming the field when it names one of them, by its name or its ARN."""
        name = table.rpartition("/")[2] if isinstance(table, str) else ""
        if name in self.names:
            raise InvalidInputError(field, f"{table} is one of the stack's own tables; name one of yours")
