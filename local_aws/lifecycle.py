"""Starting and stopping local AWS."""

import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from local_aws import run_directory
from local_aws.access.credentials import RootCredentials
from local_aws.access.origins import LOOPBACK
from local_aws.errors import (
    DataDirectoryError,
    LocalAwsError,
    MissingCredentialsError,
    PortTakenError,
    StartFailedError,
    TemporaryDirectoryError,
)
from local_aws.run_directory import TEMPORARY_FILES
from local_aws.saved_state.directory import DataDirectory

ANY_ADDRESS = "0.0.0.0"  # noqa: S104  (only when the caller asks for it)
ACCOUNT_ID = "000000000000"
LOG_FILE = "server.log"
BIND_HOST = "BIND_HOST"
FAULT_INJECTION = "LOCAL_AWS_FAULT_INJECTION"
LAMBDA_CONCURRENCY = "LOCAL_AWS_LAMBDA_CONCURRENCY"
PROJECT_ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 5.0
SAVE_SECONDS = 600.0
# The exit status of a server that cannot load its data directory.
DATA_DIRECTORY_STATUS = 3
INHERITED_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE")

__all__ = [
    "DataDirectoryError",
    "LocalAws",
    "LocalAwsError",
    "MissingCredentialsError",
    "PortTakenError",
    "StartFailedError",
    "TemporaryDirectoryError",
    "client_environment",
    "is_running",
    "running",
    "start",
    "stop",
]

_started: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class _Options:
    """What a server is told through its environment."""

    bind_host: str
    region: str
    fault_injection: bool
    enforce_iam: bool
    lambda_concurrency: int | None
    outlive_caller: bool
    data: DataDirectory | None


@dataclass(frozen=True)
class _Locks:
    """The locks that a server holds: of its own directory, and of the data directory if it has one."""

    directory: BinaryIO
    data: BinaryIO | None

    @property
    def all(self) -> list[BinaryIO]:
        return [self.directory] if self.data is None else [self.directory, self.data]


@dataclass(frozen=True)
class LocalAws:
    """A started server. `directory` is its own: it holds the log and temporary files, and ends with the server.

    `data`: the directory that keeps its state, None if nothing is kept.
    """

    endpoint_url: str
    port: int
    pid: int
    directory: Path
    region: str = "us-east-1"
    data: Path | None = None

    @property
    def log(self) -> Path:
        """Where the server and its Lambda workers log."""
        return self.directory / LOG_FILE

    @property
    def credentials(self) -> RootCredentials:
        """Those of the account's owner, which this start has made. Raises MissingCredentialsError."""
        try:
            return RootCredentials.read(self.directory)
        except FileNotFoundError:
            raise MissingCredentialsError(f"local AWS at {self.endpoint_url} has no credentials") from None


def start(
    *,
    port: int | None = None,
    ready_timeout_seconds: float = 60,
    outlive_caller: bool = False,
    bind_host: str = LOOPBACK,
    region: str = "us-east-1",
    fault_injection: bool = False,
    enforce_iam: bool = False,
    lambda_concurrency: int | None = None,
    data: Path | None = None,
) -> LocalAws:
    """Start a server and wait until it answers.

    It runs in a session of its own, so a Ctrl-C does not reach it. It ends when its caller does, unless
    `outlive_caller`. Beyond `lambda_concurrency` executions at a time, Lambda throttles. `data` is a directory that
    keeps the server's state between starts; without `port`, the server takes the port of the last start again if it
    is free. Raises PortTakenError, StartFailedError, TemporaryDirectoryError and DataDirectoryError.
    """
    kept = None if data is None else DataDirectory(data.absolute())
    options = _Options(bind_host, region, fault_injection, enforce_iam, lambda_concurrency, outlive_caller, kept)
    run_directory.remove_abandoned()
    with contextlib.ExitStack() as ours:
        data_lock = None if kept is None else ours.enter_context(kept.claim())
        sockets = _listen_again(bind_host, kept) if port is None else _listen(bind_host, port)
        for listening in sockets:
            ours.enter_context(listening)
        bound_port = sockets[0].getsockname()[1]
        directory, lock = run_directory.create(bound_port)
        locks = _Locks(ours.enter_context(lock), data_lock)
        try:
            process = _spawn(directory, sockets, locks, _server_environment(directory, bound_port, options), options)
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            raise StartFailedError(f"cannot start local AWS in {directory}: {error}") from error
        local_aws = LocalAws(
            f"http://{LOOPBACK}:{bound_port}", bound_port, process.pid, directory, region, kept.path if kept else None
        )
        if kept is not None and data_lock is not None:
            kept.sign(data_lock, local_aws.endpoint_url, process.pid, directory)
    _started[process.pid] = process
    try:
        _wait_until_ready(local_aws, process, ready_timeout_seconds)
    except BaseException:
        with contextlib.suppress(DataDirectoryError):
            stop(local_aws)
        raise
    return local_aws


