"""What CloudFormation finds in a template before there is a stack: sections, references, cycles, parameters."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from ministack.services.cloudformation import engine

Template = dict[str, Any]

SECTIONS = frozenset(
    (
        "AWSTemplateFormatVersion",
        "Conditions",
        "Description",
        "Globals",
        "Hooks",
        "Mappings",
        "Metadata",
        "Outputs",
        "Parameters",
        "Resources",
        "Rules",
        "Transform",
    )
)
RESOURCE_MEMBERS = frozenset(
    (
        "Condition",
        "CreationPolicy",
        "DeletionPolicy",
        "DependsOn",
        "Metadata",
        "Properties",
        "Type",
        "UpdatePolicy",
        "UpdateReplacePolicy",
        "Version",
    )
)
FORMAT = "Template format error: "
VARIABLE = re.compile(r"\$\{([^!][^}]*)\}")


def checked_support(support: Callable[..., None]) -> Callable[..., None]:
    """ministack's checks of a template, and those of this module. Raises ValueError."""

    def check(template: Template, conditions: dict[str, bool], params: dict[str, Any] | None = None) -> None:
        if not template.get("Transform"):
            check_sections(template)
        support(template, conditions, params=params)
        if not template.get("Transform"):
            check_references(template)
            _check_cycles(template["Resources"], conditions)

    return check


def checked_parameters(resolve: Callable[..., Any]) -> Callable[..., Any]:
    """ministack's check of parameters, with what it leaves aside and CloudFormation's words. Raises ValueError."""

    def check(template: Template, provided: list[dict[str, Any]], previous: dict[str, Any] | None = None) -> Any:
        declared = template.get("Parameters") or {}
        unknown = [each["Key"] for each in provided if each.get("Key") not in declared]
        if unknown:
            raise ValueError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
        given = {each["Key"] for each in provided}
        missing = [name for name, each in declared.items() if name not in given and "Default" not in each]
        if missing:
            raise ValueError(f"Parameters: [{', '.join(missing)}] must have values")
        _check_allowed(declared, provided)
        return resolve(template, provided, previous)

    return check


def _check_allowed(declared: dict[str, Any], provided: list[dict[str, Any]]) -> None:
    values = {name: each["Default"] for name, each in declared.items() if "Default" in each}
    values |= {each["Key"]: each.get("Value") for each in provided if not each.get("UsePreviousValue")}
    for name, value in values.items():
        allowed = [str(each) for each in declared[name].get("AllowedValues", ())]
        members = str(value).split(",") if declared[name].get("Type") == "CommaDelimitedList" else [str(value)]
        if allowed and not all(each.strip() in allowed for each in members):
            message = declared[name].get("ConstraintDescription") or "must be one of AllowedValues"
            raise ValueError(f"Parameter '{name}' {message}")
        if declared[name].get("Type") == "Number" and not _is_number(value):
            raise ValueError(f"Parameter '{name}' must be a number.")


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def check_sections(template: Template) -> None:
    """The members of the template and of its resources. Raises ValueError."""
    unknown = sorted(set(template) - SECTIONS)
    if unknown:
        raise ValueError(f"{FORMAT}Invalid template property or properties [{', '.join(unknown)}]")
    resources = template.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise ValueError(f"{FORMAT}At least one Resources member must be defined.")
    for logical_id, resource in resources.items():
        if not isinstance(resource, dict):
            raise ValueError(f"{FORMAT}[/Resources/{logical_id}] resource definition is malformed")  # noqa: TRY004
        if not logical_id.isalnum():
            raise ValueError(f"{FORMAT}Resource name {logical_id} is non alphanumeric.")
        if "Type" not in resource:
            raise ValueError(f"{FORMAT}[/Resources/{logical_id}] Every Resources object must contain a Type member.")
        for member in sorted(set(resource) - RESOURCE_MEMBERS):
            raise ValueError(f"Invalid template resource property '{member}'")


def check_references(template: Template) -> None:
    """Ref, Fn::Sub, Fn::GetAtt, DependsOn and Condition name what there is. Raises ValueError."""
    resources, parameters = template["Resources"], template.get("Parameters") or {}
    for block in ("Resources", "Outputs"):
        content = template.get(block) or {}
        depended = [each for resource in content.values() for each in _listed(resource, "DependsOn")]
        conditions = [each for member in content.values() for each in _listed(member, "Condition")]
        missing = {each for each in depended if each not in resources}
        for name, attribute in _references(_without_conditions(content)):
            if name in resources or (attribute is None and (name in parameters or name.startswith("AWS::"))):
                continue
            if attribute is not None:
                raise ValueError(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
            missing.add(name)
        if missing:
            names = ", ".join(sorted(missing))
            raise ValueError(f"{FORMAT}Unresolved resource dependencies [{names}] in the {block} block of the template")
        for name in conditions:
            if name not in (template.get("Conditions") or {}):
                raise ValueError(f"{FORMAT}Unresolved condition dependency {name} in the {block} block of the template")


def _without_conditions(content: dict[str, Any]) -> list[Any]:
    """What may hold references: neither metadata nor the names of conditions and dependencies."""
    kept = [member for member in content.values() if isinstance(member, dict)]
    return [{name: each for name, each in member.items() if name != "Metadata"} for member in kept]


def _listed(member: Any, name: str) -> list[str]:
    value = member.get(name) if isinstance(member, dict) else None
    return [value] if isinstance(value, str) else list(value or ())


def _references(node: Any) -> Iterator[tuple[str, str | None]]:
    """The names that are referred to, each with its attribute if there is one."""
    if isinstance(node, list):
        for each in node:
            yield from _references(each)
    elif isinstance(node, dict) and len(node) == 1 and "Fn::Sub" in node:
        yield from _variables(node["Fn::Sub"])
    elif isinstance(node, dict) and len(node) == 1 and ("Ref" in node or "Fn::GetAtt" in node):
        yield from engine._intrinsic_references(node)
    elif isinstance(node, dict):
        for each in node.values():
            yield from _references(each)


def _variables(given: Any) -> Iterator[tuple[str, str | None]]:
    text, bindings = [*given, {}][:2] if isinstance(given, list) else (given, {})
    for name in VARIABLE.findall(str(text)):
        if name not in bindings:
            resource, _, attribute = name.partition(".")
            yield resource.strip(), attribute or None
    yield from _references(list(bindings.values()))


def _check_cycles(resources: dict[str, Any], conditions: dict[str, bool]) -> None:
    names = set(resources)
    itself = [name for name, each in resources.items() if name in engine._extract_deps(each, names)]
    try:
        engine._topological_sort(resources, conditions)
    except ValueError as error:
        itself = str(error).rpartition(": ")[2].split(", ")
    if itself:
        raise ValueError(f"Circular dependency between resources: [{', '.join(itself)}]")
