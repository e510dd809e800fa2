"""What Linux tells of a process: its memory, and the processor time it has used."""

from __future__ import annotations

import os
import re
from pathlib import Path


def resident_megabytes(pid: int) -> float:
    """Memory that the process holds now."""
    return _megabytes(pid, "VmRSS")


def peak_megabytes(pid: int) -> float:
    """The most that it held since it began, or since `forget_peak`."""
    return _megabytes(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Reset the peak to what the process holds now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu_seconds(pid: int) -> float:
    """Processor time of the process and all its threads."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int, name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise ProcessLookupError(f"process {pid} tells no {name}")
    return int(found[1]) * 1024 / 1_000_000
