"""A run's `mapping`: read, checked, and turned into attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as quote
from typing import Any

from sluice.dynamodb.keys import KeyAttribute, KeySchema, key_identity
from sluice.dynamodb.numbers import normal_form
from sluice.dynamodb.values import MAX_LEVELS, binary_text, encode_value, parse_json
from sluice.errors import InvalidInputError, RejectError
from sluice.mapping.attributes import UNNAMED_WORDS, Attribute, Boolean, Constant, Form, Scalar, Slot, label
from sluice.mapping.number_texts import NumberText, date_number, grouped_number
from sluice.mapping.templates import MISSING, CellTemplate, SourceColumns, is_empty, json_type, missing
from sluice.rejects import Reason, located, quoted

_IDENTITIES: dict[str, Callable[[str], str]] = {"S": str, "N": normal_form, "B": binary_text}


@dataclass(frozen=True, slots=True)
class SetOf:
    """SS, NS or BS: one template per element, or with a separator one cell that holds them all.

    What is twice in a row is once in the set: a set says what belongs to it and not how often, so nothing
    that the attribute could keep is lost. Two spellings of one number are one element, the first one.
    """

    name: str
    type: str
    templates: tuple[CellTemplate, ...]
    separator: str | None
    omit: tuple[str, ...]

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns that the elements take."""
        return tuple(column for template in self.templates for column in template.columns)

    def encode(self, cells: Sequence[Any]) -> str | None:
        """The elements in their order, each once; an empty set is left out or rejected."""
        try:
            elements = self._elements(cells)
        except RejectError as error:
            names = [name for template in self.templates for name in template.names]
            raise located(label(self.name, names), error) from error
        return f'{{"{self.type}":[{",".join(elements)}]}}' if elements else None

    def _elements(self, cells: Sequence[Any]) -> list[str]:
        kind = self.type[0]
        identity = _IDENTITIES[kind]
        texts = self._texts(cells)
        if not texts and not self.omit:
            raise RejectError(Reason.SET_EMPTY, "an empty set, which DynamoDB does not accept")
        by_identity: dict[str, str] = {}
        for text in texts:
            by_identity.setdefault(identity(text), text if kind == "N" else identity(text))
        return list(map(quote, by_identity.values()))

    def _texts(self, cells: Sequence[Any]) -> list[str]:
        texts = [template.read(cells) for template in self.templates]
        if self.separator is not None:
            texts = [part for text in texts if text for part in text.split(self.separator)]
        return [text for text in texts if text is not None and text not in self.omit]

    def form(self) -> None:
        """None: the number of elements varies."""


@dataclass(frozen=True, slots=True)
class JsonValue:
    """M or L from one field: a nested JSON value, or a cell that holds JSON text."""

    name: str
    type: str
    column: int
    column_name: str
    level: int
    omit: tuple[str, ...]

    def encode(self, cells: Sequence[Any]) -> str | None:
        """The value with the types that JSON gives it: text S, numbers N, null NULL, arrays L, objects M."""
        try:
            cell = cells[self.column]
            if self.omit and is_empty(cell, self.omit):
                return None
            return encode_value(self._value(cell), self.level)
        except RejectError as error:
            raise located(label(self.name, [self.column_name]), error) from error

    def _value(self, cell: object) -> object:
        if cell is MISSING:
            raise missing(self.column_name)
        value = parse_json(cell) if isinstance(cell, str) else cell
        if not isinstance(value, dict if self.type == "M" else list):
            given = quoted(cell) if isinstance(cell, str) else json_type(cell)
            problem = f"a JSON {'object' if self.type == 'M' else 'array'} is needed, not {given}"
            raise RejectError(Reason.VALUE_UNSUPPORTED, problem)
        return value

    def form(self) -> None:
        """None: the value is converted."""


@dataclass(frozen=True, slots=True)
class MapOf:
    """M with its members spelled out."""

    members: tuple[tuple[str, Attribute], ...]
    omit_empty: bool

    def encode(self, cells: Sequence[Any]) -> str | None:
        """The members that are not left out."""
        values = [(name, member.encode(cells)) for name, member in self.members]
        written = [f"{quote(name)}:{value}" for name, value in values if value is not None]
        return f'{{"M":{{{",".join(written)}}}}}' if written or not self.omit_empty else None

    def form(self) -> Form | None:
        """The members' forms in a row, where each has one and none can be left out."""
        forms = _fixed_forms([member for _, member in self.members])
        if forms is None:
            return None
        named = [(f"{quote(name)}:", *form.parts) for (name, _), form in zip(self.members, forms, strict=True)]
        return Form(('{"M":{', *_separated(named), "}}"))


