"""What tells a row from all others: its number, its object, and a UUID made of both and of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

ROW, OBJECT, UUID_NAME = "$row", "$object", "$uuid"
# The names by which templates take them.
IDENTITY_NAMES = (ROW, OBJECT, UUID_NAME)


class SourceRow(NamedTuple):
    """What a transform with a parameter `row` gets: `number` counts data rows from 1, `object` is the object's key."""

    number: int
    object: str
    uuid: str


@dataclass(frozen=True)
class RowIdentity:
    """Rows of one object in one run, and in the runs that continue it: a repeated slice gets the same UUIDs.

    `run` is the first run of the chain. The UUID is of version 5: its namespace is the UUID of the URL
    sluice:<run>/<object>, its name the row's number.
    """

    run: str
    object: str
    _namespace: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_namespace", uuid5(NAMESPACE_URL, f"sluice:{self.run}/{self.object}").bytes)

    def uuid(self, number: int) -> str:
        """The row's UUID."""
        return str(UUID(bytes=sha1(self._namespace + b"%d" % number, usedforsecurity=False).digest()[:16], version=5))

    def row(self, number: int) -> SourceRow:
        """The row, for a transform."""
        return SourceRow(number, self.object, self.uuid(number))

    def cells(self, names: Sequence[str], number: int) -> list[str]:
        """The values of some of IDENTITY_NAMES, as texts."""
        return [self._cell(name, number) for name in names]

    def _cell(self, name: str, number: int) -> str:
        if name == ROW:
            return str(number)
        return self.object if name == OBJECT else self.uuid(number)


NOWHERE = RowIdentity("", "")
