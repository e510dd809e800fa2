"""moto's own server as a process of its own: what local AWS is compared with."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class MotoServer:
    """A running server: its URL and process id. It takes any credentials."""

    endpoint_url: str
    pid: int


@contextmanager
def moto_server() -> Iterator[MotoServer]:
    """Start `moto_server` on a free port; it ends with the block. Raises TimeoutError."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield MotoServer(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.kill()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"moto's server did not listen within {START_SECONDS} s")
