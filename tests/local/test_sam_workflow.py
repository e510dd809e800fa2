"""docs/development.md: its commands run, one after the other, and print what it shows."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluice_cli import local
from sluice_cli.aws import Target, connect
from sluice_cli.deploy import host_parameters
from sluice_cli.surroundings import PROJECT_ROOT

pytestmark = pytest.mark.long

DOCUMENT = PROJECT_ROOT / "docs" / "development.md"
PARTS = ("template.yaml", "samconfig.toml", "functions", "statemachines", "events", "sluice_cli", "local_aws")
HOST_IN_THE_DOCUMENT = "PythonRuntime=python3.11 Architecture=x86_64"
ELIDED = "..."
COMMAND_SECONDS = 300
# Names, times and versions: whatever has a digit in it.
VARIABLE = re.compile(r"[\w\[\]$.:/+-]*\d[\w\[\]$.:/+-]*")
COLOR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Step:
    """A command of the document, and the lines that it prints there. `kind`: how its block is marked."""

    kind: str
    command: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Shell:
    """A shell in a copy of the project, where nothing of the user's AWS configuration is set."""

    root: Path
    environment: Mapping[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of bash; every question is answered with yes."""
        script = f'eval "$(sluice local status 2>/dev/null)"\n{{ {command}\n}} <<<y 2>&1'
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )


def steps(text: str) -> Iterator[Step]:
    """The commands in the document's console blocks."""
    for kind, block in re.findall(r"^```console ?(\w*)\n(.*?)^```", text, re.M | re.S):
        for each in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, *lines = each.splitlines()
            yield Step(kind, command.replace(HOST_IN_THE_DOCUMENT, " ".join(host_parameters())), tuple(lines))


def comparable(line: str) -> str:
    """A line without color, and with everything that differs from run to run made the same."""
    return " ".join(VARIABLE.sub("#", COLOR.sub("", line)).split())


@contextmanager
def local_shell(root: Path, *options: str) -> Iterator[Shell]:
    """A copy of the project with a running local AWS."""
    for part in PARTS:
        source = PROJECT_ROOT / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / part)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_CLI_"))}
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = Shell(root, kept | {"PATH": tools, "PYTHONPATH": str(root), "SAM_CLI_TELEMETRY": "0"})
    started = shell.run(f"sluice local up --detach {' '.join(options)}")
    assert started.returncode == 0, started.stdout
    try:
        yield shell
    finally:
        shell.run("sluice local down")


def check(shell: Shell, step: Step) -> None:
    """Run a command and look for all lines that the document shows."""
    done = shell.run(step.command)
    assert (done.returncode != 0) == (step.kind == "fails"), f"{step.command}\n{done.stdout}"
    printed = {comparable(line) for line in done.stdout.splitlines()}
    missing = [line for line in step.lines if line != ELIDED and comparable(line) not in printed]
    assert not missing, f"{step.command}\ndid not print {missing}:\n{done.stdout}"


def test_commands_print_what_the_document_shows(tmp_path: Path) -> None:
    shown = list(steps(DOCUMENT.read_text()))
    assert len(shown) > 12
    with local_shell(tmp_path) as shell:
        for step in shown:
            if step.kind != "docker":
                check(shell, step)


@pytest.mark.docker
def test_local_invoke_prints_what_the_document_shows(tmp_path: Path) -> None:
    (step,) = [step for step in steps(DOCUMENT.read_text()) if step.kind == "docker"]
    with local_shell(tmp_path, "--bind", "0.0.0.0") as shell:
        assert shell.run("sluice local deploy").returncode == 0
        command = step.command.replace("sam local invoke", "sam local invoke --skip-pull-image")
        check(shell, Step(step.kind, command, step.lines))


def test_sam_sync_watch_brings_functions_and_definitions(tmp_path: Path) -> None:
    with local_shell(tmp_path) as shell:
        assert shell.run("sluice local deploy").returncode == 0
        with watching(shell) as printed:
            wait_for(lambda: "Infra sync completed." in printed())
            handler = tmp_path / "functions" / "verify_sample" / "handler.py"
            handler.write_text("def lambda_handler(event, context):\n    return 'synchronized'\n")
            wait_for(lambda: answer_of_verify_sample(shell) == b'"synchronized"')
            definition = tmp_path / "statemachines" / "csv_load.asl.json"
            definition.write_text(json.dumps(json.loads(definition.read_text()) | {"Comment": "synchronized"}))
            wait_for(lambda: "Infra sync is required for CsvLoadStateMachine" in printed())
            wait_for(lambda: comment_of_csv_load(shell) == "synchronized")
        assert "DefinitionSubstitutions field is specified" in printed()


def answer_of_verify_sample(shell: Shell) -> bytes:
    functions = connect(Target(local.require(shell.root))).functions
    names = [each["FunctionName"] for each in functions.list_functions()["Functions"]]
    (name,) = [each for each in names if each.startswith("sluice-VerifySampleFunction-")]
    return functions.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()


def comment_of_csv_load(shell: Shell) -> str:
    client = connect(Target(local.require(shell.root))).stepfunctions
    machines = client.list_state_machines()["stateMachines"]
    (arn,) = [each["stateMachineArn"] for each in machines if each["name"].startswith("sluice-csv_load-")]
    comment: str = json.loads(client.describe_state_machine(stateMachineArn=arn)["definition"])["Comment"]
    return comment


@contextmanager
def watching(shell: Shell) -> Iterator[Callable[[], str]]:
    """`sam sync --watch`, and what it has printed so far."""
    parameters = " ".join(host_parameters())
    command = f"exec sam sync --watch --config-env local --parameter-overrides {parameters}"
    script = f'eval "$(sluice local status 2>/dev/null)"\n{command}'
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=shell.root,
        env=shell.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("y\n")
    process.stdin.flush()
    printed = io.StringIO()
    output = process.stdout
    reader = threading.Thread(target=lambda: [printed.write(line) for line in output], daemon=True)
    reader.start()
    try:
        yield printed.getvalue
    finally:
        process.kill()
        process.wait()
        reader.join()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + COMMAND_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)
