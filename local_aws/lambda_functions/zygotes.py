"""Workers that are forked from a warm parent: a zygote for each Python environment that functions run in."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local_aws.lambda_functions.forked_process import Exit, ForkedProcess
from local_aws.lambda_functions.packages import top_level_names
from local_aws.lambda_functions.start_variables import READ_AT_START, start_environment

SCRIPT = Path(__file__).with_name("zygote_main.py")
# Found in a package, they are the ones that its workers use: it gets a zygote of its own.
LIBRARIES = frozenset(
    (
        "awscrt",
        "aws_lambda_powertools",
        "boto3",
        "botocore",
        "dateutil",
        "jmespath",
        "s3transfer",
        "six",
        "typing_extensions",
        "urllib3",
    )
)
KEPT_ZYGOTES = 4
# Lambda's own variables that modules read while they are imported.
SHARED_VARIABLES = ("AWS_EXECUTION_ENV",)
# HOME is a new, empty directory for every worker.
DIFFERS_ALWAYS = frozenset(("HOME",))

Environment = Mapping[str, str]


class ForkError(Exception):
    """The zygote has ended, or cannot have this worker: it needs an interpreter of its own."""


class Zygote:
    """A started zygote as the server sees it. It ends with the server."""

    def __init__(self, import_path: Sequence[str], environment: Environment) -> None:
        self._lock = threading.Lock()
        self._exits: dict[int, Exit] = {}
        # One for each requested fork, and None at the end.
        self._forked: queue.SimpleQueue[tuple[int, Exit] | None] = queue.SimpleQueue()
        self._is_ready = threading.Event()
        self._imported: dict[str, Any] | None = None
        self.has_ended = False
        self._environment = dict(environment)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(theirs.fileno()), json.dumps(list(import_path))],
                cwd=tempfile.gettempdir(),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        threading.Thread(target=self._listen, daemon=True).start()

    def fork(self, directory: Path, environment: Environment, names: frozenset[str]) -> ForkedProcess:
        """A worker; `names` are those that its packages import modules by. Raises ForkError."""
        self._is_ready.wait()
        if self._imported is None or not self._can_serve(self._imported, environment, names):
            raise ForkError
        worker_stdin, stdin = os.pipe()
        stdout, worker_stdout = os.pipe()
        wanted = {"fork": {"directory": str(directory), "environment": dict(environment)}}
        try:
            pid, end = self._ask_for_fork(json.dumps(wanted).encode(), [worker_stdin, worker_stdout])
        except ForkError:
            os.close(stdin)
            os.close(stdout)
            raise
        finally:
            os.close(worker_stdin)
            os.close(worker_stdout)
        pipes = os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb", buffering=0)
        return ForkedProcess(pid, *pipes, end, self._signal)

    def _ask_for_fork(self, message: bytes, descriptors: list[int]) -> tuple[int, Exit]:
        with self._lock:
            try:
                socket.send_fds(self._control, [message], descriptors)
            except OSError as error:
                raise ForkError from error
            forked = self._forked.get()
        if forked is None:
            raise ForkError
        return forked

    def _can_serve(self, imported: dict[str, Any], environment: Environment, names: frozenset[str]) -> bool:
        """Whether a new interpreter would import the same modules and they would read the same variables."""
        if names.intersection(imported["modules"]) - LIBRARIES:
            return False
        read = {name for name in {*environment, *self._environment} if name.startswith(READ_AT_START)}
        read |= imported["environment"].keys() - DIFFERS_ALWAYS
        return all(environment.get(name) == self._environment.get(name) for name in read)

    def _signal(self, pid: int, number: int) -> None:
        """Send a signal to a worker, unless it has ended."""
        self._send({"kill": pid, "signal": number})

    def retire(self) -> None:
        """Fork no more; the zygote ends after its last worker."""
        self._send({"retire": True})

    def _send(self, message: dict[str, Any]) -> None:
        with self._lock:
            if not self.has_ended:
                try:
                    self._control.send(json.dumps(message).encode())
                except OSError:
                    self.has_ended = True

    def _listen(self) -> None:
        while data := self._received():
            message = json.loads(data)
            if "forked" in message:
                end = self._exits[message["forked"]] = Exit()
                self._forked.put((message["forked"], end))
            elif "ended" in message:
                self._exits.pop(message["ended"]).set(message["code"])
            else:
                self._imported = message["ready"]
                self._is_ready.set()
        self._end()

    def _received(self) -> bytes:
        try:
            return self._control.recv(1 << 20)
        except OSError:
            return b""

    def _end(self) -> None:
        """Its workers end with it: they look for their parent."""
        self.has_ended = True
        self._imported = None
        self._process.wait()
        for ended in list(self._exits.values()):
            ended.set(-signal.SIGKILL)
        self._is_ready.set()
        self._forked.put(None)
        with self._lock:
            self._control.close()


_zygotes: dict[tuple[str, ...], Zygote] = {}
_starting = threading.Lock()


def fork_worker(directory: Path, import_path: Sequence[str], environment: Environment) -> ForkedProcess:
    """A worker of the zygote for this environment, which is started when there is none. Raises ForkError."""
    names = top_level_names(tuple(import_path))
    return _zygote(import_path, environment, names).fork(directory, environment, names)


def prepare(import_path: Sequence[str], environment: Environment) -> None:
    """Start the zygote that workers with these directories and variables will need. Raises ForkError."""
    _zygote(import_path, environment, top_level_names(tuple(import_path)))


def _zygote(import_path: Sequence[str], environment: Environment, names: frozenset[str]) -> Zygote:
    """Packages without libraries of their own share a zygote."""
    if sys.platform != "linux":
        raise ForkError
    shared = {name: environment[name] for name in environment if name in SHARED_VARIABLES}
    own_path = tuple(import_path) if names & LIBRARIES else ()
    key = (*own_path, *(f"{name}={value}" for name, value in sorted(shared.items())))
    with _starting:
        zygote = _zygotes.pop(key, None)
        if zygote is None or zygote.has_ended:
            zygote = Zygote(own_path, {**start_environment(), **shared})
        # The last is the one that was used last.
        _zygotes[key] = zygote
        while len(_zygotes) > KEPT_ZYGOTES:
            _zygotes.pop(next(iter(_zygotes))).retire()
    return zygote
