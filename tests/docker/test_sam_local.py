"""`sam local invoke` of every function with every fixture, in real containers, against local AWS."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.airports import SOURCE_KEY, TABLE, airports_csv
from demo.sandbox import create_table
from sluice_cli.deploy import host_parameters, local_environment
from sluice_cli.main import main
from sluice_cli.surroundings import PROJECT_ROOT
from tests.fixtures import FIXTURES, expected_error
from tests.local.deployed import Deployed, deployed
from tests.unit.export_files import put_real_export

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The stack on local AWS that containers reach, with the run that the fixtures name."""
    with deployed(tmp_path_factory.mktemp("project"), bind_host="0.0.0.0") as stack:
        create_table(stack.dynamodb, TABLE, "icao")
        stack.s3.put_object(Bucket=stack.bucket, Key=SOURCE_KEY, Body=airports_csv())
        put_real_export(stack.s3, stack.bucket)
        event = str(PROJECT_ROOT / "events" / "workflows" / "csv_load.json")
        command = ["run", "csv_load", "--local", "--name", "fixture", "--input", event]
        assert main(command, stack.surroundings) == 0
        yield stack


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda each: f"{each.parent.name}-{each.stem}")
def test_container_answers_as_the_fixture_is_named(stack: Deployed, fixture: Path) -> None:
    logical_id = "".join(part.capitalize() for part in fixture.parent.name.split("_")) + "Function"
    answer = _invoke(stack, logical_id, fixture)
    assert answer.get("errorType") == expected_error(fixture), answer


def _invoke(stack: Deployed, logical_id: str, event: Path) -> dict[str, Any]:
    root = stack.surroundings.root
    command = [
        *(str(stack.surroundings.sam), "local", "invoke", logical_id, "--event", str(event)),
        *("--config-file", str(root / "samconfig.toml"), "--config-env", "local", "--skip-pull-image"),
        *("--parameter-overrides", *host_parameters()),
    ]
    environment = local_environment(stack.surroundings.environment, stack.aws)
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    assert lines, done.stderr
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer
