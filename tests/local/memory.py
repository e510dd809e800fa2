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
    """The processes in which local AWS runs the function: each has a file beside its temporary directory."""
    files = (stack.aws.directory / "tmp").glob(f"lambda-{function}-*.pid")
    processes = [int(each.read_text()) for each in files]
    return [each for each in processes if Path(f"/proc/{each}").exists()]
