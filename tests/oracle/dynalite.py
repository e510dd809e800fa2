"""Starts dynalite on a port that the system chooses; it ends with its caller."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

LAUNCHER = """
const server = require('dynalite')({createTableMs: 0, deleteTableMs: 0})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('end', () => process.exit()).resume()
"""


@contextlib.contextmanager
def running(directory: Path) -> Iterator[str]:
    """The URL of a dynalite that is installed below this directory."""
    with started(directory) as (url, _):
        yield url


@contextlib.contextmanager
def started(directory: Path) -> Iterator[tuple[str, int]]:
    """The URL and the process id of a dynalite that is installed below this directory."""
    command = ["node", "--eval", LAUNCHER]
    with subprocess.Popen(command, cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError("dynalite did not start")
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.stdin.close()
