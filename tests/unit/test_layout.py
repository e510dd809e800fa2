"""Packages of functions/sluice import downward only, and each module imports alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

FUNCTIONS = Path(__file__).parents[2] / "functions"
# From the bottom to the top. Each workflow is a package of its own above them.
LAYERS = ("", "aws", "dynamodb", "mapping", "reading", "run_item", "runs")
TOP_LEVEL_IMPORTS_MAX = 69

IMPORT_EACH_ALONE = """
import importlib, sys
for name in sys.argv[1:]:
    for each in [each for each in sys.modules if each.partition(".")[0] in ("sluice", "transforms")]:
        del sys.modules[each]
    importlib.import_module(name)
"""


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(FUNCTIONS).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted((FUNCTIONS / "sluice").rglob("*.py"))}


def imports(name: str) -> Iterator[str]:
    """Modules of Sluice that a module imports at run time or for its annotations."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sluice"):
            names = [f"{node.module}.{each.name}" for each in node.names]
            yield from {each if each in MODULES else node.module for each in names}


def package(name: str) -> str:
    _, *parts = name.split(".")
    if parts[:1] == ["workflows"]:
        return "/".join(parts[:2])
    return parts[0] if len(parts) > 1 or (FUNCTIONS / "sluice" / "".join(parts)).is_dir() else ""


def layer(of: str) -> int:
    return LAYERS.index(of) if of in LAYERS else len(LAYERS)


RELATIONS = {
    (package(name), package(each)) for name in MODULES for each in imports(name) if package(name) != package(each)
}


def test_no_package_imports_upward() -> None:
    assert [(one, other) for one, other in sorted(RELATIONS) if layer(other) >= layer(one)] == []


def test_packages_have_few_relations() -> None:
    assert len(RELATIONS) <= TOP_LEVEL_IMPORTS_MAX


def test_modules_have_no_cycles() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for name in MODULES:
        graph[name] = set(imports(name)) - {name}
    assert set(TopologicalSorter(graph).static_order()) == set(MODULES)


def test_each_module_imports_alone() -> None:
    subprocess.run([sys.executable, "-c", IMPORT_EACH_ALONE, *MODULES], cwd=FUNCTIONS, check=True)
