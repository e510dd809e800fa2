"""The command finds Sluice's directory when it is installed elsewhere, as by `pip install .`."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice_cli import local, local_build
from sluice_cli.exit_code import CommandError
from sluice_cli.surroundings import PROJECT_ROOT, project_root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with what a project has."""
    root = tmp_path / "sluice"
    (root / "statemachines").mkdir(parents=True)
    (root / "template.yaml").write_text("")
    return root


def test_checkout_that_the_command_was_installed_from_is_the_root(tmp_path: Path) -> None:
    assert project_root(directory=tmp_path) == PROJECT_ROOT


@pytest.mark.parametrize("below", ["", "statemachines", "functions/transforms"])
def test_nearest_project_is_the_root_of_an_installed_command(tmp_path: Path, project: Path, below: str) -> None:
    (project / below).mkdir(parents=True, exist_ok=True)
    assert project_root(tmp_path / "site-packages", project / below) == project


def test_without_a_project_the_current_directory_is_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert project_root(tmp_path / "site-packages") == tmp_path


def test_build_outside_a_project_says_where_to_run_it(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"no template\.yaml in .*; run the command in Sluice's directory"):
        local_build.build(tmp_path / "sam", tmp_path, {}, print)


def test_local_aws_that_is_not_installed_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice_cli.local.find_spec", lambda _name: None)
    with pytest.raises(CommandError, match=r"pip install '\.\[local\]'"):
        local.up(tmp_path, outlive_caller=False)
