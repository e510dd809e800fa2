"""What template.yaml grants: each action of each statement of each role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.statemachine.definitions import template

OWN_ROLES = ("AWS::Serverless::Function", "AWS::Serverless::StateMachine")


@dataclass(frozen=True, order=True)
class Permission:
    """An action of a statement (by its Sid) of a role (by its name in the template, or the one that SAM gives it)."""

    role: str
    statement: str
    action: str
    effect: str = "Allow"

    def __str__(self) -> str:
        return f"{self.role}, {self.statement}: {self.action}"


def permissions() -> frozenset[Permission]:
    """All of them, whatever they depend on. Actions with a wildcard, and NotAction, are one each."""
    return frozenset(
        Permission(role, statement["Sid"], action, statement["Effect"])
        for role, document in _documents()
        for statement in _statements(document)
        for action in _listed(statement.get("Action") or f"not {statement['NotAction']}")
    )


def roles_of(workflow: str) -> frozenset[str]:
    """The roles of a workflow's state machine and of the functions that it calls."""
    machine = "".join(part.capitalize() for part in workflow.split("_")) + "StateMachine"
    filled = template()["Resources"][machine]["Properties"]["DefinitionSubstitutions"]
    return frozenset(f"{name}Role" for name in (machine, *filled) if name.endswith(("StateMachine", "Function")))


def _documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in _resources(template()["Resources"]):
        properties = resource["Properties"]
        if resource["Type"] in OWN_ROLES:
            yield from ((f"{name}Role", each) for each in properties.get("Policies", []))
        elif resource["Type"] == "AWS::IAM::Role":
            yield from ((name, each["PolicyDocument"]) for each in properties["Policies"])
        elif resource["Type"] == "AWS::IAM::Policy":
            yield from ((each["Ref"], properties["PolicyDocument"]) for each in properties["Roles"])


def _resources(resources: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Resources by their names, also those that a Fn::ForEach makes."""
    for name, resource in resources.items():
        if name.startswith("Fn::ForEach::"):
            yield from _resources(resource[2])
        else:
            yield name, resource


def _statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Statements, also those that depend on a condition."""
    for each in document["Statement"]:
        yield each["Fn::If"][1] if "Fn::If" in each else each


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