def stop(local_aws: LocalAws) -> None:
    """End the server with its Lambda workers and remove its directory; harmless when it is gone.

    A server with a data directory first saves its state. Raises DataDirectoryError if it could not.
    """
    process = _started.pop(local_aws.pid, None)
    was_running = is_running(local_aws) or (process is not None and process.poll() is None)
    if was_running:
        _end(local_aws)
    if process is not None:
        if process.stdin is not None:
            process.stdin.close()
        process.wait()
    shutil.rmtree(local_aws.directory, ignore_errors=True)
    if was_running and local_aws.data is not None:
        _check_saved(DataDirectory(local_aws.data), local_aws)


def is_running(local_aws: LocalAws) -> bool:
    """Whether this very server is alive: it holds a lock in its directory, which no reused process ID does."""
    return run_directory.is_held(local_aws.directory)


@contextlib.contextmanager
def running(
    *,
    port: int | None = None,
    ready_timeout_seconds: float = 60,
    bind_host: str = LOOPBACK,
    region: str = "us-east-1",
    fault_injection: bool = False,
    enforce_iam: bool = False,
    lambda_concurrency: int | None = None,
    data: Path | None = None,
) -> Iterator[LocalAws]:
    """A server for the length of a with block."""
    local_aws = start(
        port=port,
        ready_timeout_seconds=ready_timeout_seconds,
        bind_host=bind_host,
        region=region,
        fault_injection=fault_injection,
        enforce_iam=enforce_iam,
        lambda_concurrency=lambda_concurrency,
        data=data,
    )
    try:
        yield local_aws
    finally:
        stop(local_aws)


def client_environment(local_aws: LocalAws) -> dict[str, str]:
    """The variables with which boto3, the AWS CLI and SAM talk to this server and to nothing else."""
    return {
        "AWS_ENDPOINT_URL": local_aws.endpoint_url,
        "AWS_REGION": local_aws.region,
        "AWS_DEFAULT_REGION": local_aws.region,
        **local_aws.credentials.environment(),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }


def _listen_again(bind_host: str, kept: DataDirectory | None) -> list[socket.socket]:
    """The port of the last start, which texts in the saved state may name, or any free one."""
    last = kept and kept.snapshot()
    if last:
        with contextlib.suppress(PortTakenError):
            return _listen(bind_host, last.port)
    return _listen(bind_host, 0)


def _listen(bind_host: str, port: int) -> list[socket.socket]:
    """Loopback, which Lambda workers use, and the address asked for where it is another one."""
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
        told = f"cannot listen on {bind_host}:{port}: {error.strerror}"
        raise (PortTakenError if error.errno == errno.EADDRINUSE else StartFailedError)(told) from error
    return sockets


def _server_environment(directory: Path, port: int, options: _Options) -> dict[str, str]:
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
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _spawn(
    directory: Path, sockets: Sequence[socket.socket], locks: _Locks, environment: dict[str, str], options: _Options
) -> subprocess.Popen[bytes]:
    RootCredentials.new().write(directory)
    command = [sys.executable, "-m", "local_aws.server", "--directory", str(directory)]
    command += ["--lock", str(locks.directory.fileno())]
    for listening in sockets:
        command += ["--socket", str(listening.fileno())]
    if options.data is not None:
        command += ["--data", str(options.data.path)]
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


def _wait_until_ready(local_aws: LocalAws, process: subprocess.Popen[bytes], timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if process.poll() == DATA_DIRECTORY_STATUS:
            raise DataDirectoryError(_last_log(local_aws).strip())
        if process.poll() is not None:
            raise StartFailedError(f"local AWS ended with exit code {process.returncode}:\n{_last_log(local_aws)}")
        if _answers(local_aws):
            return
    raise StartFailedError(f"local AWS did not answer within {timeout_seconds:g} s:\n{_last_log(local_aws)}")


def _answers(local_aws: LocalAws) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{local_aws.endpoint_url}/_ministack/health", timeout=1):
            return True
    except (urllib.error.URLError, OSError):
        time.sleep(0.05)
        return False


def _last_log(local_aws: LocalAws) -> str:
    return local_aws.log.read_text(errors="replace")[-2000:]


def _end(local_aws: LocalAws) -> None:
    """The server leads its own process group, which its Lambda workers belong to."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(local_aws.pid, signal.SIGTERM)
        deadline = time.monotonic() + (STOP_SECONDS if local_aws.data is None else SAVE_SECONDS)
        while is_running(local_aws) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(local_aws.pid, signal.SIGKILL)


def _check_saved(kept: DataDirectory, server: LocalAws) -> None:
    last = kept.snapshot()
    if last is not None and last.is_end_of(server.directory):
        return
    holds = "nothing was saved" if last is None else f"it holds the state of {last.saved_at}"
    reason = kept.failure() or "local AWS did not say why"
    raise DataDirectoryError(f"the state could not be saved in {kept.path}: {reason}; {holds}")
