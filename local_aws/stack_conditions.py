"""Conditions of a stack that join the members of a list: ministack compares the unjoined list, which equals no text."""

from collections.abc import Callable
from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers, stacks

from local_aws.replacements import check, replace

JOIN = "Fn::Join"
EVALUATE = "_evaluate_conditions"
PARAMETERS = ("template", "params")

Evaluate = Callable[[dict[str, Any], dict[str, Any]], dict[str, bool]]


def install() -> None:
    """Replace the evaluation wherever it has been imported to."""
    evaluate = with_joins(check(engine, EVALUATE, PARAMETERS))
    for module in (engine, changesets, handlers, stacks):
        replace(module, EVALUATE, PARAMETERS, evaluate)


def with_joins(evaluate: Evaluate) -> Evaluate:
    """The evaluation, with each Fn::Join in a condition worked out before."""

    def evaluate_joined(template: dict[str, Any], params: dict[str, Any]) -> dict[str, bool]:
        conditions = _joined(template.get("Conditions", {}), params)
        return evaluate({**template, "Conditions": conditions}, params)

    return evaluate_joined


def _joined(node: Any, params: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_joined(each, params) for each in node]
    if not isinstance(node, dict):
        return node
    if JOIN in node:
        separator, members = node[JOIN]
        return str(separator).join(_members(members, params))
    return {name: _joined(each, params) for name, each in node.items()}


def _members(node: Any, params: dict[str, Any]) -> list[str]:
    """The texts of a list, of which a parameter may stand for all or for one."""
    if isinstance(node, list):
        return [",".join(_members(each, params)) for each in node]
    if isinstance(node, dict) and "Ref" in node:
        value = params.get(node["Ref"], {}).get("Value", node["Ref"])
        return [each.strip() for each in str(value).split(",")]
    return [str(_joined(node, params))]
