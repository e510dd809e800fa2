"""Dataclasses that add up field by field: rows by outcome, units, whatever slices and children count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import add, attrgetter, sub
from typing import Any, Self


class FieldSums:
    """A frozen dataclass of at least two fields, each of which can be added to its like."""

    __slots__ = ()

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(add, _values(self), _values(other)))

    def __sub__(self, other: Self) -> Self:
        return type(self)(*map(sub, _values(self), _values(other)))


def _values(one: Any) -> tuple[Any, ...]:
    kind: Any = type(one)
    values: tuple[Any, ...] = _reader(kind)(one)
    return values


@cache
def _reader(cls: Any) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(each.name for each in fields(cls)))
