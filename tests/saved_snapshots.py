"""Local AWS with a data directory: waiting for its snapshots, and killing it."""

import os
import signal
import time
from pathlib import Path

from local_aws import LocalAws, is_running
from local_aws.saved_state.directory import STATE_FILE

DEADLINE_SECONDS = 120


def wait_until_saved(data: Path) -> None:
    """Return when what was acknowledged before this call is in the last snapshot.

    The snapshot being written may have begun before; the one behind it has not.
    """
    for _ in range(2):
        before, deadline = _identity(data), time.monotonic() + DEADLINE_SECONDS
        while _identity(data) == before:
            assert time.monotonic() < deadline, f"no snapshot was written to {data}"
            time.sleep(0.05)


def kill(aws: LocalAws) -> None:
    """End the server as `kill -9` does, and return when it has ended."""
    os.kill(aws.pid, signal.SIGKILL)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while is_running(aws):
        assert time.monotonic() < deadline, "local AWS is still there"
        time.sleep(0.01)


def _identity(data: Path) -> tuple[int, int] | None:
    try:
        found = (data / STATE_FILE).stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
