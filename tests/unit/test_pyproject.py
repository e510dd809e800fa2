"""What an installed command imports is among the dependencies that pyproject.toml declares."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Collection
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Of the project, of Python 3.14, or what boto3 brings.
GIVEN = {"compression", "sluice", "sluice_cli", "local_aws", "transforms", "botocore", "s3transfer", "urllib3"}
# Used by `sluice local deploy` alone.
LOCAL_ONLY = {"packages.py"}
# Used by functions alone, which local AWS runs.
FUNCTIONS_ONLY = {"step.py", "ending.py", "decompression.py"}


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[; ]", each)[0].lower() for each in requirements}


def imported(folder: str, without: Collection[str] = ()) -> set[str]:
    """Top-level modules that files of the folder import when they run."""
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        if path.name in without:
            continue
        tree = ast.parse(path.read_text())
        of_types = {
            id(each)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for each in ast.walk(node)
        }
        for node in ast.walk(tree):
            if id(node) not in of_types:
                if isinstance(node, ast.Import):
                    found |= {each.name.partition(".")[0] for each in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - GIVEN


def distributions(modules: set[str]) -> set[str]:
    by_module = packages_distributions()
    return {by_module[each][0].lower().replace("_", "-") for each in modules}


def test_command_needs_no_more_than_the_dependencies() -> None:
    modules = imported("sluice_cli", LOCAL_ONLY) | imported("functions/sluice", FUNCTIONS_ONLY)
    assert distributions(modules) <= declared(PROJECT["dependencies"])


@pytest.mark.parametrize("folder", ["local_aws", "sluice_cli", "functions/sluice"])
def test_local_aws_needs_no_more_than_its_extra(folder: str) -> None:
    extra = declared(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["local"])
    assert distributions(imported(folder)) <= extra


def test_pinned_versions_are_those_of_development() -> None:
    pins = [each for each in PROJECT["optional-dependencies"]["local"] if "==" in each]
    locked = (ROOT / "requirements-dev.txt").read_text()
    assert pins
    assert [each for each in pins if f"{each} " not in locked] == []
