"""Launching the server process: its sockets, its environment and its command line."""

import contextlib
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from local_aws.access.credentials import RootCredentials
from local_aws.access.origins import LOOPBACK
from local_aws.errors import PortTakenError, StartFailedError
from local_aws.run_directory import TEMPORARY_FILES
from local_aws.saved_state.directory import DataDirectory

ANY_ADDRESS = "0.0.0.0"  # noqa: S104  (only when the caller asks for it)
ACCOUNT_ID = "000000000000"
LOG_FILE = "server.log"
PERMISSIONS_FILE = "permissions.jsonl"
PERMISSION_RECORDS = "LOCAL_AWS_PERMISSION_RECORDS"
BIND_HOST = "BIND_HOST"
FAULT_INJECTION = "LOCAL_AWS_FAULT_INJECTION"
LAMBDA_CONCURRENCY = "LOCAL_AWS_LAMBDA_CONCURRENCY"
PROJECT_ROOT = Path(__file__).resolve().parent.parent
# The exit status of a server that cannot load its data directory.
DATA_DIRECTORY_STATUS = 3
INHERITED_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE")


@dataclass(frozen=True)
class Options:
    """What a server is started with."""

    bind_host: str
    region: str
    fault_injection: bool
    enforce_iam: bool
    lambda_concurrency: int | None
    outlive_caller: bool
    data: DataDirectory | None


@dataclass(frozen=True)
class Locks:
    """The locks that a server holds: of its own directory, and of the data directory if it has one."""

    directory: BinaryIO
    data: BinaryIO | None

    @property
    def all(self) -> list[BinaryIO]:
        return [self.directory] if self.data is None else [self.directory, self.data]


def listen_again(bind_host: str, kept: DataDirectory | None) -> list[socket.socket]:
    """The port of the last start, which texts in the saved state may name, or any free one."""
    last = kept and kept.snapshot()
    if last:
        with contextlib.suppress(PortTakenError):
            return listen(bind_host, last.port)
    return listen(bind_host, 0)


def listen(bind_host: str, port: int) -> list[socket.socket]:
    """Loopback, which Lambda workers use, and the requested address, if it is another one."""
    hosts = [bind_host] if bind_host in (LOOPBACK, ANY_ADDRESS) else [LOOPBACK, bind_host]
    sockets: list[socket.socket] = []
    try:
        for host in hosts:
            listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sockets.append(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen(512)
            port = listening.getsockname()[1]
    except OSError as error:
        for listening in sockets:
            listening.close()
        message = f"cannot listen on {bind_host}:{port}: {error.strerror}"
        raise (PortTakenError if error.errno == errno.EADDRINUSE else StartFailedError)(message) from error
    return sockets


def server_environment(directory: Path, port: int, options: Options) -> dict[str, str]:
    """Nothing of the caller's but paths and locale: its AWS configuration must not leak into the server."""
    inherited = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    if options.lambda_concurrency is not None:
        inherited[LAMBDA_CONCURRENCY] = str(options.lambda_concurrency)
    return inherited | {
        "HOME": str(directory),
        "TMPDIR": str(directory / TEMPORARY_FILES),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        BIND_HOST: options.bind_host,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",
        "MINISTACK_REGION": options.region,
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "LOG_LEVEL": "WARNING",
        "AUTH": str(options.enforce_iam).lower(),
        FAULT_INJECTION: str(options.fault_injection).lower(),
        PERMISSION_RECORDS: str(directory / PERMISSIONS_FILE),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def spawn(
    directory: Path, sockets: Sequence[socket.socket], locks: Locks, environment: dict[str, str], options: Options
) -> subprocess.Popen[bytes]:
    """Start the server; it inherits sockets and locks. Raises OSError."""
    RootCredentials.new().write(directory)
    command = [sys.executable, "-m", "local_aws.server", "--directory", str(directory)]
    command += ["--lock", str(locks.directory.fileno())]
    for listening in sockets:
        command += ["--socket", str(listening.fileno())]
    if options.data is not None and locks.data is not None:
        command += ["--data", str(options.data.path), "--data-lock", str(locks.data.fileno())]
    if not options.outlive_caller:
        command.append("--end-with-stdin")
    with (directory / LOG_FILE).open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL if options.outlive_caller else subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[*(each.fileno() for each in sockets), *(each.fileno() for each in locks.all)],
            start_new_session=True,
        )
