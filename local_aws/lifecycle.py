"""Starting and stopping local AWS."""

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local_aws.access.credentials import RootCredentials
from local_aws.access.origins import LOOPBACK

ANY_ADDRESS = "0.0.0.0"  # noqa: S104  (only when the caller asks for it)
ACCOUNT_ID = "000000000000"
LOCK_FILE = "lock"
LOG_FILE = "server.log"
BIND_HOST = "BIND_HOST"
FAULT_INJECTION = "LOCAL_AWS_FAULT_INJECTION"
LAMBDA_CONCURRENCY = "LOCAL_AWS_LAMBDA_CONCURRENCY"
PROJECT_ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 5.0
INHERITED_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE")

_started: dict[int, subprocess.Popen[bytes]] = {}


class LocalAwsError(Exception):
    """Local AWS could not be started or stopped."""


class PortTakenError(LocalAwsError):
    """Another process listens on the port that was asked for."""


class StartFailedError(LocalAwsError):
    """The server ended, or did not answer in time, before it was ready."""


class MissingCredentialsError(LocalAwsError):
    """The server has ended, or an earlier version of local AWS has started it."""


@dataclass(frozen=True)
class _Options:
    """What a server is told through its environment."""

    bind_host: str
    region: str
    fault_injection: bool
    enforce_iam: bool
    lambda_concurrency: int | None


@dataclass(frozen=True)
class LocalAws:
    """A started server. `directory` is its own: it holds the log, its temporary files and stored objects."""

    endpoint_url: str
    port: int
    pid: int
    directory: Path
    region: str = "us-east-1"

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
) -> LocalAws:
    """Start a server and wait until it answers.

    It runs in a session of its own, so a Ctrl-C does not reach it. It ends when its caller does, unless
    `outlive_caller`. Beyond `lambda_concurrency` executions at a time, Lambda throttles. Raises PortTakenError and
    StartFailedError.
    """
    options = _Options(bind_host, region, fault_injection, enforce_iam, lambda_concurrency)
    sockets = _listen(bind_host, port or 0)
    try:
        bound_port = sockets[0].getsockname()[1]
        directory = Path(tempfile.mkdtemp(prefix=f"local-aws-{bound_port}-"))
        environment = _server_environment(directory, bound_port, options)
        process = _spawn(directory, sockets, environment, outlive_caller)
    finally:
        for listening in sockets:
            listening.close()
    local_aws = LocalAws(f"http://{LOOPBACK}:{bound_port}", bound_port, process.pid, directory, region)
    _started[process.pid] = process
    try:
        _wait_until_ready(local_aws, process, ready_timeout_seconds)
    except BaseException:
        stop(local_aws)
        raise
    return local_aws


def stop(local_aws: LocalAws) -> None:
    """End the server with its Lambda workers and remove its directory; harmless when it is gone."""
    process = _started.pop(local_aws.pid, None)
    if is_running(local_aws) or (process is not None and process.poll() is None):
        _end(local_aws)
    if process is not None:
        if process.stdin is not None:
            process.stdin.close()
        process.wait()
    shutil.rmtree(local_aws.directory, ignore_errors=True)


def is_running(local_aws: LocalAws) -> bool:
    """Whether this very server is alive: it holds a lock in its directory, which no reused pid does."""
    try:
        with (local_aws.directory / LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


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
        "TMPDIR": str(directory / "tmp"),
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
    directory: Path, sockets: list[socket.socket], environment: dict[str, str], outlive_caller: bool
) -> subprocess.Popen[bytes]:
    (directory / "tmp").mkdir()
    RootCredentials.new().write(directory)
    descriptors = [listening.fileno() for listening in sockets]
    command = [sys.executable, "-m", "local_aws.server", "--directory", str(directory)]
    for descriptor in descriptors:
        command += ["--socket", str(descriptor)]
    if not outlive_caller:
        command.append("--end-with-stdin")
    with (directory / LOG_FILE).open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL if outlive_caller else subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=descriptors,
            start_new_session=True,
        )


def _wait_until_ready(local_aws: LocalAws, process: subprocess.Popen[bytes], timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
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
        deadline = time.monotonic() + STOP_SECONDS
        while is_running(local_aws) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(local_aws.pid, signal.SIGKILL)
