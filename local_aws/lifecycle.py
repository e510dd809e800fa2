"""Starting and stopping local AWS."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

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
from local_aws.launch import (
    DATA_DIRECTORY_STATUS,
    LOG_FILE,
    PERMISSIONS_FILE,
    Locks,
    Options,
    listen,
    listen_again,
    server_environment,
    spawn,
)
from local_aws.saved_state.directory import DataDirectory

HEALTH_PATH = "/_ministack/health"
ANSWER_SECONDS = 1.0
LOOK_EVERY_SECONDS = 0.02
STOP_SECONDS = 5.0
SAVE_SECONDS = 600.0

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
    def permission_records(self) -> Path:
        """What roles did and were denied (see `local_aws.permission_records`); exists once a role has made a call."""
        return self.directory / PERMISSIONS_FILE

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
    options = Options(bind_host, region, fault_injection, enforce_iam, lambda_concurrency, outlive_caller, kept)
    run_directory.remove_abandoned()
    with contextlib.ExitStack() as ours:
        data_lock = None if kept is None else ours.enter_context(kept.acquire())
        sockets = listen_again(bind_host, kept) if port is None else listen(bind_host, port)
        for listening in sockets:
            ours.enter_context(listening)
        bound_port = sockets[0].getsockname()[1]
        directory, lock = run_directory.create(bound_port)
        locks = Locks(ours.enter_context(lock), data_lock)
        try:
            process = spawn(directory, sockets, locks, server_environment(directory, bound_port, options), options)
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
    """End the server with its Lambda workers and remove its directory; harmless if it has ended.

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
    """The sockets listen from the beginning: the request waits in them until the server is there."""
    connection = http.client.HTTPConnection(LOOPBACK, local_aws.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", HEALTH_PATH)
        return connection.getresponse().status == HTTPStatus.OK
    except (http.client.HTTPException, OSError):
        time.sleep(LOOK_EVERY_SECONDS)
        return False
    finally:
        connection.close()


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
