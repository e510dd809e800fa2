"""State: the JSON that the steps of a run exchange, its format, and dataclasses that are read from it.

An attribute `first_row` is the field `firstRow`. Nested dataclasses, tuples, frozen sets, mappings, enums and named
tuples are read by their annotations; classes with `to_state` and `from_state` of their own by these. An attribute with
a default may be missing in state: an earlier version wrote it.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache, partial
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from sluice.errors import FormatVersionError, InvalidInputError
from sluice.fields import kind_of

# A deployment can replace the code of both steps between one step's writing and another's reading. Raise FORMAT with
# every change that an earlier reader would get wrong, and keep reading the format before: runs that are active when
# a version is deployed were planned by the version before it. What a state machine makes of its steps' results is part
# of the format; an execution keeps the definition that it was started with.
# 2: progress and plans have numbers. 3: `runItem` replaces `budget`, which readers of 2 need.
FORMAT = 3
READABLE = range(1, FORMAT + 1)
FIELD = "formatVersion"
# What was written before there was a number.
UNNUMBERED = 1

Decode = Callable[[Any, str], Any]


def readable(state: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """The state itself. Raises FormatVersionError when this code cannot read it; `what` names it in the message."""
    found = state.get(FIELD, UNNUMBERED)
    if found in READABLE:
        return state
    raise FormatVersionError(
        f"{what} is in format {found}, this deployment reads formats {READABLE[0]} to {READABLE[-1]}: "
        "another version of Sluice was deployed since. "
        "Start the run again with this version, or deploy the version that started it and let it finish there"
    )


class Named(NamedTuple):
    """Annotates an attribute that has another name in state: `schema: Annotated[KeySchema, Named("keys")]`."""

    name: str


class Inline:
    """Annotates an attribute whose fields are in state beside its owner's: `done: Annotated[Done, Inline]`."""


class State:
    """A frozen dataclass that travels in state. `state_path` is where it is in a payload, for messages."""

    __slots__ = ()
    state_path: ClassVar[str] = ""

    def to_state(self) -> dict[str, Any]:
        """The fields as JSON: names in camel case, tuples and sets as lists, enums as their values."""
        return _write_fields(self)

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read what `to_state` returns. Raises InvalidInputError naming a field that is missing or has another type."""
        read: Self = _read_fields(cls, state, cls.state_path)
        return read


class VersionedState(State):
    """State with the number of its format. `what` names it in the message about a format that cannot be read."""

    __slots__ = ()
    what: ClassVar[str]

    def to_state(self) -> dict[str, Any]:
        """The fields as JSON, after the format's number."""
        return {FIELD: FORMAT, **super().to_state()}

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read what `to_state` returns. Raises FormatVersionError, and what State.from_state raises."""
        return super().from_state(readable(state, cls.what) if isinstance(state, Mapping) else state)


def encode(value: Any) -> Any:
    """A value as JSON."""
    # Plans have a million of these.
    if type(value) in _SCALARS:
        return value
    if hasattr(value, "to_state"):
        return value.to_state()
    if dataclasses.is_dataclass(value):
        return _write_fields(value)
    write = next((write for kind, write in _WRITERS if isinstance(value, kind)), None)
    return write(value) if write else value


_WRITERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: value.value),
    (Mapping, lambda value: {str(name): encode(each) for name, each in value.items()}),
    (frozenset | set, lambda value: sorted(map(encode, value))),
    (list | tuple, lambda value: [encode(each) for each in value]),
)


def _write_fields(value: Any) -> dict[str, Any]:
    state: dict[str, Any] = {}
    cls: Any = type(value)
    for each in _fields_of(cls):
        written = encode(getattr(value, each.name))
        state |= written if each.is_inline else {each.key: written}
    return state


class _Field(NamedTuple):
    name: str
    key: str
    is_inline: bool
    decode: Decode
    default: Callable[[], Any] | None


@cache
def _fields_of(cls: Any) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple(_field(each, hints[each.name]) for each in dataclasses.fields(cls))


def _field(field: dataclasses.Field[Any], hint: Any) -> _Field:
    notes: tuple[Any, ...] = ()
    if typing.get_origin(hint) is Annotated:
        hint, *notes = typing.get_args(hint)  # type: ignore[assignment]
    key = next((each.name for each in notes if isinstance(each, Named)), None)
    return _Field(field.name, key or _camel_case(field.name), Inline in notes, _decoder(hint), _default_of(field))


def _default_of(field: dataclasses.Field[Any]) -> Callable[[], Any] | None:
    if field.default is not dataclasses.MISSING:
        return lambda: field.default
    return None if field.default_factory is dataclasses.MISSING else field.default_factory


def _camel_case(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(map(str.capitalize, rest))


def _read_fields(cls: Any, state: Any, path: str) -> Any:
    if not isinstance(state, Mapping):
        raise InvalidInputError(path or "state", f"must be an object, not {kind_of(state)}")
    return cls(**{each.name: _read_field(each, state, path) for each in _fields_of(cls)})


def _read_field(field: _Field, state: Mapping[str, Any], path: str) -> Any:
    if field.is_inline:
        return field.decode(state, path)
    field_path = f"{path}.{field.key}" if path else field.key
    if field.key not in state:
        if field.default is None:
            raise InvalidInputError(field_path, "is missing")
        return field.default()
    return field.decode(state[field.key], field_path)


@cache
def _decoder(hint: Any) -> Decode:
    """How a value of the annotated type is read."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _optional(arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is frozenset:
        return partial(_read_sequence, frozenset, _decoder(arguments[0]))
    if origin is Counter:
        return partial(_read_mapping, Counter, _decoder(str), _decoder(int))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return partial(_read_mapping, dict, _decoder(arguments[0]), _decoder(arguments[1]))
    return _plain(hint)


