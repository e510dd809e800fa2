"""What local AWS and the workers of its functions hold in memory."""

from __future__ import annotations

from pathlib import Path

from bench.processes import peak_megabytes, resident_megabytes
from tests.local.deployed import Deployed

MEGABYTE = 1_000_000


def held_bytes(stack: Deployed) -> float:
    """What the server holds."""
    return resident_megabytes(stack.aws.pid) * MEGABYTE


def server_peak_bytes(stack: Deployed) -> float:
    """The most that the server has held since its peak was forgotten."""
    return peak_megabytes(stack.aws.pid) * MEGABYTE


def worker_bytes(stack: Deployed, output: str) -> float:
    """The most that any worker has ever held of the function that the stack's output names."""
    return max(map(peak_megabytes, _workers(stack, stack.outputs[output]))) * MEGABYTE


def _workers(stack: Deployed, function: str) -> list[int]:
    """The processes in which local AWS runs the function."""
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
