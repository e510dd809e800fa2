"""The server process: `python -m local_aws.server`, started by `local_aws.lifecycle`."""

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from local_aws import clock, faults, large_objects
from local_aws.access.asgi import Application
from local_aws.access.credentials import RootCredentials
from local_aws.access.gate import Control, Gate
from local_aws.access.origins import Origins
from local_aws.access.verification import Verifier, system_time
from local_aws.errors import DataDirectoryError
from local_aws.launch import BIND_HOST, DATA_DIRECTORY_STATUS, FAULT_INJECTION
from local_aws.replacements import install_all
from local_aws.run_directory import TEMPORARY_FILES
from local_aws.saved_state.directory import DataDirectory

if TYPE_CHECKING:
    from local_aws.saved_state.saving import Saver

# Tables are millions of small objects that live on: looking through them for garbage takes most of a load.
GARBAGE_THRESHOLDS = (100_000, 50, 1_000)
KEEP_ALIVE_SECONDS = 75


class Ending:
    """How the server ends: with all its workers, after its state was saved."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._loop: asyncio.AbstractEventLoop | None = None
        self._saver: Saver | None = None

    def save_first(self, saver: "Saver") -> None:
        """Save the state at the end; to be called on the event loop."""
        self._saver = saver
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """End at once, or between two requests if there is a state to save. Safe in signal handlers and threads."""
        if self._loop is None:
            self._end()
        else:
            self._loop.call_soon_threadsafe(self._save_and_end)

    def _save_and_end(self) -> None:
        assert self._saver is not None
        self._saver.save_at_end()
        self._end()

    def _end(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
        os.killpg(os.getpgid(0), signal.SIGKILL)


def main() -> None:
    """Install the replacements and serve until a signal ends the process."""
    arguments = _parse()
    directory: Path = arguments.directory
    # The place that the environment names, whether it is full or not: without it, tempfile would look for others.
    tempfile.tempdir = str(directory / TEMPORARY_FILES)
    for lock in filter(None, (arguments.lock, arguments.data_lock)):
        os.set_inheritable(lock, False)  # noqa: FBT003
    credentials = RootCredentials.read(directory)
    # ministack takes the key in its environment for that of the account's owner.
    os.environ.update(credentials.environment())
    server_clock = clock.ServerClock() if os.environ[FAULT_INJECTION] == "true" else None
    ending = Ending(directory)
    signal.signal(signal.SIGTERM, lambda _number, _frame: ending.begin())
    if arguments.end_with_stdin:
        threading.Thread(target=_end_with_stdin, args=(ending,), daemon=True).start()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Nothing that a start makes is garbage.
    gc.disable()
    install_all()
    saver = None if arguments.data is None else _loaded(arguments)
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    gc.enable()
    sockets = [socket.socket(fileno=descriptor) for descriptor in arguments.socket]
    asyncio.run(_serve(_gate(credentials, server_clock), sockets, ending, saver))


def _loaded(arguments: argparse.Namespace) -> "Saver":
    """What saves the state from now on, with the last one loaded. Ends the process if that cannot be loaded."""
    from local_aws.saved_state.saving import Saver
    from local_aws.saved_state.snapshot import read

    directory = DataDirectory(arguments.data)
    try:
        read(directory)
    except DataDirectoryError as error:
        sys.stderr.write(f"{error}\n")
        os._exit(DATA_DIRECTORY_STATUS)
    return Saver(directory, arguments.directory.name, int(os.environ["GATEWAY_PORT"]), arguments.lock)


async def _serve(application: Application, sockets: list[socket.socket], ending: Ending, saver: "Saver | None") -> None:
    if saver is not None:
        saver.start()
        ending.save_first(saver)
        application = saver.watching(application)
    await _Server(_config(application)).serve(sockets)


def _gate(credentials: RootCredentials, server_clock: clock.ServerClock | None) -> Application:
    from ministack.app import app

    from local_aws.access.installation import secret_keys
    from local_aws.dynamodb import direct_requests

    verifier = Verifier(secret_keys(credentials), server_clock.times if server_clock else system_time)
    controls = _controls(server_clock) if server_clock else {}
    origins = Origins(os.environ[BIND_HOST])
    return Gate(app, origins, verifier, credentials.access_key_id, controls, direct_requests.serve)


def _controls(server_clock: clock.ServerClock) -> dict[str, Control]:
    """What tests may send to a server that was started for it."""
    return {
        faults.PATH: faults.planned.plan,
        clock.PATH: server_clock.advance,
        large_objects.PATH: large_objects.store,
    }


class _Server(uvicorn.Server):
    """Leaves signals alone: `_end` ends the process at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--socket", type=int, action="append", required=True, help="a listening descriptor")
    parser.add_argument("--lock", type=int, required=True, help="a descriptor of the directory's lock, held")
    parser.add_argument("--data", type=Path, help="a data directory")
    parser.add_argument("--data-lock", type=int, help="a descriptor of the data directory's lock, held")
    parser.add_argument("--end-with-stdin", action="store_true")
    return parser.parse_args()


def _config(application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


def _end_with_stdin(ending: Ending) -> None:
    """The caller holds the other end of stdin and never writes: end of file means that it has ended."""
    sys.stdin.buffer.read()
    ending.begin()


if __name__ == "__main__":
    main()