@dataclass(frozen=True, slots=True)
class ListOf:
    """L with its elements spelled out."""

    elements: tuple[Attribute, ...]
    omit_empty: bool

    def encode(self, cells: Sequence[Any]) -> str | None:
        """The elements that are not left out."""
        values = [element.encode(cells) for element in self.elements]
        written = [value for value in values if value is not None]
        return f'{{"L":[{",".join(written)}]}}' if written or not self.omit_empty else None

    def form(self) -> Form | None:
        """The elements' forms in a row, where each has one and none can be left out."""
        forms = _fixed_forms(self.elements)
        return None if forms is None else Form(('{"L":[', *_separated([form.parts for form in forms]), "]}"))


def _fixed_forms(attributes: Sequence[Attribute]) -> list[Form] | None:
    forms = [attribute.form() for attribute in attributes]
    fixed = [form for form in forms if form is not None and form.optional is None]
    return fixed if len(fixed) == len(forms) else None


def _separated(groups: Sequence[tuple[str | Slot, ...]]) -> list[str | Slot]:
    parts: list[str | Slot] = []
    for group in groups:
        parts += ((",",) if parts else ()) + group
    return parts


@dataclass(frozen=True, slots=True)
class Where:
    """Where a value is: its path in the input (mapping.lat), its name in the item (lat), how many levels deep."""

    path: str
    name: str
    level: int

    def below(self, member: object) -> Where:
        """One member of this value."""
        return Where(f"{self.path}.{member}", f"{self.name}.{member}", self.level + 1)


@dataclass(frozen=True, slots=True)
class _Typed:
    """A typed value: {"N": "{lat}", "omitEmpty": true} has the kind N."""

    kind: str
    value: Any
    modifiers: Mapping[str, Any]
    where: Where
    columns: SourceColumns

    @property
    def path(self) -> str:
        return f"{self.where.path}.{self.kind}"

    @property
    def omit(self) -> tuple[str, ...]:
        words = self.modifiers.get("omitEmpty", False)
        return ("", *words) if isinstance(words, list) else ("",) * words

    def error(self, problem: str, modifier: str | None = None) -> InvalidInputError:
        return InvalidInputError(f"{self.where.path}.{modifier}" if modifier else self.path, problem)

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
            raise self.error("has no effect on a value without columns", "omitEmpty")
        return template

    def within(self) -> Where:
        return Where(self.path, self.where.name, self.where.level)


def parse_attribute(spec: object, where: Where, columns: SourceColumns) -> Attribute:
    """Read one value of a mapping, with all that it holds. Raises InvalidInputError that names its path."""
    if where.level > MAX_LEVELS:
        raise InvalidInputError(where.path, f"is nested more than {MAX_LEVELS} levels deep")
    typed = _typed(spec, where, columns)
    attribute = _KINDS[typed.kind].read(typed)
    if isinstance(attribute, Scalar | Boolean | SetOf) and not attribute.columns:
        _check_constant(attribute, typed)
    return attribute


def _typed(spec: object, where: Where, columns: SourceColumns) -> _Typed:
    if isinstance(spec, str):
        return _Typed("S", spec, {}, where, columns)
    if not isinstance(spec, Mapping):
        raise InvalidInputError(where.path, 'must be a text such as "{column}" or typed, such as {"N": "{column}"}')
    kinds = [name for name in spec if name not in _MODIFIERS]
    if len(kinds) != 1 or kinds[0] not in _KINDS:
        given = " and ".join(map(str, kinds)) or "none"
        raise InvalidInputError(where.path, f"must have one type of {', '.join(_KINDS)}, and has {given}")
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
    allow_empty = typed.modifiers.get("allowEmpty", False)
    if not isinstance(allow_empty, bool):
        raise typed.error("must be true or false", "allowEmpty")
    if allow_empty and typed.where.level > 1:
        raise typed.error("belongs to key attributes", "allowEmpty")
    return Scalar(typed.where.name, typed.kind, typed.one_template(), _number_text(typed), allow_empty)


def _number_text(typed: _Typed) -> NumberText | None:
    """How the cell's text becomes a number, where it is not one as it is."""
    given = [name for name in ("date", "decimal", "group") if name in typed.modifiers]
    if not given:
        return None
    if len(given) > 1 and "date" in given:
        raise typed.error(f"cannot be combined with {given[1]}", "date")
    return _date_number(typed) if given == ["date"] else _grouped_number(typed)


def _date_number(typed: _Typed) -> NumberText:
    form = typed.modifiers["date"]
    if not isinstance(form, str) or not form:
        raise typed.error('must be "iso8601", or a format such as "%Y-%m-%d"', "date")
    try:
        return date_number(form)
    except ValueError as error:
        raise typed.error(str(error), "date") from error


