"""How long `sluice local deploy` takes, beside `sam build && sam deploy` to the same local AWS."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.figures import Better, Measurement, figure
from bench.processes import cpu_seconds
from sluice_cli.deploy import build_command, deploy_command, local_environment
from sluice_cli.sandbox import Sandbox, empty_sandbox

ROUNDS, SAM_ROUNDS = 3, 2
# A process of its own, as at the command line: what is imported counts.
_COMMAND = (
    "import sys, pathlib; from sluice_cli.main import main; from sluice_cli.surroundings import Surroundings; "
    "sys.exit(main(['local', 'deploy'], Surroundings(root=pathlib.Path(sys.argv[1]))))"
)
SAM_STACK = "deployed-by-sam"


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds by the clock, and of processor time in the command, what it starts, and local AWS."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Compared:
    """One kind of change, deployed by Sluice and by SAM."""

    sluice: Spent
    sam: Spent

    def to_measurement(self) -> Measurement:
        """The seconds, and what they are compared with."""
        return Measurement(
            self.sluice.seconds,
            {
                "cpuSeconds": round(self.sluice.cpu_seconds, 2),
                "samSeconds": round(self.sam.seconds, 2),
                "samCpuSeconds": round(self.sam.cpu_seconds, 2),
                "samCpuOverSluices": round(self.sam.cpu_seconds / self.sluice.cpu_seconds, 1),
            },
        )


@figure("local_deploy_first_seconds", goal=6, better=Better.LOWER, unit="s")
def local_deploy_first() -> Measurement:
    """The first deployment of an unbuilt project; SAM has its cache of Python packages."""
    return _compared()["first"].to_measurement()


@figure("local_deploy_unchanged_seconds", goal=3, better=Better.LOWER, unit="s")
def local_deploy_unchanged() -> Measurement:
    """A deployment with no change."""
    return _compared()["unchanged"].to_measurement()


@figure("local_deploy_function_seconds", goal=5, better=Better.LOWER, unit="s")
def local_deploy_function() -> Measurement:
    """A deployment with one changed function."""
    return _compared()["function"].to_measurement()


@figure("local_deploy_definition_seconds", goal=5, better=Better.LOWER, unit="s")
def local_deploy_definition() -> Measurement:
    """A deployment with one changed state machine."""
    return _compared()["definition"].to_measurement()


@cache
def _compared() -> dict[str, Compared]:
    """All kinds of changes: first by Sluice, then by SAM to another stack."""
    with tempfile.TemporaryDirectory() as directory, empty_sandbox(Path(directory)) as local:
        sluice = _spent_by(local, _with_sluice, ROUNDS)
        sam = _spent_by(local, _with_sam, SAM_ROUNDS)
    return {name: Compared(sluice[name], sam[name]) for name in sluice}


def _spent_by(local: Sandbox, deploy: Callable[[Sandbox], None], rounds: int) -> dict[str, Spent]:
    root = local.surroundings.root
    shutil.rmtree(root / ".aws-sam", ignore_errors=True)
    changes: dict[str, Callable[[Path], None]] = {
        "unchanged": lambda _root: None,
        "function": _change_function,
        "definition": _change_definition,
    }
    spent = {"first": _measured(local, deploy)}
    for name, change in changes.items():
        each = []
        for _ in range(rounds):
            change(root)
            each.append(_measured(local, deploy))
        spent[name] = min(each, key=lambda found: found.seconds)
    return spent


def _change_function(root: Path) -> None:
    with (root / "functions" / "plan_load" / "handler.py").open("a") as module:
        module.write("# Changed.\n")


def _change_definition(root: Path) -> None:
    path = root / "statemachines" / "csv_load.asl.json"
    definition = json.loads(path.read_text())
    path.write_text(json.dumps(definition | {"Comment": f"{definition['Comment']}."}))


def _measured(local: Sandbox, deploy: Callable[[Sandbox], None]) -> Spent:
    began, before = time.perf_counter(), _used(local)
    deploy(local)
    return Spent(time.perf_counter() - began, _used(local) - before)


def _used(local: Sandbox) -> float:
    """Processor time so far of processes that have ended, and of local AWS."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime + cpu_seconds(local.aws.pid)


def _with_sluice(local: Sandbox) -> None:
    _run(local, [sys.executable, "-c", _COMMAND, str(local.surroundings.root)])


def _with_sam(local: Sandbox) -> None:
    root, sam = local.surroundings.root, local.surroundings.sam
    _run(local, build_command(sam, root))
    _run(local, deploy_command(sam, root, SAM_STACK, local.aws.region))


def _run(local: Sandbox, command: list[str]) -> None:
    environment = local_environment(local.surroundings.environment, local.aws)
    subprocess.run(command, cwd=local.surroundings.root, env=environment, check=True, capture_output=True)
