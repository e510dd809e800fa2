"""Other local DynamoDBs, each a process of its own: moto's server and dynalite."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from botocore.credentials import Credentials

from local_aws import running
from tests.oracle.dynalite import started as dynalite_started

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DYNALITE_DIRECTORY = PROJECT_ROOT / ".venv" / "oracle"
# Both peers accept any credentials.
ANY_CREDENTIALS = Credentials("test", "test")
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Server:
    """A running DynamoDB: its URL, its process, and the credentials that it accepts."""

    url: str
    pid: int
    credentials: Credentials


@contextlib.contextmanager
def local_aws() -> Iterator[Server]:
    """This project's own."""
    with running() as aws:
        root = aws.credentials
        yield Server(aws.endpoint_url, aws.pid, Credentials(root.access_key_id, root.secret_access_key))


@contextlib.contextmanager
def moto() -> Iterator[Server]:
    """moto's server, as `moto_server` starts it."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url)
            yield Server(url, process.pid, ANY_CREDENTIALS)
        finally:
            process.kill()


@contextlib.contextmanager
def dynalite() -> Iterator[Server]:
    """dynalite, installed as for `make oracle`."""
    with dynalite_started(DYNALITE_DIRECTORY) as (url, pid):
        yield Server(url, pid, ANY_CREDENTIALS)


PEERS: dict[str, Callable[[], AbstractContextManager[Server]]] = {"moto": moto, "dynalite": dynalite}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait_for(url: str) -> None:
    """Return when the server answers. Raises TimeoutError."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/moto-api/"):
            return
        time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within {START_SECONDS} s")
