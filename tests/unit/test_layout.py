"""Packages of functions/sluice import downward only, and each module imports alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.package_diagram import FUNCTIONS, MODULES, PAGE, imports, page_with_diagram, relations

# From the bottom to the top. Each workflow is a package of its own above them.
LAYERS = ("", "aws", "dynamodb", "mapping", "reading", "run_item", "runs", "report")
TOP_LEVEL_IMPORTS_MAX = 69

IMPORT_EACH_ALONE = """
import importlib, sys
for name in sys.argv[1:]:
    for each in [each for each in sys.modules if each.partition(".")[0] in ("sluice", "transforms")]:
        del sys.modules[each]
    importlib.import_module(name)
"""


def public_names(path: Path) -> tuple[list[str], list[str]]:
    """The classes and the constants that a module defines."""
    body = ast.parse(path.read_text()).body
    classes = [each.name for each in body if isinstance(each, ast.ClassDef)]
    assigned = [
        name.id
        for each in body
        if isinstance(each, ast.Assign | ast.AnnAssign)
        for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
        for name in ast.walk(target)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    ]
    constants = [name for name in assigned if name.isupper() and len(name) > 1]
    return [each for each in classes if each[0] != "_"], [each for each in constants if each[0] != "_"]


def layer(of: str) -> int:
    return LAYERS.index(of) if of in LAYERS else len(LAYERS)


RELATIONS = relations()


def test_no_package_imports_upward() -> None:
    assert [(one, other) for one, other in sorted(RELATIONS) if layer(other) >= layer(one)] == []


def test_packages_have_few_relations() -> None:
    assert len(RELATIONS) <= TOP_LEVEL_IMPORTS_MAX


def test_modules_have_no_cycles() -> None:
    graph = {name: set(imports(name)) - {name} for name in MODULES}
    assert set(TopologicalSorter(graph).static_order()) == set(MODULES)


def test_each_module_imports_alone() -> None:
    subprocess.run([sys.executable, "-c", IMPORT_EACH_ALONE, *MODULES], cwd=FUNCTIONS, check=True)


def test_diagram_of_the_packages_is_that_of_the_imports() -> None:
    assert PAGE.read_text() == page_with_diagram(PAGE.read_text()), "run python -m tests.package_diagram"


@pytest.mark.parametrize("kind", [0, 1], ids=["classes", "constants"])
def test_a_name_means_one_thing(kind: int) -> None:
    """A class or a constant has one home, so that its name can be searched for."""
    counts = Counter(name for path in MODULES.values() for name in public_names(path)[kind])
    assert [name for name, number in counts.items() if number > 1] == []


def test_workflows_import_no_workflow() -> None:
    own = [(each.partition("/")[2], other.partition("/")[2]) for each, other in RELATIONS]
    assert [(one, other) for one, other in own if one and other and one != other] == []
