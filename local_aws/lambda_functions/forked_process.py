"""A worker that another process has forked, as the server sees it."""

import signal
import subprocess
import threading
from collections.abc import Callable
from typing import BinaryIO


class Exit:
    """How a worker ends. `code` is None while it runs, and negative for the signal that killed it."""

    def __init__(self) -> None:
        self.happened = threading.Event()
        self.code: int | None = None

    def set(self, code: int) -> None:
        """It has ended."""
        self.code = code
        self.happened.set()


class ForkedProcess:
    """A forked worker with as much of `subprocess.Popen` as workers use."""

    def __init__(
        self, pid: int, stdin: BinaryIO, stdout: BinaryIO, end: Exit, send_signal: Callable[[int, int], None]
    ) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self._exit = end
        self._send_signal = send_signal

    def poll(self) -> int | None:
        """The exit code, as `Popen` has it, or None while it runs."""
        return self._exit.code

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises TimeoutExpired."""
        if not self._exit.happened.wait(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        assert self._exit.code is not None
        return self._exit.code

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send_signal(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._send_signal(self.pid, signal.SIGTERM)
