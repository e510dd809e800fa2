"""The server process: `python -m local_aws.server`, started by `local_aws.lifecycle`."""

import argparse
import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import uvicorn

from local_aws import clock, faults, large_objects
from local_aws.access.asgi import Application
from local_aws.access.credentials import RootCredentials
from local_aws.access.gate import Control, Gate
from local_aws.access.origins import Origins
from local_aws.access.verification import Verifier, system_time
from local_aws.lifecycle import BIND_HOST, FAULT_INJECTION, LOCK_FILE
from local_aws.replacements import install_all

# Tables are millions of small objects that live on: looking through them for garbage takes most of a load.
GARBAGE_THRESHOLDS = (100_000, 50, 1_000)
KEEP_ALIVE_SECONDS = 75


def main() -> None:
    """Hold the directory's lock, install the replacements and serve until told to end."""
    arguments = _parse()
    directory: Path = arguments.directory
    lock = _hold_lock(directory)
    credentials = RootCredentials.read(directory)
    # ministack takes the key in its environment for that of the account's owner.
    os.environ.update(credentials.environment())
    server_clock = clock.ServerClock() if os.environ[FAULT_INJECTION] == "true" else None
    signal.signal(signal.SIGTERM, lambda number, frame: _end(directory, number, frame))
    if arguments.end_with_stdin:
        threading.Thread(target=_end_with_stdin, args=(directory,), daemon=True).start()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    install_all()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    sockets = [socket.socket(fileno=descriptor) for descriptor in arguments.socket]
    asyncio.run(_Server(_config(_gate(credentials, server_clock))).serve(sockets))
    lock.close()


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
    parser.add_argument("--end-with-stdin", action="store_true")
    return parser.parse_args()


def _hold_lock(directory: Path) -> BinaryIO:
    lock = (directory / LOCK_FILE).open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


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


def _end_with_stdin(directory: Path) -> None:
    """The caller holds the other end of stdin and never writes: end of file means that it is gone."""
    sys.stdin.buffer.read()
    _end(directory)


def _end(directory: Path, _number: int = 0, _frame: FrameType | None = None) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main()
