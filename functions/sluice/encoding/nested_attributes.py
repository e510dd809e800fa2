"""The attributes of a mapping that hold several values: sets, maps and lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as quote
from typing import Any

from sluice.encoding.attributes import Attribute, Form, Slot, place
from sluice.encoding.binaries import binary_text
from sluice.encoding.cell_templates import MISSING, CellTemplate, is_empty, json_type, missing
from sluice.encoding.numbers import normal_form
from sluice.encoding.values import encode_value, parse_json
from sluice.errors import RejectError
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
            raise located(place(self.name, names), error) from error
        return f'{{"{self.type}":[{",".join(elements)}]}}' if elements else None

    def _elements(self, cells: Sequence[Any]) -> list[str]:
        kind = self.type[0]
        identity = _IDENTITIES[kind]
        texts = self._texts(cells)
        if not texts and not self.omit:
            raise RejectError(Reason.SET_EMPTY, "an empty set, which DynamoDB does not take")
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
            raise located(place(self.name, [self.column_name]), error) from error

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
