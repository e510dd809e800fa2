"""Packages of functions/sluice import downward only, and each module imports alone."""

from __future__ import annotations

import subprocess
import sys
from graphlib import TopologicalSorter

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
