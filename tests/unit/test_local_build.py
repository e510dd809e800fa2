import sys
from pathlib import Path

import pytest

from sluice_cli.exit_code import CommandError
from sluice_cli.local_build import Outcome, build, copy_build

# Empties the directory as SAM does, and copies the functions over their dependencies. Another folder is not theirs.
SAM = """#!{python}
import pathlib, shutil, sys
shutil.rmtree(".aws-sam/local", ignore_errors=True)
shutil.copytree("functions", ".aws-sam/local/Function")
pathlib.Path(".aws-sam/local/Function/dependency.py").write_text("dependency")
pathlib.Path(".aws-sam/local/Layer").mkdir()
{more}
"""
HANDLER = Path("functions", "handler.py")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return new_project(tmp_path / "project")


def new_project(root: Path) -> Path:
    for name, text in (
        (HANDLER, "one"),
        ("functions/requirements.txt", "boto3"),
        ("template.yaml", "Resources: {}"),
        ("samconfig.toml", "version = 0.1"),
        ("statemachines/load.asl.json", "{}"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def build_in(root: Path, more: str = "") -> Outcome:
    """Build with a SAM that also does `more`."""
    sam = root / "sam"
    sam.write_text(SAM.format(python=sys.executable, more=more))
    sam.chmod(0o755)
    return build(sam, root, {}, lambda _line: None)


def built(root: Path) -> str:
    return (root / ".aws-sam" / "local" / "Function" / "handler.py").read_text()


def test_same_files_are_built_once(project: Path) -> None:
    assert build_in(project) is Outcome.BUILT
    assert build_in(project) is Outcome.REUSED
    assert built(project) == "one"


@pytest.mark.parametrize(
    "name", ["functions/requirements.txt", "functions/data.json", "template.yaml", "samconfig.toml"]
)
def test_file_that_is_not_python_is_built_by_sam(project: Path, name: str) -> None:
    build_in(project)
    (project / name).write_text("two")

    assert build_in(project) is Outcome.BUILT
    assert build_in(project) is Outcome.REUSED


def test_changed_and_new_modules_are_copied(project: Path) -> None:
    build_in(project)
    (project / HANDLER).write_text("two")
    (project / "functions" / "package").mkdir()
    (project / "functions" / "package" / "new.py").write_text("new")

    assert build_in(project) is Outcome.COPIED
    assert build_in(project) is Outcome.REUSED
    assert built(project) == "two"
    folder = project / ".aws-sam" / "local"
    assert (folder / "Function" / "package" / "new.py").read_text() == "new"
    assert (folder / "Function" / "dependency.py").read_text() == "dependency"
    assert list((folder / "Layer").iterdir()) == []


def test_module_whose_mode_changed_is_copied(project: Path) -> None:
    build_in(project)
    (project / HANDLER).chmod(0o755)

    assert build_in(project) is Outcome.COPIED
    assert (project / ".aws-sam" / "local" / "Function" / "handler.py").stat().st_mode & 0o777 == 0o755


def test_removed_module_is_built_by_sam(project: Path) -> None:
    (project / "functions" / "other.py").write_text("")
    build_in(project)
    (project / "functions" / "other.py").unlink()

    assert build_in(project) is Outcome.BUILT
    assert not (project / ".aws-sam" / "local" / "Function" / "other.py").exists()


def test_build_without_a_folder_of_the_functions_is_made_by_sam(project: Path) -> None:
    build_in(project)
    (project / ".aws-sam" / "local" / "Function" / "handler.py").unlink()
    (project / HANDLER).write_text("two")

    assert build_in(project) is Outcome.BUILT
    assert built(project) == "two"


def test_copy_that_was_interrupted_is_made_again(project: Path) -> None:
    build_in(project)
    (project / HANDLER).write_text("two")
    (project / ".aws-sam" / "local" / "Function" / "package").write_text("in the way")
    (project / "functions" / "package").mkdir()
    (project / "functions" / "package" / "new.py").write_text("new")
    with pytest.raises(FileExistsError):
        build_in(project)
    (project / HANDLER).write_text("one")
    (project / "functions" / "package" / "new.py").unlink()

    assert build_in(project) is Outcome.BUILT
    assert built(project) == "one"


def test_compiled_files_and_state_machines_are_not_built(project: Path) -> None:
    build_in(project)
    (project / "functions" / "__pycache__").mkdir()
    (project / "functions" / "__pycache__" / "handler.pyc").write_bytes(b"1")
    (project / "statemachines" / "load.asl.json").write_text("[]")

    assert build_in(project) is Outcome.REUSED


def test_removed_build_is_made_again(project: Path) -> None:
    build_in(project)
    (project / ".aws-sam" / "local").rename(project / "elsewhere")

    assert build_in(project) is Outcome.BUILT
    assert built(project) == "one"


def test_failed_build_is_tried_again(project: Path) -> None:
    with pytest.raises(CommandError):
        build_in(project, more="sys.exit(1)")

    assert build_in(project) is Outcome.BUILT


def test_file_that_changes_during_the_build_is_built_again(project: Path) -> None:
    build_in(project, more=f"pathlib.Path({str(HANDLER)!r}).write_text('two')")

    assert built(project) == "one"
    assert build_in(project) is Outcome.BUILT
    assert built(project) == "two"


def test_copy_of_the_project_takes_its_build(project: Path, tmp_path: Path) -> None:
    copy = new_project(tmp_path / "copy")
    build_in(project)
    copy_build(project, copy)

    assert built(copy) == "one"
    assert build_in(copy) is Outcome.REUSED


def test_copy_with_a_change_is_built_itself(project: Path, tmp_path: Path) -> None:
    copy = new_project(tmp_path / "copy")
    (copy / HANDLER).write_text("two")
    build_in(project)
    copy_build(project, copy)

    assert build_in(copy) is Outcome.BUILT
    assert built(copy) == "two"
