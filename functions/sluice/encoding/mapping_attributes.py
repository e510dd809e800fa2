"""One attribute of a mapping, checked and taken apart: a text, or a typed value as in DynamoDB JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.encoding.attributes import Attribute, Boolean, Constant, Scalar
from sluice.encoding.cell_templates import CellTemplate
from sluice.encoding.nested_attributes import JsonValue, ListOf, MapOf, SetOf
from sluice.encoding.source_columns import SourceColumns
from sluice.encoding.values import MAX_LEVELS
from sluice.errors import InvalidInputError, RejectError

_UNNAMED_WORDS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Where:
    """Where a value stands: in the input (mapping.lat), in the item (lat), and how many levels deep."""

    place: str
    name: str
    level: int

    def below(self, member: object) -> Where:
        """One member of the value that stands here."""
        return Where(f"{self.place}.{member}", f"{self.name}.{member}", self.level + 1)


@dataclass(frozen=True, slots=True)
class _Typed:
    """A typed value: {"N": "{lat}", "omitEmpty": true} has the kind N."""

    kind: str
    value: Any
    modifiers: Mapping[str, Any]
    where: Where
    columns: SourceColumns

    @property
    def place(self) -> str:
        return f"{self.where.place}.{self.kind}"

    @property
    def omit(self) -> tuple[str, ...]:
        words = self.modifiers.get("omitEmpty", False)
        return ("", *words) if isinstance(words, list) else ("",) * words

    def error(self, problem: str, modifier: str | None = None) -> InvalidInputError:
        return InvalidInputError(f"{self.where.place}.{modifier}" if modifier else self.place, problem)

    def template(self, text: object) -> CellTemplate:
        if not isinstance(text, str):
            raise self.error(f'must be a text such as "{{column}}", not {type(text).__name__}')
        try:
            return CellTemplate.parse(text, self.columns.index, self.omit)
        except ValueError as error:
            raise self.error(str(error)) from error

    def one_template(self) -> CellTemplate:
        template = self.template(self.value)
        if self.omit and not template.columns:
            raise self.error("has no use where the value takes no column", "omitEmpty")
        return template

    def within(self) -> Where:
        return Where(self.place, self.where.name, self.where.level)


def parse_attribute(spec: object, where: Where, columns: SourceColumns) -> Attribute:
    """Read one value of a mapping, with all that it holds. Raises InvalidInputError that names the place."""
    if where.level > MAX_LEVELS:
        raise InvalidInputError(where.place, f"is nested more than {MAX_LEVELS} levels deep")
    typed = _typed(spec, where, columns)
    attribute = _KINDS[typed.kind].read(typed)
    if isinstance(attribute, Scalar | Boolean | SetOf) and not attribute.columns:
        _check_constant(attribute, typed)
    return attribute


def _typed(spec: object, where: Where, columns: SourceColumns) -> _Typed:
    if isinstance(spec, str):
        return _Typed("S", spec, {}, where, columns)
    if not isinstance(spec, Mapping):
        raise InvalidInputError(where.place, 'must be a text such as "{column}" or typed, such as {"N": "{column}"}')
    kinds = [name for name in spec if name not in _MODIFIERS]
    if len(kinds) != 1 or kinds[0] not in _KINDS:
        given = " and ".join(map(str, kinds)) or "none"
        raise InvalidInputError(where.place, f"must have one type of {', '.join(_KINDS)}, and has {given}")
    typed = _Typed(kinds[0], spec[kinds[0]], {name: spec[name] for name in spec if name != kinds[0]}, where, columns)
    _check_modifiers(typed)
    return typed


def _check_modifiers(typed: _Typed) -> None:
    for name in typed.modifiers:
        if name not in _KINDS[typed.kind].modifiers:
            takers = ", ".join(kind for kind in _KINDS if name in _KINDS[kind].modifiers)
            raise typed.error(f"belongs to {takers}, not to {typed.kind}", name)
    omit = typed.modifiers.get("omitEmpty", False)
    if not isinstance(omit, bool) and not _are_words(omit):
        raise typed.error("must be true, false, or a list of words that count as empty too", "omitEmpty")


def _check_constant(attribute: Attribute, typed: _Typed) -> None:
    try:
        attribute.encode(())
    except RejectError as error:
        raise typed.error(str(error)) from error


def _scalar(typed: _Typed) -> Scalar:
    return Scalar(typed.where.name, typed.kind, typed.one_template())


def _boolean(typed: _Typed) -> Attribute:
    if isinstance(typed.value, bool) and not typed.modifiers:
        return Constant('{"BOOL":true}' if typed.value else '{"BOOL":false}')
    words = _words(typed) if {"true", "false"} & typed.modifiers.keys() else _UNNAMED_WORDS
    return Boolean(typed.where.name, typed.one_template(), words)


def _words(typed: _Typed) -> dict[str, bool]:
    words: dict[str, bool] = {}
    for meaning in ("true", "false"):
        named: Any = typed.modifiers.get(meaning)
        if not _are_words(named):
            raise typed.error("must be a list of words; true and false are named together", meaning)
        for word in named:
            if words.setdefault(word, meaning == "true") is not (meaning == "true"):
                raise typed.error(f"names {word!r}, which means true already", meaning)
            if word in typed.omit:
                raise typed.error(f"names {word!r}, which omitEmpty leaves out", meaning)
    return words


def _are_words(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)


def _null(typed: _Typed) -> Attribute:
    if typed.value is not True:
        raise typed.error("must be true")
    return Constant('{"NULL":true}')


def _set(typed: _Typed) -> SetOf:
    separator = typed.modifiers.get("separator")
    if "separator" in typed.modifiers and (not isinstance(separator, str) or not separator):
        raise typed.error("must be a text, not empty", "separator")
    if separator is not None:
        templates = [typed.one_template()]
    elif isinstance(typed.value, list) and typed.value:
        templates = [typed.template(each) for each in typed.value]
    else:
        raise typed.error("must be a list of texts, or one text with a separator beside it")
    return SetOf(typed.where.name, typed.kind, tuple(templates), separator, typed.omit)


def _map(typed: _Typed) -> Attribute:
    if not isinstance(typed.value, Mapping):
        return _json_value(typed)
    _check_members(typed)
    members = _members(typed, list(typed.value.items()))
    return MapOf(tuple(zip(typed.value, members, strict=True)), bool(typed.omit))


def _list(typed: _Typed) -> Attribute:
    if not isinstance(typed.value, list):
        return _json_value(typed)
    _check_members(typed)
    return ListOf(tuple(_members(typed, list(enumerate(typed.value)))), bool(typed.omit))


def _check_members(typed: _Typed) -> None:
    if typed.omit and not typed.value:
        raise typed.error("has no use where there are no members", "omitEmpty")
    if isinstance(typed.modifiers.get("omitEmpty"), list):
        raise typed.error("must be true or false where the members are spelled out", "omitEmpty")


def _members(typed: _Typed, members: Sequence[tuple[object, object]]) -> list[Attribute]:
    return [parse_attribute(spec, typed.within().below(member), typed.columns) for member, spec in members]


def _json_value(typed: _Typed) -> JsonValue:
    template = typed.one_template()
    if template.lone_column is None:
        raise typed.error('takes its value from one column: "{column}"')
    where = typed.where
    return JsonValue(where.name, typed.kind, template.lone_column, template.names[0], where.level, typed.omit)


@dataclass(frozen=True, slots=True)
class _Kind:
    read: Callable[[_Typed], Attribute]
    modifiers: frozenset[str]


_KINDS = {
    **dict.fromkeys(("S", "N", "B"), _Kind(_scalar, frozenset({"omitEmpty"}))),
    "BOOL": _Kind(_boolean, frozenset({"omitEmpty", "true", "false"})),
    "NULL": _Kind(_null, frozenset()),
    **dict.fromkeys(("SS", "NS", "BS"), _Kind(_set, frozenset({"omitEmpty", "separator"}))),
    "M": _Kind(_map, frozenset({"omitEmpty"})),
    "L": _Kind(_list, frozenset({"omitEmpty"})),
}
_MODIFIERS = frozenset(name for kind in _KINDS.values() for name in kind.modifiers)
