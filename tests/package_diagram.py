"""The package diagram of docs/architecture.md, from imports. `python -m tests.package_diagram` writes it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FUNCTIONS = ROOT / "functions"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- package diagram -->\n", "<!-- end -->"


def module_name(path: Path) -> str:
    """The dotted name of a file below functions/."""
    return ".".join(path.relative_to(FUNCTIONS).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted((FUNCTIONS / "sluice").rglob("*.py"))}


def imports(name: str) -> Iterator[str]:
    """Modules of Sluice that a module imports at run time or for its annotations."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sluice"):
            names = [f"{node.module}.{each.name}" for each in node.names]
            yield from {each if each in MODULES else node.module for each in names}


def package(name: str) -> str:
    """The package of a module: empty for the top level, workflows/<workflow> for those of a workflow."""
    _, *parts = name.split(".")
    if parts[:1] == ["workflows"]:
        return "/".join(parts[:2])
    return parts[0] if len(parts) > 1 or (FUNCTIONS / "sluice" / "".join(parts)).is_dir() else ""


def relations() -> set[tuple[str, str]]:
    """Pairs of packages of which the first imports the second."""
    pairs = {(package(name), package(each)) for name in MODULES for each in imports(name)}
    return {(one, other) for one, other in pairs if one != other}


def diagram() -> str:
    """The diagram as Mermaid; workflows that import the same packages are one box."""
    imported: dict[str, set[str]] = {}
    for one, other in relations():
        if one and other:
            imported.setdefault(one, set()).add(other)
    boxes: dict[tuple[str, ...], list[str]] = {}
    for one, others in sorted(imported.items()):
        group = ("workflows", *sorted(others)) if one.startswith("workflows/") else (one,)
        boxes.setdefault(group, []).append(one)
    lines = ["```mermaid", "flowchart TD"]
    for number, names in enumerate(boxes.values()):
        box = names[0] if len(names) == 1 and "/" not in names[0] else f"w{number}"
        label = "<br>".join(each.removeprefix("workflows/") for each in names)
        lines.append(f"    {box}[{label}]")
        lines += [f"    {box} --> {each}" for each in sorted(imported[names[0]])]
    return "\n".join([*lines, "```"])


def page_with_diagram(page: str) -> str:
    """The page with the diagram as the imports are now."""
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}{diagram()}\n{END}", page, flags=re.S)


if __name__ == "__main__":
    PAGE.write_text(page_with_diagram(PAGE.read_text()))
