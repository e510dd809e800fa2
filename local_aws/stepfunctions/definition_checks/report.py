"""What the checks of a definition find, as ValidateStateMachineDefinition reports it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

SCHEMA = "SCHEMA_VALIDATION_FAILED"
UNIONS = {
    dict: "Object",
    list: "Array",
    str: "String",
    bool: "Boolean",
    int: "Integer",
    float: "Double",
}


@dataclass(frozen=True)
class Diagnostic:
    """One error; an error of the whole definition has no location."""

    code: str
    message: str
    location: str | None = None

    def __str__(self) -> str:
        """As the error of CreateStateMachine has it."""
        return f"{self.code}: {self.message} at {'null' if self.location is None else self.location}"


@dataclass
class Report:
    """Collects the diagnostics in the order in which they are found."""

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(self, code: str, message: str, location: str | None = None) -> None:
        """Report an error."""
        self.diagnostics.append(Diagnostic(code, message, location))

    def schema(self, message: str, location: str) -> None:
        """Report an error of the definition's form."""
        self.add(SCHEMA, message, location)

    def unsupported(self, given: Mapping[str, Any], known: Iterable[str], location: str) -> None:
        """Report each field that is not known there."""
        for name in sorted(set(given) - set(known)):
            self.schema(f"Field '{name}' is not supported", location)

    def required(self, given: Mapping[str, Any], names: Iterable[str], location: str) -> None:
        """Report the fields that are missing."""
        missing = [name for name in names if name not in given]
        if missing:
            self.schema(f"These fields are required: [{', '.join(missing)}]", location or "/")

    def at_most_one(self, given: Mapping[str, Any], names: tuple[str, ...], location: str) -> None:
        """Report fields that exclude each other."""
        if sum(name in given for name in names) > 1:
            self.schema(f"There should only be one of the following fields: [{', '.join(names)}]", location)

    def exactly_one(self, given: Mapping[str, Any], names: tuple[str, ...], location: str) -> None:
        """Report fields that exclude each other, or of which none is there."""
        self.at_most_one(given, names, location)
        if not any(name in given for name in names):
            self.schema(f"This object should have only one of the following fields: [{', '.join(names)}]", location)

    def is_a(self, value: Any, kind: type, location: str) -> bool:
        """Whether the value is of this type; report it otherwise."""
        fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if not fits:
            self.schema(f"Expected value of type {UNIONS[kind]}", location)
        return fits

    def is_filled_list(self, value: Any, location: str) -> bool:
        """Whether the value is a list that is not empty; report it otherwise."""
        if not self.is_a(value, list, location):
            return False
        if not value:
            self.schema("Value cannot be empty", location)
        return bool(value)

    def one_of(self, value: Any, known: tuple[str, ...], location: str) -> None:
        """Report a value that is none of these."""
        if value not in known:
            self.schema(f"Value should be one of the following: [{', '.join(known)}]", location)


def is_expression_like(value: Any) -> bool:
    """Whether JSONata takes the text as an expression, well-formed or not."""
    return isinstance(value, str) and re.match(r"\{%", value) is not None
