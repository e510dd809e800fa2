"""The processes in which local AWS runs a function."""

from __future__ import annotations

from pathlib import Path

from bench.processes import peak_megabytes
from tests.local.deployed import Deployed

MEGABYTE = 1_000_000


def worker_bytes(stack: Deployed, function: str) -> float:
    """The most that any worker of the function has ever held."""
    return max(map(peak_megabytes, _workers(stack, function))) * MEGABYTE


def _workers(stack: Deployed, function: str) -> list[int]:
    name = f"AWS_LAMBDA_FUNCTION_NAME={function}".encode()
    processes = Path("/proc").glob("[0-9]*")
    return [int(each.name) for each in processes if _is_child(each, stack.aws.pid) and _has_variable(each, name)]


def _is_child(process: Path, parent: int) -> bool:
    """Whether the process is the parent's; one that has ended meanwhile is nobody's."""
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1]) == parent
    except OSError:
        return False


def _has_variable(process: Path, variable: bytes) -> bool:
    """Whether the process was started with this variable."""
    try:
        return variable in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
