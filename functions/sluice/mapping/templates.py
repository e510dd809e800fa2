"""Templates such as "{city}, {country}", and the columns of a source that they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cached_property
from itertools import chain
from typing import Any, Final

from sluice.errors import RejectError
from sluice.mapping.row_identity import IDENTITY_NAMES
from sluice.rejects import Reason, quoted


class Missing(Enum):
    """Stands where a record has no such field."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
_NUMBER_TYPES = frozenset({int, float, Decimal})
_next_piece = re.compile(r"(?P<text>(?:[^{}]|\{\{|\}\})+)|\{(?P<column>[^{}]*)\}").match


@dataclass(frozen=True)
class CellTemplate:
    """Literal text and columns by turns: `literals` has one more entry than `columns`.

    The text is left out when all cells are empty or among the words `omit`; with no such words it never is.
    """

    literals: tuple[str, ...]
    columns: tuple[int, ...]
    names: tuple[str, ...]
    omit: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, column_index: Callable[[str], int], omit: tuple[str, ...] = ()) -> CellTemplate:
        """Read `text`; `{{` and `}}` stand for braces. Raises ValueError on a brace that has no partner."""
        literals, position = [""], 0
        names: list[str] = []
        while position < len(text):
            piece = _next_piece(text, position)
            if piece is None:
                raise ValueError(f"an unmatched brace at character {position + 1} (write {{{{ for a brace)")
            if piece["column"] is None:
                literals[-1] += piece["text"].replace("{{", "{").replace("}}", "}")
            else:
                names.append(piece["column"])
                literals.append("")
            position = piece.end()
        return cls(tuple(literals), tuple(map(column_index, names)), tuple(names), omit if names else ())

    @classmethod
    def of_column(cls, index: int, name: str, omit: tuple[str, ...] = ()) -> CellTemplate:
        """The template that takes one column as it is."""
        return cls(("", ""), (index,), (name,), omit)

    @cached_property
    def lone_column(self) -> int | None:
        """The column's index when the template is that column and nothing else."""
        return self.columns[0] if self.literals == ("", "") else None

    def read(self, cells: Sequence[Any]) -> str | None:
        """The text of this row; None when it is left out. Raises RejectError."""
        if self.lone_column is not None:
            cell = cells[self.lone_column]
            text = cell if type(cell) is str else self._cell_text(cell, self.names[0])
            return None if text in self.omit else text
        columns = zip(self.columns, self.names, strict=True)
        texts = [self._cell_text(cells[index], name) for index, name in columns]
        if self.omit and all(text in self.omit for text in texts):
            return None
        return "".join(chain(*zip(self.literals, texts, strict=False), self.literals[-1:]))

    def empty_column(self, cells: Sequence[Any]) -> str | None:
        """The name of the first column that is empty in this row, or among the words `omit`. Raises RejectError."""
        columns = zip(self.columns, self.names, strict=True)
        return next((name for index, name in columns if self._is_empty(cells[index], name)), None)

    def _is_empty(self, cell: object, name: str) -> bool:
        text = self._cell_text(cell, name)
        return not text or text in self.omit

    def _cell_text(self, cell: object, name: str) -> str:
        if cell is MISSING and not self.omit:
            raise missing(name)
        text = plain_text(cell)
        if text is None:
            problem = f"a text or a number is needed, not {json_type(cell)}"
            raise RejectError(Reason.VALUE_UNSUPPORTED, problem)
        return text


def is_empty(cell: object, omit: tuple[str, ...]) -> bool:
    """Whether the cell counts as empty: null, no such field, or one of the words."""
    return cell is None or cell is MISSING or (isinstance(cell, str) and cell in omit)


def missing(name: str) -> RejectError:
    """The rejection of a record that lacks a field the item needs."""
    return RejectError(Reason.COLUMN_MISSING, f"the record has no {name!r}")


def plain_text(cell: object) -> str | None:
    """A cell as text: JSON strings and numbers as they are, null and no field as ""; None for the rest."""
    if isinstance(cell, str):
        return cell
    if cell is None or cell is MISSING:
        return ""
    return str(cell) if type(cell) in _NUMBER_TYPES else None


def json_type(value: object) -> str:
    """What JSON calls a value that is not a text."""
    names = {bool: "a boolean", dict: "an object", list: "an array", type(None): "null"}
    return names.get(type(value), "a number")


_LISTED_NAMES = 100


class SourceColumns:
    """A source's header, or the fields named so far where the source has none.

    A name is a column's exact name first. In a source without header "a.b" is then the member b of the object a.
    `has_identity`: $row, $object and $uuid are columns too, behind those of the header.
    """

    def __init__(self, header: Sequence[str] | None, *, has_identity: bool = False) -> None:
        self.is_fixed = header is not None
        self.width = len(header or ())
        self.identity: list[str] = []
        self.unseen: set[str] = set()
        self._has_identity = has_identity
        self._header = list(header or ())
        self._indexes = {name: index for index, name in enumerate(self._header)}
        self._nested: list[tuple[int, tuple[str, ...]]] = []

    @property
    def names(self) -> list[str]:
        """The columns in their order."""
        return self._header if self.is_fixed else list(self._indexes)

    def index(self, name: str) -> int:
        """The column's index in a row. Raises ValueError when the header lacks it, or has it twice."""
        if name in self._indexes:
            self._check_unique(name)
        elif self._has_identity and name in IDENTITY_NAMES:
            self.identity.append(name)
            self._indexes[name] = self.width if self.is_fixed else len(self._indexes)
            self.width += self.is_fixed
        elif self.is_fixed:
            raise ValueError(f"the source has no column {quoted(name)}; it has {listed(self._header)}")
        else:
            self._add_field(name)
        return self._indexes[name]

    def _add_field(self, name: str) -> None:
        self.unseen.add(name)
        if "." in name:
            self._nested.append((len(self._indexes), tuple(name.split("."))))
        self._indexes[name] = len(self._indexes)

    def _check_unique(self, name: str) -> None:
        if self.is_fixed and self._header.count(name) > 1:
            raise ValueError(repeated(self._header, name))

    def cells(self, record: Mapping[str, Any], identity: Sequence[str] = ()) -> list[Any]:
        """The record's values in the columns' order, MISSING where it has none. `identity`: those of self.identity."""
        cells = [record.get(name, MISSING) for name in self._indexes]
        for index, path in self._nested:
            if cells[index] is MISSING:
                cells[index] = _member(record, path)
        for name, value in zip(self.identity, identity, strict=False):
            cells[self._indexes[name]] = value
        if self.unseen:
            self.unseen -= {name for name in self.unseen if cells[self._indexes[name]] is not MISSING}
        return cells


def _member(record: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = record
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return MISSING
        value = value[name]
    return value


def repeated(header: Sequence[str], name: str) -> str:
    """What is wrong with a column that is in the header more than once."""
    numbers = [str(number) for number, each in enumerate(header, 1) if each == name]
    columns = f"columns {', '.join(numbers[:-1])} and {numbers[-1]}"
    return (
        f"the header has the column {quoted(name)} more than once ({columns}): "
        'rename them with source.headers and source.headerRow "replace"'
    )


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first hundred of them."""
    more = f" and {len(names) - _LISTED_NAMES} more" if len(names) > _LISTED_NAMES else ""
    return ", ".join(names[:_LISTED_NAMES]) + more if names else "none"
