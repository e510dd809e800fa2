"""The parent of Lambda workers: a process that has imported what functions import, and forks once for each worker.

Started as a script with the number of a socket's descriptor and a list of import directories as JSON. Each message is
one JSON object:

    {"fork": {"directory", "environment"}}   to the zygote, with the descriptors of the worker's stdin and stdout
    {"kill": pid, "signal": number}          to the zygote
    {"retire": true}                         to the zygote: fork no more, end after the last worker
    {"ready": {"modules", "environment"}}    from the zygote: what was imported, and the variables that were read
    {"forked": pid}, {"ended": pid, "code"}  from the zygote

Only one thread runs here, and nothing but the socket is open: a fork is a fresh process that has its imports already.
`random` and OpenSSL seed themselves again in a fork.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from typing import Any

MESSAGE_BYTES = 200_000
Message = dict[str, Any]


def main() -> None:
    """Import, then serve until the server hangs up. In each worker: serve its invocations."""
    control = socket.socket(fileno=int(sys.argv[1]))
    import_path = json.loads(sys.argv[2])
    warm_imports, worker_main = map(importlib.import_module, ("warm_imports", "worker_main"))
    # The script's own directory is no place for a function's modules.
    del sys.path[0]
    sys.path[:0] = import_path
    environment = warm_imports.import_all()
    del sys.path[: len(import_path)]
    if threading.active_count() > 1:
        sys.exit("a module that was imported before the fork has started a thread")
    gc.collect()
    gc.freeze()
    modules = sorted({name.partition(".")[0] for name in sys.modules})
    _send(control, {"ready": {"modules": modules, "environment": environment}})
    Zygote(control).serve()
    worker_main.main()


class Zygote:
    """Forks workers, and tells how they ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._workers: set[int] = set()
        self._is_retired = False
        self._wakeup, self._wake = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wake)

    def serve(self) -> None:
        """Returns in a worker; the zygote itself exits."""
        while self._workers or not self._is_retired:
            ready, _, _ = select.select([self._control.fileno(), self._wakeup], [], [])
            if self._wakeup in ready:
                os.read(self._wakeup, MESSAGE_BYTES)
                self._report_ended()
            if self._control.fileno() in ready and self._is_worker():
                return
        os._exit(0)

    def _is_worker(self) -> bool:
        """Do what the next message says; true in a worker that was forked for it."""
        data, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 2)
        if not data:
            os._exit(0)
        message = json.loads(data)
        if "fork" in message:
            return self._fork(message["fork"], descriptors)
        if message.get("kill") in self._workers:
            os.kill(message["kill"], message["signal"])
        self._is_retired = self._is_retired or "retire" in message
        return False

    def _fork(self, wanted: Message, descriptors: list[int]) -> bool:
        pid = os.fork()
        if pid == 0:
            self._become_worker(wanted, descriptors)
            return True
        for descriptor in descriptors:
            os.close(descriptor)
        self._workers.add(pid)
        _send(self._control, {"forked": pid})
        return False

    def _become_worker(self, wanted: Message, descriptors: list[int]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._control.close()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        for descriptor in (*descriptors, self._wakeup, self._wake):
            os.close(descriptor)
        os.chdir(wanted["directory"])
        os.environ.clear()
        os.environ.update(wanted["environment"])
        time.tzset()
        # Chosen at its first use, which may have been in an import.
        tempfile.tempdir = None

    def _report_ended(self) -> None:
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._workers.discard(pid)
            _send(self._control, {"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _send(control: socket.socket, message: Message) -> None:
    control.send(json.dumps(message).encode())


if __name__ == "__main__":
    main()
