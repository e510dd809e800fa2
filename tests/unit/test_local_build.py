import sys
from pathlib import Path

import pytest

from sluice_cli.exit_code import CommandError
from sluice_cli.local_build import build, copy_build

# Empties the directory as SAM does, and copies a function into it.
SAM = """#!{python}
import pathlib, shutil, sys
shutil.rmtree(".aws-sam/local", ignore_errors=True)
shutil.copytree("functions", ".aws-sam/local")
{more}
"""
HANDLER = Path("functions", "handler.py")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return new_project(tmp_path / "project")


def new_project(root: Path) -> Path:
    for name, text in (
        (HANDLER, "one"),
        ("template.yaml", "Resources: {}"),
        ("samconfig.toml", "version = 0.1"),
        ("statemachines/load.asl.json", "{}"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def build_in(root: Path, more: str = "") -> bool:
    """Build with a SAM that also does `more`; whether it was called."""
    sam = root / "sam"
    sam.write_text(SAM.format(python=sys.executable, more=more))
    sam.chmod(0o755)
    return build(sam, root, {}, lambda _line: None)


def built(root: Path) -> str:
    return (root / ".aws-sam" / "local" / "handler.py").read_text()


def test_same_files_are_built_once(project: Path) -> None:
    assert build_in(project)
    assert not build_in(project)
    assert built(project) == "one"


@pytest.mark.parametrize("name", [str(HANDLER), "functions/new.py", "template.yaml", "samconfig.toml"])
def test_changed_file_is_built_again(project: Path, name: str) -> None:
    build_in(project)
    (project / name).write_text("two")

    assert build_in(project)


def test_file_whose_mode_changed_is_built_again(project: Path) -> None:
    build_in(project)
    (project / HANDLER).chmod(0o755)

    assert build_in(project)


def test_removed_file_is_built_again(project: Path) -> None:
    (project / "functions" / "other.py").write_text("")
    build_in(project)
    (project / "functions" / "other.py").unlink()

    assert build_in(project)


def test_compiled_files_and_state_machines_are_not_built(project: Path) -> None:
    build_in(project)
    (project / "functions" / "__pycache__").mkdir()
    (project / "functions" / "__pycache__" / "handler.pyc").write_bytes(b"1")
    (project / "statemachines" / "load.asl.json").write_text("[]")

    assert not build_in(project)


def test_removed_build_is_made_again(project: Path) -> None:
    build_in(project)
    (project / ".aws-sam" / "local").rename(project / "elsewhere")

    assert build_in(project)
    assert built(project) == "one"


def test_failed_build_is_tried_again(project: Path) -> None:
    with pytest.raises(CommandError):
        build_in(project, more="sys.exit(1)")

    assert build_in(project)


def test_file_that_changes_during_the_build_is_built_again(project: Path) -> None:
    build_in(project, more=f"pathlib.Path({str(HANDLER)!r}).write_text('two')")

    assert built(project) == "one"
    assert build_in(project)
    assert built(project) == "two"


def test_copy_of_the_project_takes_its_build(project: Path, tmp_path: Path) -> None:
    copy = new_project(tmp_path / "copy")
    build_in(project)
    copy_build(project, copy)

    assert built(copy) == "one"
    assert not build_in(copy)


def test_copy_with_a_change_is_built_itself(project: Path, tmp_path: Path) -> None:
    copy = new_project(tmp_path / "copy")
    (copy / HANDLER).write_text("two")
    build_in(project)
    copy_build(project, copy)

    assert build_in(copy)
    assert built(copy) == "two"