def _plain(hint: Any) -> Decode:
    if hint in (str, int, float, bool):
        return partial(_read_scalar, hint)
    if dataclasses.is_dataclass(hint) and _reads_plainly(hint):
        return lambda value, path: _read_fields(hint, value, path)
    if hasattr(hint, "from_state"):
        return lambda value, _: hint.from_state(value)
    if isinstance(hint, type) and issubclass(hint, tuple):
        return lambda value, _: hint(*value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value, _: hint(value)
    return lambda value, _: value


def _reads_plainly(cls: Any) -> bool:
    """Whether a dataclass has no reader of its own, so that paths can go through it."""
    own: Any = getattr(cls, "from_state", State.from_state)
    plain: Any = State.from_state
    return bool(own.__func__ is plain.__func__)


def _optional(arguments: tuple[Any, ...]) -> Decode:
    others = [each for each in arguments if each is not type(None)]
    if len(others) > 1:
        return lambda value, _: value
    decode = _decoder(others[0])
    return lambda value, path: None if value is None else decode(value, path)


def _tuple(arguments: tuple[Any, ...]) -> Decode:
    if arguments[-1:] == (Ellipsis,):
        return partial(_read_sequence, tuple, _decoder(arguments[0]))
    decoders = [_decoder(each) for each in arguments]
    return lambda value, path: tuple(read(each, path) for read, each in zip(decoders, value, strict=True))


def _read_sequence(make: Callable[[Any], Any], decode: Decode, value: Any, path: str) -> Any:
    if not isinstance(value, list | tuple):
        raise InvalidInputError(path, f"must be a list, not {kind_of(value)}")
    return make(decode(each, f"{path}[{index}]") for index, each in enumerate(value))


def _read_mapping(make: Callable[[Any], Any], key: Decode, decode: Decode, value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise InvalidInputError(path, f"must be an object, not {kind_of(value)}")
    return make({key(name, path): decode(each, f"{path}.{name}") for name, each in value.items()})


_SCALARS: Mapping[type, tuple[type | tuple[type, ...], str]] = {
    str: (str, "a string"),
    int: (int, "a whole number"),
    float: ((int, float), "a number"),
    bool: (bool, "true or false"),
}


def _read_scalar(kind: type, value: Any, path: str) -> Any:
    taken, name = _SCALARS[kind]
    if not isinstance(value, taken) or (isinstance(value, bool) and kind is not bool):
        raise InvalidInputError(path, f"must be {name}, not {kind_of(value)}")
    return value
