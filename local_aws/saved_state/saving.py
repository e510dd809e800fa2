"""When snapshots are taken: in the background while something changes, and once more at the end.

A snapshot is taken in a fork of the server, which sees the memory of one moment while the server runs. The fork is
made on the event loop, which also sends all answers: what was acknowledged before is in the snapshot.
"""

import asyncio
import gc
import logging
import os
import signal
import time
import traceback
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn

from local_aws.access.asgi import Application, Message, Receive, Send
from local_aws.dynamodb.table_orders import one_at_a_time
from local_aws.saved_state.directory import DataDirectory, Snapshot
from local_aws.saved_state.snapshot import write
from local_aws.stepfunctions import executions, walk

PAUSE_SECONDS = 5.0
# A snapshot takes at most this share of one processor: larger states are saved less often.
SHARE = 0.1
# The longest that one snapshot may take before it is given up.
SNAPSHOT_SECONDS = 300
WRITERS_WAIT_SECONDS = 2.0
BACKGROUND_NICENESS = 10
READS = ("BatchGet", "Describe", "Get", "List", "Query", "Scan", "TransactGet")

logger = logging.getLogger("local_aws.saved_state")


class AbandonedError(Exception):
    """The server has ended while a snapshot was being written."""


@dataclass
class Saver:
    """Saves the state of this server, which is named by its own directory.

    `run_lock` is the descriptor of the lock that only the server itself holds.
    """

    directory: DataDirectory
    server: str
    port: int
    run_lock: int
    _changes: int = 0
    _saved: int = 0
    _is_settled: bool = True
    _pause_seconds: float = PAUSE_SECONDS
    _child: int | None = None
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def start(self) -> None:
        """Begin to watch and save; call it on the event loop, once the state is loaded."""
        walk.before_state.append(lambda _run: self.note_change())
        executions.on_end.append(lambda _run: self.note_change())
        self._tasks.append(asyncio.get_running_loop().create_task(self._save_now_and_then()))

    def note_change(self) -> None:
        """Something may have changed."""
        self._changes += 1

    def watching(self, application: Application) -> Application:
        """The application, whose requests are taken for changes unless they only read."""

        async def watched(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and not _only_reads(scope):
                self.note_change()
            await application(scope, receive, send)

        return watched

    def save_at_end(self) -> None:
        """Save for the last time, on the event loop: no answer is sent from here on. The process is to end then."""
        if self._child is not None:
            _kill(self._child)
        try:
            pid = self._fork(is_final=True)
            if pid is not None:
                os.waitpid(pid, 0)
        except OSError as error:
            self.directory.note_failure(str(error))

    async def _save_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._pause_seconds)
            # What a request has begun, such as a stack, may end without another one: so once more.
            has_changed = self._changes != self._saved
            if has_changed or not self._is_settled:
                self._is_settled = not has_changed
                await self._save()

    async def _save(self) -> None:
        changes, since = self._changes, time.monotonic()
        try:
            self._child = self._fork(is_final=False)
        except OSError:
            logger.exception("the state could not be saved")
            return
        if self._child is None:
            return
        _, status = await asyncio.get_running_loop().run_in_executor(None, os.waitpid, self._child, 0)
        self._child = None
        if status == 0:
            self._saved = changes
        self._pause_seconds = max(PAUSE_SECONDS, (time.monotonic() - since) * (1 / SHARE - 1))

    def _fork(self, *, is_final: bool) -> int | None:
        """The process that writes a snapshot; None while writers keep the tables to themselves.

        The last snapshot is taken in any case: a writer that waits for the event loop would wait for ever.
        """
        about = Snapshot(datetime.now(UTC).isoformat(timespec="seconds"), is_final, self.server, self.port)
        is_quiet = one_at_a_time.acquire(timeout=WRITERS_WAIT_SECONDS)
        try:
            if not is_quiet and not is_final:
                return None
            with warnings.catch_warnings():
                # The child runs no other thread and takes none of their locks.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
            if pid == 0:
                self._write_and_exit(about, is_final=is_final)
        finally:
            if is_quiet:
                one_at_a_time.release()
        return pid

    def _write_and_exit(self, about: Snapshot, *, is_final: bool) -> NoReturn:
        """In the child. The data directory's lock stays held until it ends."""
        server = os.getppid()
        status = 1
        try:
            _leave_server(self.run_lock)
            if not is_final:
                os.nice(BACKGROUND_NICENESS)
            write(self.directory, about, lambda: _check_parent(server))
            self.directory.note_failure(None)
            status = 0
        except AbandonedError:
            pass
        except BaseException as error:  # noqa: BLE001  (the process ends here)
            traceback.print_exc()
            self.directory.note_failure(_reason(error))
        finally:
            os._exit(status)


def _leave_server(run_lock: int) -> None:
    """The server's signals are not the child's, and the lock must be free once the server has ended."""
    os.close(run_lock)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.alarm(SNAPSHOT_SECONDS)
    gc.disable()


def _check_parent(server: int) -> None:
    if os.getppid() != server:
        raise AbandonedError


def _reason(error: BaseException) -> str:
    strerror = getattr(error, "strerror", None)
    return str(strerror) if strerror else f"{type(error).__name__}: {error}"


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def _only_reads(scope: Message) -> bool:
    if scope["method"] in ("GET", "HEAD"):
        return True
    target = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-amz-target"), "")
    return target.rpartition(".")[2].startswith(READS)
