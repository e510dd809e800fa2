"""The public CI workflow names what exists, and no more rights than it needs."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.statemachine.definitions import ROOT, template

# YAML 1.1 reads the key `on` as true.
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
STEPS = [(name, step) for name, job in WORKFLOW["jobs"].items() for step in job["steps"]]
COMMANDS = [step["run"] for _, step in STEPS if "run" in step]
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.startswith("make ")])
def test_make_target_exists(command: str) -> None:
    assert command.removeprefix("make ") in TARGETS


def test_workflow_runs_every_check() -> None:
    assert {"make check", "make test", "make test-long", "make validate", "make sam-local"} <= set(COMMANDS)


def test_tests_run_on_every_python_that_the_template_offers() -> None:
    offered = template()["Parameters"]["PythonRuntime"]["AllowedValues"]
    assert [f"python{each}" for each in WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"]] == offered


def test_workflow_may_only_read() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in WORKFLOW["jobs"].values())
    checkouts = [step for _, step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(WORKFLOW["jobs"])
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_actions_have_a_version() -> None:
    used = [step["uses"] for _, step in STEPS if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", each) for each in used)
