"""The state machines as their files and the template have them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "statemachines").glob("*.asl.json"))
NAMES = [each.name.removesuffix(".asl.json") for each in FILES]


class _TemplateLoader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as {"Ref": ...} and {"Fn::GetAtt": ...}."""


def _short_form(loader: _TemplateLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_TemplateLoader.add_multi_constructor("!", _short_form)


def template() -> dict[str, Any]:
    """template.yaml as plain values, which a test may change."""
    return deepcopy(_parsed_template())


@cache
def _parsed_template() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), _TemplateLoader)
    return parsed


def resources() -> dict[str, Any]:
    """The template's resources, without those that a Fn::ForEach makes."""
    return {name: each for name, each in template()["Resources"].items() if not name.startswith("Fn::ForEach::")}


def definition(name: str) -> dict[str, Any]:
    """One state machine's definition."""
    parsed: dict[str, Any] = json.loads((ROOT / "statemachines" / f"{name}.asl.json").read_text())
    return parsed


def machine_resource(name: str) -> dict[str, Any]:
    """The properties of the template's resource that deploys the definition."""
    uri = f"statemachines/{name}.asl.json"
    machines = (each["Properties"] for each in resources().values() if "Properties" in each)
    return next(each for each in machines if each.get("DefinitionUri") == uri)


def all_states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state with its name, those inside Map and Parallel states included."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in [state.get("ItemProcessor"), *state.get("Branches", [])]:
            if inner:
                yield from all_states(inner)


def strings(value: object) -> Iterator[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
