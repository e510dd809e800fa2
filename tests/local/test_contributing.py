"""The walkthroughs of CONTRIBUTING.md, done word by word in a copy of the project, on a local AWS of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import pytest

from tests.statemachine.definitions import ROOT

pytestmark = pytest.mark.long

PAGE = (ROOT / "CONTRIBUTING.md").read_text()
AIRPORTS = "icao,iata,name\nLSZH,ZRH,Zurich\nLSZK,,Speck\n"


def section(heading: str) -> str:
    return PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]


class Block(NamedTuple):
    """A fenced block, and the paragraph before it."""

    before: str
    language: str
    content: str


def blocks(text: str) -> list[Block]:
    found = re.findall(r"((?:[^\n]+\n)*)\n *```(\w*)\n(.*?) *```\n", text, re.S)
    return [Block(before, language, dedent(content)) for before, language, content in found]


def files(text: str) -> Iterator[tuple[str, str]]:
    """Each file that is named right before a block, with the block."""
    for block in blocks(text):
        for name in re.findall(r"`([\w./]+\.(?:py|json))`", block.before if block.language else ""):
            yield name, block.content


def commands(text: str) -> list[str]:
    return [line for block in blocks(text) if not block.language for line in block.content.splitlines()]


class Copy:
    """A copy of the project, in which commands run as a contributor's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": binaries, "PYTHONPATH": str(path)}

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.path, env=self._environment, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def write(self, name: str, text: str) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def python(self, code: str) -> str:
        return self.run(f'eval "$(sluice local status 2>/dev/null)" && python - <<"EOF"\n{dedent(code)}\nEOF')


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Copy]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    copy = Copy(tmp_path)
    try:
        yield copy
    finally:
        copy.run("sluice local down")


MAKE_TABLE = """
import boto3
boto3.client("dynamodb").create_table(
    TableName="airports",
    KeySchema=[{"AttributeName": "icao", "KeyType": "HASH"}],
    AttributeDefinitions=[{"AttributeName": "icao", "AttributeType": "S"}],
    BillingMode="PAY_PER_REQUEST",
)
"""


def summary(output: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(output)
    return found


def test_transform_is_added_as_described(project: Copy) -> None:
    text = section("Add a transform")
    written = dict(files(text))
    assert set(written) == {"functions/transforms/airport_codes.py", "tests/unit/test_airport_codes.py", "load.json"}
    for name, content in written.items():
        project.write(name, content)
    project.write("input.csv", AIRPORTS)
    *before, run = commands(text)
    for command in before:
        project.run(command)
    project.python(
        MAKE_TABLE
        + """
stack = boto3.client("cloudformation").describe_stacks(StackName="sluice")["Stacks"][0]
bucket = next(each["OutputValue"] for each in stack["Outputs"] if each["OutputKey"] == "DataBucket")
boto3.client("s3").upload_file("input.csv", bucket, "input/airports.csv")
"""
    )
    assert "written      1" in project.run(run)
    items = project.python('import boto3; print(boto3.client("dynamodb").scan(TableName="airports")["Items"])')
    assert items.strip() == "[{'icao': {'S': 'LSZH'}, 'iata': {'S': 'ZRH'}}]"


def test_workflow_is_added_as_described(project: Copy) -> None:
    text = section("Add a workflow")
    for name, content in files(text):
        project.write(name, content)
    project.write("functions/describe_items/__init__.py", "")
    resources, outputs = (block.content for block in blocks(text) if block.language == "yaml")
    template = (project.path / "template.yaml").read_text()
    template = template.replace("\nOutputs:\n", f"\n{indented(resources)}\nOutputs:\n{indented(outputs)}", 1)
    project.write("template.yaml", template)
    *before, run = commands(text)
    for command in before:
        project.run(command)
    project.python(MAKE_TABLE)
    assert '"items": 0' in project.run(run)


def indented(block: str) -> str:
    """The block as it is in the template, two spaces in."""
    return "".join(f"  {line}\n" if line.strip() else "\n" for line in dedent(block).splitlines())