def _grouped_number(typed: _Typed) -> NumberText:
    for name in ("decimal", "group"):
        mark = typed.modifiers.get(name, " ")
        if not isinstance(mark, str) or len(mark) != 1 or mark in "0123456789+-eE":
            raise typed.error("must be one character, and neither a digit nor part of a number", name)
    decimal, group = typed.modifiers.get("decimal", "."), typed.modifiers.get("group")
    if decimal == group:
        raise typed.error(f"is {quoted(decimal)}, as the decimal separator is; give both", "group")
    return grouped_number(decimal, group)


def _boolean(typed: _Typed) -> Attribute:
    if isinstance(typed.value, bool) and not typed.modifiers:
        return Constant('{"BOOL":true}' if typed.value else '{"BOOL":false}')
    words = _words(typed) if {"true", "false"} & typed.modifiers.keys() else UNNAMED_WORDS
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
        raise typed.error("has no effect without members", "omitEmpty")
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


_KEY_MODIFIERS = frozenset({"omitEmpty", "allowEmpty"})
_KINDS = {
    "S": _Kind(_scalar, _KEY_MODIFIERS),
    "N": _Kind(_scalar, _KEY_MODIFIERS | {"date", "decimal", "group"}),
    "B": _Kind(_scalar, _KEY_MODIFIERS),
    "BOOL": _Kind(_boolean, frozenset({"omitEmpty", "true", "false"})),
    "NULL": _Kind(_null, frozenset()),
    **dict.fromkeys(("SS", "NS", "BS"), _Kind(_set, frozenset({"omitEmpty", "separator"}))),
    "M": _Kind(_map, frozenset({"omitEmpty"})),
    "L": _Kind(_list, frozenset({"omitEmpty"})),
}
_MODIFIERS = frozenset(name for kind in _KINDS.values() for name in kind.modifiers)


_MAX_NAME_BYTES = 65535


def parse_mapping(mapping: object, columns: SourceColumns, schema: KeySchema) -> dict[str, Attribute]:
    """The attributes of whole items by name. Raises InvalidInputError, whose field is a path: mapping.lat.N."""
    attributes = parse_attributes(mapping, columns)
    for key in schema.attributes:
        _check_key(key, attributes.get(key.name))
    for key in schema.indexed:
        if key.name in attributes:
            _check_type(key, attributes[key.name])
    _check_allow_empty(attributes, schema)
    return attributes


def parse_attributes(mapping: object, columns: SourceColumns) -> dict[str, Attribute]:
    """The attributes by name, be they an item or not. Raises InvalidInputError."""
    if not isinstance(mapping, Mapping) or not mapping:
        raise InvalidInputError("mapping", "must be an object with an entry for each attribute")
    for name in mapping:
        check_name("mapping", name)
    return {name: parse_attribute(spec, Where(f"mapping.{name}", name, 1), columns) for name, spec in mapping.items()}


def check_name(path: str, name: str) -> None:
    """Raise InvalidInputError for a name that no attribute can have."""
    if not 1 <= len(name.encode("utf-8", "surrogatepass")) <= _MAX_NAME_BYTES:
        raise InvalidInputError(path, f"an attribute name has 1 to {_MAX_NAME_BYTES} bytes")


def _check_key(key: KeyAttribute, attribute: Attribute | None) -> None:
    if attribute is None:
        raise InvalidInputError("mapping", f"has no {key.name}, which is a key attribute of the table")
    scalar = _check_type(key, attribute)
    if scalar.template.omit:
        raise InvalidInputError(f"mapping.{key.name}.omitEmpty", "a key attribute cannot be left out")
    if not scalar.columns:
        _check_constant_key(key, scalar)


def _check_type(key: KeyAttribute, attribute: Attribute) -> Scalar:
    path = f"mapping.{key.name}"
    if not isinstance(attribute, Scalar) or attribute.type != key.type:
        raise InvalidInputError(path, f"must be of type {key.type}, as {key.owner} is")
    if key.index is not None and not attribute.columns:
        _check_constant_key(key, attribute)
    return attribute


def _check_constant_key(key: KeyAttribute, scalar: Scalar) -> None:
    try:
        key_identity(key, scalar.text(()) or "")
    except RejectError as error:
        raise InvalidInputError(f"mapping.{key.name}", str(error)) from error


def _check_allow_empty(attributes: Mapping[str, Attribute], schema: KeySchema) -> None:
    keys = {key.name for key in (*schema.attributes, *schema.indexed)}
    for name, attribute in attributes.items():
        if isinstance(attribute, Scalar) and attribute.allow_empty and name not in keys:
            raise InvalidInputError(f"mapping.{name}.allowEmpty", "belongs to key attributes")
