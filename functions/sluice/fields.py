"""A typed reader of JSON that somebody else wrote: what is wrong with it is named by the field's path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sluice.errors import InvalidInputError

T = TypeVar("T")


class Fields:
    """One object of the input. Every method raises InvalidInputError with a path such as source.delimiter.

    `names` are the fields that the object may have; `path` is empty for the input itself. A field that is
    null counts as absent. Methods with a `default` return it for an absent field; the others need the field.
    """

    def __init__(self, raw: object, names: Iterable[str], path: str = "") -> None:
        if not isinstance(raw, Mapping):
            raise InvalidInputError(path or "input", f"must be an object, not {kind_of(raw)}")
        self._raw = raw
        self._path = path
        for name in raw:
            if name not in names:
                raise InvalidInputError(self.path(name), _unknown(name, tuple(names)))

    def path(self, name: str) -> str:
        """The field's path from the input's root."""
        return f"{self._path}.{name}" if self._path else name

    def wrong(self, name: str, problem: str) -> InvalidInputError:
        """The error to raise about a field."""
        return InvalidInputError(self.path(name), problem)

    def has(self, name: str) -> bool:
        """Whether the field is there, and not null."""
        return self._raw.get(name) is not None

    def is_null(self, name: str) -> bool:
        """Whether the field is there and null."""
        return name in self._raw and self._raw[name] is None

    def raw(self, name: str) -> Any:
        """The field as it is; it must be there."""
        if not self.has(name):
            raise self.wrong(name, "is required")
        return self._raw[name]

    def text(self, name: str) -> str:
        """A string that must be there and not be empty."""
        value = self.raw(name)
        if not isinstance(value, str):
            raise self.wrong(name, f"must be a string, not {kind_of(value)}")
        if not value:
            raise self.wrong(name, "must not be empty")
        return value

    def text_or(self, name: str, default: T) -> str | T:
        """A string that is not empty."""
        return self.text(name) if self.has(name) else default

    def character(self, name: str, default: T) -> str | T:
        """A string of one character (code point)."""
        value = self.text_or(name, default)
        if isinstance(value, str) and self.has(name) and len(value) != 1:
            raise self.wrong(name, f"must be one character, not {len(value)}")
        return value

    def choice(self, name: str, choices: Sequence[str], default: T) -> str | T:
        """One of the strings that are allowed."""
        value = self.text_or(name, default)
        if self.has(name) and value not in choices:
            raise self.wrong(name, f"must be one of {', '.join(choices)}, not {value}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self.raw(name)
        if not isinstance(value, list):
            raise self.wrong(name, f"must be a list of strings, not {kind_of(value)}")
        for position, each in enumerate(value):
            if not isinstance(each, str):
                raise self.wrong(f"{name}[{position}]", f"must be a string, not {kind_of(each)}")
        return tuple(value)

    def number(self, name: str, default: T, *, low: float, high: float) -> float | T:
        """A number within the bounds, both included."""
        if not self.has(name):
            return default
        value = self._raw[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(name, f"must be a number, not {kind_of(value)}")
        if not low <= value <= high:
            raise self.wrong(name, f"must be from {low:,} to {high:,}, not {value:,}")
        return value

    def integer(self, name: str, default: T, *, low: int, high: int) -> int | T:
        """A whole number within the bounds, both included; 5.0 is whole."""
        if not self.has(name):
            return default
        value = self.number(name, 0, low=low, high=high)
        if value != int(value):
            raise self.wrong(name, f"must be a whole number, not {value}")
        return int(value)

    def boolean(self, name: str, default: T) -> bool | T:
        """true or false."""
        if not self.has(name):
            return default
        value = self._raw[name]
        if not isinstance(value, bool):
            raise self.wrong(name, f"must be true or false, not {kind_of(value)}")
        return value

    def section(self, name: str, names: Iterable[str]) -> Fields:
        """An object within this one."""
        return Fields(self.raw(name), names, self.path(name))


def kind_of(value: object) -> str:
    """The name that JSON has for a value's type, with its article."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (type(None), "null"),
        (bool, "a boolean"),
        ((int, float), "a number"),
        (str, "a string"),
        (list, "a list"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "an object")


def _unknown(name: str, names: Sequence[str]) -> str:
    # Only a wrong input pays for the import.
    from difflib import get_close_matches

    close = get_close_matches(name, names, n=1)
    return f"unknown field; {f'did you mean {close[0]}?' if close else 'known are ' + ', '.join(names)}"
