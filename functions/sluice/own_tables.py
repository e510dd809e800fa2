"""The stack's own tables: what runs stand on is not what they work on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sluice.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class OwnTables:
    """Their names, by what the stack keeps in them."""

    kept: Mapping[str, str]

    def refuse(self, field: str, table: object) -> None:
        """Raise InvalidInputError naming the field when it names one of them, by its name or its ARN."""
        name = table.rpartition("/")[2] if isinstance(table, str) else ""
        if name in self.kept:
            raise InvalidInputError(field, f"{table} is the stack's own table of {self.kept[name]}; name one of yours")
